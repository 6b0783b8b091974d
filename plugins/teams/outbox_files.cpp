// Files on their way to Teams.
#include "plugins/teams/outbox.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>
#include <viaduct/chat/calls.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 5s;  // for a limit, before the outbox waits itself
constexpr int kTries = 20;
constexpr auto kBetweenTries = 500ms;
// How far an upload has come, behind the key of its shipment: another one begins anew.
constexpr std::string_view kBegun = " begun";
constexpr std::string_view kLast = " last";

Failure failure(Trouble trouble, std::string message) {
  Failure why;
  why.trouble = trouble;
  why.message = std::move(message);
  return why;
}

std::unexpected<Failure> later(const sdk::Status& why) {
  return std::unexpected(failure(Trouble::kRetryLater, why.message));
}

std::unexpected<Failure> not_there() {
  return std::unexpected(failure(Trouble::kMissing, "the file is not there any more"));
}

}  // namespace

net::Task<std::optional<std::string>> Outbox::state_of(std::string key) {
  const sdk::Answer answer =
      co_await chat::answered([&](sdk::Callback done) { delivery_.find(key, std::move(done)); });
  if (answer.code == sdk::Code::kNotFound) co_return std::string();
  if (!answer.ok()) co_return std::nullopt;
  co_return chat::Value::parsed(answer.result).text("state");
}

// Where Teams does not take it, what is offered in its place.
net::Task<CallResult> Outbox::show_picture(const Shipment& shipment) {
  const auto kept = co_await shelf_.get(shipment.key);
  if (!kept) co_return later(kept.error());
  if (!*kept) co_return not_there();
  CallResult shown = co_await connector_.send(shipment.to, picture_activity(**kept), kPatience);
  if (shown || !shown.error().not_done) co_return shown;
  const Trouble trouble = shown.error().trouble;
  if (trouble != Trouble::kTooLarge && trouble != Trouble::kContent && trouble != Trouble::kOther)
    co_return shown;
  log_.warn("Teams does not show a picture key=" + shipment.key +
            " reason=" + shown.error().message);
  // Where it is not offered, it is only said that it cannot be shown, and nobody can have it.
  if (shipment.to.is_personal)
    if (const auto noted = co_await shelf_.note(shipment.key, std::string(kOffered)); !noted)
      co_return later(noted.error());
  co_return co_await connector_.send(shipment.to, shipment.activity, kPatience);
}

net::Task<CallResult> Outbox::upload(const Shipment& shipment) {
  auto kept = co_await shelf_.get(shipment.file);
  if (!kept) co_return later(kept.error());
  const auto noted = co_await shelf_.noted(shipment.file);
  if (!noted) co_return later(noted.error());
  if (!*kept) co_return not_there();
  Files::Progress progress;
  progress.may_be_whole = *noted == shipment.key + std::string(kLast);
  progress.has_begun = progress.may_be_whole || *noted == shipment.key + std::string(kBegun);
  if (!progress.has_begun)
    if (const auto begun = co_await shelf_.note(shipment.file, shipment.key + std::string(kBegun));
        !begun)
      co_return later(begun.error());
  progress.before_last = [this, &shipment]() -> net::Task<bool> {
    const auto last = co_await shelf_.note(shipment.file, shipment.key + std::string(kLast));
    co_return last.has_value();
  };
  const auto done =
      co_await files_.upload(shipment.upload_url, std::move((*kept)->bytes), std::move(progress));
  if (!done) co_return std::unexpected(done.error());
  Shipment card;
  card.key = shipment.key + "/card";
  card.target = card.key;
  card.to = shipment.to;
  card.activity = shipment.activity;
  const auto posted = co_await post(std::move(card));
  if (!posted) co_return std::unexpected(failure(Trouble::kRetryLater, posted.error().message));
  // What asked for it has been answered; nothing depends on that.
  if (const auto asked = co_await where(shipment.of))
    co_await connector_.remove(shipment.to, asked->id, kPatience);
  co_return Done{};
}

// What was offered stays until it was answered. Not before it is on disk that it has arrived: a
// file that is gone is not sent once more.
net::Task<> Outbox::let_go(Shipment shipment) {
  std::string file;
  if (shipment.kind == Shipment::Kind::kFile) file = shipment.file;
  if (shipment.kind == Shipment::Kind::kPicture) file = shipment.key;
  if (file.empty()) co_return;
  const auto noted = co_await shelf_.noted(file);
  if (!noted || (shipment.kind == Shipment::Kind::kPicture && !noted->empty())) co_return;
  for (int tries = 0; tries < kTries; ++tries) {
    const auto state = co_await state_of(shipment.key);
    if (state && *state == "sent") co_return co_await shelf_.drop(file);
    boost::asio::steady_timer pause(loop_.context(), kBetweenTries);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

}  // namespace viaduct::teams
