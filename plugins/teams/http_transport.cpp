#include "plugins/teams/http_transport.hpp"

#include <memory>
#include <utility>

namespace viaduct::teams {
namespace {

constexpr std::string_view kPath = "/api/messages";

// Neither a browser's page nor a proxy or tunnel: of matter to the Playground, which has no token.
bool is_direct_call(const sdk::Request& request) {
  for (const char* name : {"origin", "via", "sec-fetch-site", "cf-connecting-ip", "cf-ray",
                           "true-client-ip", "x-client-ip", "x-original-host", "x-ms-proxy"})
    if (request.header(name)) return false;
  return is_loopback_authority(request.header("host").value_or(""));
}

// Two of them prove nothing, whatever they say: the name of no scheme stands for them.
std::string authorization_of(const sdk::Request& request) {
  if (request.count("authorization") > 1) return "several";
  return std::string(request.header("authorization").value_or(""));
}

void respond(sdk::Exchange& exchange, int status, std::string_view body) {
  exchange.respond(body.empty()
                       ? sdk::Response::text(static_cast<unsigned>(status), "")
                       : sdk::Response::json(static_cast<unsigned>(status), std::string(body)));
}

}  // namespace

ActivityFacts facts_of(const Activity& activity) {
  ActivityFacts facts;
  facts.service_url = activity.service_url;
  facts.channel = activity.channel;
  facts.channel_tenant = activity.channel_tenant;
  facts.conversation_tenant = activity.conversation_tenant;
  return facts;
}

HttpTransport::HttpTransport(const sdk::Host& host, net::Loop& loop, InboundAuth& auth,
                             Inbound& inbound)
    : loop_(loop), http_(host), log_(host), metrics_(host), auth_(auth), inbound_(inbound) {}

// Whoever has no token could fill the log else; the metric counts them all.
void HttpTransport::note_refusal(const std::string& request_id, std::string_view why) {
  if (const auto line =
          noted_.line(why, "request refused request=" + request_id + " reason=" + std::string(why)))
    log_.warn(*line);
}

void HttpTransport::begin(bool with_alias) {
  const auto handler = [this](const sdk::Request& request, sdk::Exchange exchange) {
    const bool is_direct = request.is_local() && is_direct_call(request);
    loop_.spawn(take(authorization_of(request), std::string(request.body()), is_direct,
                     std::string(request.request_id()),
                     std::make_shared<sdk::Exchange>(std::move(exchange))));
  };
  if (with_alias) {
    try {
      return http_.aliased_route("POST", kPath, handler);
    } catch (const sdk::Error& error) {
      log_.warn(
          "the short address /api/messages is not to be had, the long one is; messages_alias: "
          "false says that it is meant so reason=" +
          std::string(error.what()));
    }
  }
  http_.public_route("POST", kPath, handler);
}

net::Task<> HttpTransport::take(std::string authorization, std::string body, bool is_direct,
                                std::string request_id, std::shared_ptr<sdk::Exchange> exchange) {
  auto activity = parse_activity(body);
  if (!activity) {
    note_refusal(request_id, activity.error());
    co_return respond(*exchange, 400, R"({"error":"not an activity"})");
  }
  ActivityFacts facts = facts_of(*activity);
  facts.is_direct = is_direct;
  const auto verdict = co_await auth_.admit(std::move(authorization), std::move(facts));
  if (!verdict) {
    const Refused why = verdict.error();
    metrics_.count("teams_refused_total", 1,
                   R"({"reason":)" + sdk::json_string(word_of(why)) + "}");
    note_refusal(request_id, words_of(why));
    co_return respond(*exchange, status_of(why), body_of(why));
  }
  if (!is_open_) co_return respond(*exchange, 503, R"({"error":"not ready"})");
  inbound_.take(*std::move(activity), body, [exchange](int status, const std::string& answer) {
    respond(*exchange, status, answer);
  });
}

}  // namespace viaduct::teams
