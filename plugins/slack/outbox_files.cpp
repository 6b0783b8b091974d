// Files on their way to Slack.
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"
#include "plugins/slack/outbox.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <viaduct/chat/calls.hpp>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 5s;             // for a rate limit, before the outbox waits itself
constexpr std::uint64_t kMostUploads = 4;  // of a file, before words go in its place
constexpr auto kForgotten = 72h;           // a file that nobody has asked to be sent
constexpr int kTries = 20;
constexpr auto kBetweenTries = 500ms;

ApiFailure failure(ApiTrouble trouble, std::string message) {
  return {trouble, "", std::move(message), true, std::nullopt};
}

bool is_over(std::string_view state) {
  return state == "sent" || state == "failed" || state == "expired";
}

std::chrono::seconds seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

// nullopt: the host does not say; empty: it does not know it.
net::Task<std::optional<std::string>> Outbox::state_of(std::string key) {
  const sdk::Answer answer =
      co_await chat::answered([&](sdk::Callback done) { delivery_.find(key, std::move(done)); });
  if (answer.code == sdk::Code::kNotFound) co_return std::string();
  if (!answer.ok()) co_return std::nullopt;
  const auto posted = parse_posted(answer.result);
  if (!posted) co_return std::nullopt;
  co_return posted->state;
}

net::Task<net::Result<Posted>> Outbox::post_file(std::string key, chat::Place place,
                                                 const chat::File& file) {
  const auto state = co_await state_of(key);
  if (!state)
    co_return std::unexpected(sdk::Status{sdk::Code::kUnavailable, "the outbox does not answer"});
  if (!state->empty()) co_return Posted{false, *state, std::nullopt};
  if (const auto kept = co_await shelf_.put(key, place, file); !kept)
    co_return std::unexpected(kept.error());
  co_return co_await post({Shipment::Kind::kFile, std::move(key), place.key(), place.team,
                           "files.completeUploadExternal", file_args(place, file.words), "", ""});
}

net::Task<> Outbox::tidy() {
  for (const chat::Shelf::Kept& one : co_await shelf_.all()) {
    const auto state = co_await state_of(one.key);
    if ((state && is_over(*state)) || one.age > kForgotten) co_await shelf_.drop(one.key);
  }
}

// Not before it is on disk that it has arrived: a file that is gone is not looked for.
net::Task<> Outbox::let_go(std::string key) {
  for (int tries = 0; tries < kTries; ++tries) {
    const auto state = co_await state_of(key);
    if (state && is_over(*state)) co_return co_await shelf_.drop(key);
    boost::asio::steady_timer pause(loop_.context(), kBetweenTries);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

net::Task<net::Result<Outbox::Uploaded>> Outbox::uploaded(std::string key) {
  const auto noted = co_await shelf_.noted(std::move(key));
  if (!noted) co_return std::unexpected(noted.error());
  const std::size_t space = noted->find(' ');
  if (space == std::string::npos) co_return Uploaded{};
  const std::chrono::seconds at(std::strtoll(noted->c_str(), nullptr, 10));
  co_return Uploaded{noted->substr(space + 1), std::max(seconds_now() - at, 0s)};
}

// Where Slack does not take it, words say so in its place.
net::Task<ApiResult> Outbox::upload(const Shipment& shipment, std::uint64_t attempt) {
  const auto later = [](const sdk::Status& why) {
    return std::unexpected(failure(ApiTrouble::kRetryLater, why.message));
  };
  const auto kept = co_await shelf_.get(shipment.key);
  if (!kept) co_return later(kept.error());
  if (!*kept)
    co_return std::unexpected(failure(ApiTrouble::kOther, "the file is not there any more"));
  const chat::File& file = **kept;
  ApiResult done = co_await api_.put_file(file, token(shipment.team));
  if (done) {
    // By this it is found if what follows is cut off.
    if (const auto noted =
            co_await shelf_.note(shipment.key, std::to_string(seconds_now().count()) + " " + *done);
        !noted)
      co_return later(noted.error());
    done = co_await api_.share_file(*done, file.name, shipment.args, token(shipment.team));
    // Slack keeps it for a while only.
    if (!done && done.error().error.starts_with("file_not_"))
      done.error().trouble = ApiTrouble::kRetryLater;
  }
  if (done) co_return done;
  const ApiFailure& why = done.error();
  const bool is_in_vain =
      why.trouble == ApiTrouble::kRetryLater && why.not_done && attempt >= kMostUploads;
  if (!is_refusal(why) && !is_in_vain) co_return done;
  log_.warn("words in place of a file key=" + shipment.key + " error=" + why.error +
            " reason=" + why.message);
  const chat::Place place{shipment.team, argument(shipment.args, "channel_id"),
                          argument(shipment.args, "thread_ts")};
  const std::string words = "*" + escaped(file.name) + "* (" + escaped(file.alt) + ", " +
                            chat::size_words(file.bytes.size()) +
                            ") could not be put here: " + escaped(why.message) + ".";
  co_return co_await api_.call("chat.postMessage", post_args(place, note_body(words), shipment.key),
                               token(shipment.team), kPatience);
}

}  // namespace viaduct::slack
