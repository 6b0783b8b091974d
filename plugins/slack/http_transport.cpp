#include "plugins/slack/http_transport.hpp"

#include "plugins/slack/form.hpp"
#include "plugins/slack/mentions.hpp"

#include <ctime>
#include <memory>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::slack {
namespace {

constexpr std::size_t kLongestEcho = 200;

}  // namespace

std::string slash_seen_json(const SlashCommand& command) {
  const std::string text = escaped(net::one_line(command.text, kLongestEcho));
  return R"({"response_type":"ephemeral","text":)" +
         sdk::json_string("`" + command.command + (text.empty() ? "" : " ") + text + "` …") + "}";
}

HttpTransport::HttpTransport(const sdk::Host& host, Signatures signatures, Inbound& inbound,
                             Inbox& inbox)
    : http_(host),
      log_(host),
      metrics_(host),
      signatures_(std::move(signatures)),
      inbound_(inbound),
      inbox_(inbox) {}

void HttpTransport::begin() {
  for (const char* path : {"/", "/events", "/commands", "/interactivity"})
    http_.public_route("POST", path, [this](const sdk::Request& request, sdk::Exchange exchange) {
      take(request, std::move(exchange));
    });
}

void HttpTransport::take(const sdk::Request& request, sdk::Exchange exchange) {
  const auto refuse = [&exchange](unsigned status, std::string_view why) {
    exchange.respond(sdk::Response::json(status, R"({"error":)" + sdk::json_string(why) + "}"));
  };
  const std::string_view body = request.body();
  const std::string_view type = request.header("content-type").value_or("");
  const Proof proof =
      signatures_.check(request.header("x-slack-request-timestamp").value_or(""),
                        request.header("x-slack-signature").value_or(""), body, std::time(nullptr));
  if (proof != Proof::kGood) {
    // Slack's own check of the certificate has no signature; nothing else of it is looked at.
    if (is_ssl_check(type, body)) return exchange.respond(sdk::Response::text(200, ""));
    metrics_.count("slack_refused_total");
    log_.warn("request refused request=" + exchange.request_id() +
              " reason=" + std::string(words(proof)));
    return refuse(401, "not signed by Slack");
  }
  auto parsed = parse_http(type, body);
  if (!parsed) {
    log_.warn("request not understood request=" + exchange.request_id() +
              " reason=" + parsed.error());
    return refuse(400, "not understood");
  }
  if (const auto* check = std::get_if<UrlVerification>(&parsed->what))
    return exchange.respond(
        sdk::Response::json(200, R"({"challenge":)" + sdk::json_string(check->challenge) + "}"));
  if (std::holds_alternative<SslCheck>(parsed->what))
    return exchange.respond(sdk::Response::text(200, ""));
  if (const auto* limited = std::get_if<RateLimited>(&parsed->what)) {
    metrics_.count("slack_rate_limited_total");
    log_.error("Slack delivers no more events this minute, there are too many team=" +
               limited->team);
    return exchange.respond(sdk::Response::text(200, ""));
  }
  if (!is_open_) return refuse(503, "not ready");
  if (inbound_.is_nothing(*parsed)) return exchange.respond(sdk::Response::text(200, ""));
  std::string seen;
  if (const auto* command = std::get_if<SlashCommand>(&parsed->what))
    seen = slash_seen_json(*command);
  const auto keys = inbound_.keys(*parsed);
  if (is_too_long(keys)) {
    log_.warn("request dropped, its ids are longer than any of Slack's request=" +
              exchange.request_id());
    return exchange.respond(sdk::Response::text(200, ""));
  }
  inbox_.receive(
      *std::move(parsed), keys, kept_json(true, type, body),
      [seen = std::move(seen),
       kept = std::make_shared<sdk::Exchange>(std::move(exchange))](const sdk::Status& status) {
        if (!status.ok())
          return kept->respond(
              sdk::Response::json(503, R"({"error":)" + sdk::json_string(status.message) + "}"));
        kept->respond(seen.empty() ? sdk::Response::text(200, "") : sdk::Response::json(200, seen));
      });
}

}  // namespace viaduct::slack
