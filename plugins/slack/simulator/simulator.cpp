#include "plugins/slack/simulator/simulator.hpp"

#include "plugins/slack/config.hpp"
#include "plugins/slack/simulator/page_files.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace viaduct::slack::simulator {
namespace {

constexpr std::string_view kFolder = "/simulator";
constexpr std::string_view kNoPage =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Slack simulator</title>"
    "<p>The simulator runs, but it was built without its page (<code>VIADUCT_WEB=OFF</code>).</p>"
    "</html>";

sdk::Response refusal(unsigned status, std::string_view why) {
  return sdk::Response::json(status, R"({"error":)" + sdk::json_string(why) + "}");
}

// Headers that proxies and tunnels add. In lower case.
bool is_of_a_proxy(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames = {
      "forwarded",   "via",      "client-ip", "true-client-ip",
      "remote-addr", "cdn-loop", "x-real-ip", "x-cluster-client-ip"};
  constexpr std::array<std::string_view, 9> kPrefixes = {
      "x-forwarded", "x-original-", "x-client-", "x-envoy-",  "x-azure-",
      "x-amzn-",     "cf-",         "fastly-",   "tailscale-"};
  return std::ranges::find(kNames, name) != kNames.end() ||
         (name.starts_with("x-") && name.ends_with("-ip")) ||
         std::ranges::any_of(kPrefixes,
                             [name](std::string_view one) { return name.starts_with(one); });
}

// The host listens on this computer only; what a proxy brings from elsewhere is turned away too.
bool is_from_here(const sdk::Request& request) {
  const viaduct_http_request& raw = request.raw();
  for (std::size_t i = 0; i < raw.header_count; ++i)
    if (is_of_a_proxy({raw.headers[i].name.data, raw.headers[i].name.size})) return false;
  return request.who() &&
         is_loopback_url("http://" + std::string(request.header("host").value_or("")) + "/");
}

}  // namespace

class Simulator::Page final : public sdk::Connection {
 public:
  Page(Simulator& simulator, std::uint64_t id) : simulator_(simulator), id_(id) {}
  void writable() override { simulator_.catch_up(id_); }
  void closed(std::uint16_t, std::string_view) override { simulator_.pages_.erase(id_); }

 private:
  Simulator& simulator_;
  const std::uint64_t id_;
};

Simulator::Simulator(const sdk::Host& host, std::string command)
    : http_(host), name_(host.name()), stand_in_(std::make_shared<StandIn>(std::move(command))) {
  stand_in_->watch([this](const std::string& change) { tell(change); });
}

void Simulator::begin() {
  http_.websocket("/simulator/api/ws", [this](const sdk::Request& request, sdk::Exchange exchange) {
    watch(request, std::move(exchange));
  });
  http_.route("POST", "/simulator/api/act",
              [this](const sdk::Request& request, sdk::Exchange exchange) {
                act(request, std::move(exchange));
              });
  for (const char* path : {"/", "/simulator"})
    http_.route("GET", path, [this](const sdk::Request&, sdk::Exchange exchange) {
      sdk::Response response = sdk::Response::text(302, "");
      response.headers.emplace_back("Location", "/apps/" + name_ + "/simulator/");
      exchange.respond(response);
    });
  const auto pages = page_files();
  paths_.clear();
  paths_.reserve(pages.size() + 1);
  std::vector<sdk::File> files;
  for (const PageFile& file : pages) {
    paths_.push_back(std::string(kFolder) + std::string(file.path));
    files.push_back({paths_.back(), file.content_type, file.data, file.gzip, file.immutable});
  }
  if (files.empty()) files.push_back({"/simulator/", "text/html; charset=utf-8", kNoPage});
  http_.files(files);
}

void Simulator::close() {
  is_open_ = false;
  for (const auto& [id, page] : pages_) page.socket.close(1012, "the surface restarts");
}

void Simulator::watch(const sdk::Request& request, sdk::Exchange exchange) {
  if (!is_from_here(request))
    return exchange.respond(refusal(403, "the simulator is for this computer only"));
  const std::uint64_t id = exchange.id();
  pages_[id].socket = exchange.accept(std::make_shared<Page>(*this, id));
  catch_up(id);
}

void Simulator::act(const sdk::Request& request, sdk::Exchange exchange) {
  if (!is_from_here(request))
    return exchange.respond(refusal(403, "the simulator is for this computer only"));
  if (!is_open_) return exchange.respond(refusal(503, "it is not ready yet, try again"));
  if (const auto done = stand_in_->act(request.body()); !done)
    return exchange.respond(refusal(400, done.error()));
  exchange.respond(sdk::Response::json(200, R"({"ok":true})"));
}

void Simulator::tell(const std::string& change) {
  for (auto& [id, page] : pages_)
    if (!page.is_behind) page.is_behind = page.socket.send(change) == sdk::Flow::kBusy;
}

// What it has missed is in the whole.
void Simulator::catch_up(std::uint64_t id) {
  const auto found = pages_.find(id);
  if (found == pages_.end()) return;
  found->second.is_behind = found->second.socket.send(stand_in_->snapshot()) == sdk::Flow::kBusy;
}

}  // namespace viaduct::slack::simulator
