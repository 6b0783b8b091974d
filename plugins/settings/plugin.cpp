// The settings page as a plugin: shows what runs, how it is configured and what it holds.
#include "overview_json.hpp"
#include "page_files.hpp"

#include <viaduct/sdk/surface.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::settings {
namespace {

constexpr std::string_view kNoPage =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Viaduct settings</title>"
    "<p>The settings run, but were built without their page (<code>VIADUCT_WEB=OFF</code>). "
    "<a href=\"api/overview\">The overview as JSON</a>.</p></html>";

class Settings final : public sdk::Surface {
 public:
  Settings(sdk::Host host, std::string_view) : http_(host), overview_(host) {}

  void start(sdk::Reply reply) override {
    http_.route("GET", "/api/overview",
                [this](const sdk::Request& request, sdk::Exchange exchange) {
                  if (!known(request, exchange)) return;
                  overview_.get([exchange = std::move(exchange)](sdk::Answer answer) mutable {
                    show(std::move(answer), without_secrets, exchange);
                  });
                });
    // It talks to others, so that no link may cause it.
    http_.route("POST", "/api/check/{instance}",
                [this](const sdk::Request& request, sdk::Exchange exchange) {
                  if (!known(request, exchange)) return;
                  overview_.check(request.param("instance"),
                                  [exchange = std::move(exchange)](sdk::Answer answer) mutable {
                                    show(std::move(answer), checks_alone, exchange);
                                  });
                });
    std::vector<sdk::File> files;
    for (const PageFile& file : page_files())
      files.push_back({file.path, file.content_type, file.data, file.gzip, file.immutable});
    if (files.empty()) files.push_back({"/", "text/html; charset=utf-8", kNoPage});
    http_.files(files);
    reply.ok();
  }

 private:
  static bool known(const sdk::Request& request, sdk::Exchange& exchange) {
    if (request.who()) return true;
    exchange.respond(sdk::Response::json(401, R"({"error":"nobody said who is asking"})"));
    return false;
  }

  // `as` is what of the host's answer may go out.
  static void show(sdk::Answer answer, std::optional<std::string> (*as)(std::string_view),
                   sdk::Exchange& exchange) {
    if (!answer.ok() && sdk::http_status(answer.code) != 500) {
      exchange.respond(sdk::Response::json(sdk::http_status(answer.code),
                                           "{\"error\":" + sdk::json_string(answer.message) + "}"));
      return;
    }
    if (!answer.ok()) return exchange.fail_internal(answer.message);
    auto shown = as(answer.result);
    if (!shown) return exchange.fail_internal("what the host answers is no JSON object");
    sdk::Response response = sdk::Response::json(200, std::move(*shown));
    response.headers.emplace_back("Cache-Control", "no-store");
    exchange.respond(response);
  }

  const sdk::Http http_;
  const sdk::Overview overview_;
};

}  // namespace
}  // namespace viaduct::settings

VIADUCT_EXPORT_SURFACE(viaduct::settings::Settings,
                       viaduct::sdk::Descriptor{
                           "org.viaduct.settings", "0.1.0",
                           "A page that shows what runs, how it is configured and what it holds",
                           R"({"type": "object", "additionalProperties": false})", "{}", true})
