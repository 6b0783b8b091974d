#include "plugins/slack/inbox.hpp"

#include <viaduct/chat/calls.hpp>

#include <utility>

namespace viaduct::slack {
namespace {

constexpr std::uint32_t kPage = 200;

}  // namespace

Inbox::Inbox(const sdk::Host& host, net::Loop& loop, Lane lane, Handler handler)
    : loop_(loop),
      delivery_(host),
      log_(host),
      metrics_(host),
      lane_(std::move(lane)),
      handler_(std::move(handler)) {}

void Inbox::receive(Request request, std::vector<std::string> keys, bool is_http,
                    std::string_view source, std::string_view text,
                    std::function<void(sdk::Status)> done) {
  if (waiting_ >= kMostWaiting)
    return done({sdk::Code::kBusy, "too many events wait to be dealt with"});
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  delivery_.receive(views, kept_json(is_http, source, text),
                    [this, request = std::move(request), key = keys.front(),
                     done = std::move(done)](const sdk::Answer& answer) mutable {
                      if (answer.ok() && sdk::Delivery::is_new(answer))
                        handle({std::move(request), std::move(key), std::chrono::milliseconds(0)});
                      else if (answer.ok())
                        metrics_.count("slack_duplicates_total");
                      done(answer.status());
                    });
}

net::Task<> Inbox::catch_up() {
  std::uint64_t after = 0;
  for (;;) {
    const sdk::Answer answer = co_await chat::answered(
        [&](sdk::Callback done) { delivery_.unhandled(after, kPage, std::move(done)); });
    if (!answer.ok()) {
      log_.error("what was received before cannot be read reason=" + answer.message);
      co_return;
    }
    const KeptPage page = parse_kept(answer.result);
    for (const Kept& event : page.events) {
      after = event.number;
      auto request = event.is_http ? parse_http(event.source, event.text)
                                   : parse_envelope(event.source, event.text);
      if (!request) {
        log_.error("an event that was kept cannot be read key=" + event.key +
                   " reason=" + request.error());
        delivery_.handled(event.key);
        continue;
      }
      log_.info("event from before the start key=" + event.key);
      handle({*std::move(request), event.key, event.age});
    }
    if (!page.more) co_return;
  }
}

void Inbox::handle(Item item) {
  ++waiting_;
  std::string lane = lane_(item.request);
  if (lane.empty()) {
    loop_.spawn(one(std::move(item)));
    return;
  }
  const auto [found, is_new] = lanes_.try_emplace(lane);
  found->second.push_back(std::move(item));
  if (is_new) loop_.spawn(work(std::move(lane)));
}

net::Task<> Inbox::work(std::string lane) {
  for (;;) {
    const auto found = lanes_.find(lane);
    if (found->second.empty()) {
      lanes_.erase(found);
      co_return;
    }
    Item next = std::move(found->second.front());
    found->second.pop_front();
    co_await one(std::move(next));
  }
}

net::Task<> Inbox::one(Item item) {
  const std::string key = item.key;
  try {
    co_await handler_(std::move(item.request), item.age);
  } catch (const std::exception& error) {
    log_.error("event not dealt with key=" + key + " what=" + error.what());
  }
  --waiting_;
  delivery_.handled(key);
}

}  // namespace viaduct::slack
