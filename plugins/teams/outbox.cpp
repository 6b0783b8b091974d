#include "plugins/teams/outbox.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr auto kPatience = 5s;         // for a rate limit, before the outbox waits itself
constexpr auto kWhileBroken = 15s;     // between tries without a token
constexpr auto kLongAgo = 10min;       // no stream lives so long
constexpr int kMostFailures = 5;       // of frames, one after the other
constexpr auto kLongestPause = 10min;  // whatever the other side says

Failure failure(Trouble trouble, std::string message) {
  Failure why;
  why.trouble = trouble;
  why.message = std::move(message);
  return why;
}

Arrival arrival_of(const chat::Value& at) {
  return {at.text("id"), at.yes("streams")};
}

bool may_pass(const Failure& why) {
  return why.trouble == Trouble::kRetryLater || why.trouble == Trouble::kCredentials;
}

// What the whole of an answer is posted as, where its first words are nowhere.
std::string whole_key(const std::string& of) {
  return of + "/whole";
}

}  // namespace

Outbox::Outbox(const sdk::Host& host, net::Loop& loop, Connector& connector, Files& files)
    : Outbox(host, loop, connector, files, Times()) {}
Outbox::Outbox(const sdk::Host& host, net::Loop& loop, Connector& connector, Files& files,
               Times times)
    : loop_(loop),
      connector_(connector),
      files_(files),
      times_(times),
      posts_(host, loop, "Teams"),
      delivery_(host),
      shelf_(host),
      log_(host) {}

net::Task<net::Result<Outbox::Posted>> Outbox::post(Shipment shipment) {
  const bool is_edit = shipment.kind == Shipment::Kind::kEdit ||
                       shipment.kind == Shipment::Kind::kEnd ||
                       shipment.kind == Shipment::Kind::kFile;
  std::string payload = shipment_json(shipment);
  const auto posted = co_await posts_.post(std::move(shipment.key), std::move(shipment.target),
                                           std::move(payload), is_edit);
  if (!posted) co_return std::unexpected(posted.error());
  Posted known{posted->is_new, posted->state, std::nullopt};
  if (posted->at) known.arrival = arrival_of(*posted->at);
  co_return known;
}

std::optional<Arrival> Outbox::arrived(std::string_view key) const {
  const auto at = posts_.at(key);
  if (!at) return std::nullopt;
  return arrival_of(*at);
}

void Outbox::forget(std::string_view key) {
  posts_.forget(key);  // its stream, if there is one, is for kEnd
}

net::Task<std::expected<Arrival, std::string>> Outbox::wait_for(std::string key,
                                                                std::chrono::milliseconds limit) {
  const auto at = co_await posts_.wait_for(std::move(key), limit);
  if (!at) co_return std::unexpected(at.error());
  co_return arrival_of(*at);
}

net::Task<std::optional<Arrival>> Outbox::where(std::string key) {
  auto at = co_await posts_.where(key);
  if (at && !at->text("id").empty()) co_return arrival_of(*at);
  at = co_await posts_.where(whole_key(key));
  if (!at || at->text("id").empty()) co_return std::nullopt;
  co_return arrival_of(*at);
}

Outbox::Stream* Outbox::stream(std::string_view key) {
  const auto found = streams_.find(key);
  return found == streams_.end() ? nullptr : &found->second;
}

void Outbox::tidy() {
  std::erase_if(streams_, [now = Clock::now()](const auto& one) {
    return !one.second.busy && now - one.second.begun > kLongAgo;
  });
}

void Outbox::was_cancelled(const std::string& key) {
  if (Stream* const one = stream(key)) {
    one->open = false;
    if (std::exchange(one->cancelled, true)) return;
  }
  if (cancelled_) cancelled_(key);
}

// ---------------------------------------------------------------- sending

void Outbox::send(const sdk::Parcel& parcel, sdk::Sending sending) {
  auto shipment = parse_shipment(parcel.payload_json);
  if (!shipment) return sending.fail(sdk::Code::kInvalidArgument, "it is none of this version");
  shipment->key = parcel.key;
  shipment->target = parcel.target;
  loop_.spawn(deliver(*std::move(shipment), parcel.attempt, std::move(sending)));
}

net::Task<> Outbox::deliver(Shipment shipment, std::uint64_t attempt, sdk::Sending sending) {
  const bool makes = shipment.kind == Shipment::Kind::kPost ||
                     shipment.kind == Shipment::Kind::kAlone ||
                     shipment.kind == Shipment::Kind::kPicture;
  const bool begins = shipment.kind == Shipment::Kind::kBegin;
  const CallResult done = co_await perform(shipment);
  if (done) {
    const Stream* const streamed = begins ? stream(shipment.key) : nullptr;
    const std::string result = arrival_json({done->id, streamed != nullptr});
    if (makes || begins) posts_.arrived(shipment.key, result);
    sending.arrived(result);
    co_await let_go(std::move(shipment));
    co_return;
  }
  const Failure& why = done.error();
  if (!why.not_done && begins) {
    log_.info("the beginning of an answer may not have arrived key=" + shipment.key +
              " reason=" + why.message);
    posts_.arrived(shipment.key, arrival_json({}));
    sending.arrived(arrival_json({}));
  } else if (!why.not_done && makes) {
    sending.unknown(why.message);
  } else if (why.trouble == Trouble::kCredentials) {
    sending.later(why.message, kWhileBroken);
  } else if (why.trouble == Trouble::kRetryLater ||
             (!why.not_done && attempt < times_.most_attempts)) {
    const auto pause = why.retry_after.value_or(0ms);
    sending.later(why.message, std::min<std::chrono::milliseconds>(pause, kLongestPause));
  } else {
    log_.warn("not posted key=" + shipment.key + " error=" + why.error + " reason=" + why.message);
    posts_.refused(shipment.key, why.message);
    if (refused_) refused_(shipment, why);
    sending.fail(sdk::Code::kFailedPrecondition, why.message);
  }
}

net::Task<CallResult> Outbox::perform(const Shipment& shipment) {
  switch (shipment.kind) {
    case Shipment::Kind::kBegin: co_return co_await begin(shipment);
    case Shipment::Kind::kEdit: co_return co_await edit(shipment);
    case Shipment::Kind::kEnd: co_return co_await end(shipment);
    case Shipment::Kind::kFile: co_return co_await upload(shipment);
    case Shipment::Kind::kPicture: co_return co_await show_picture(shipment);
    case Shipment::Kind::kAlone:
      if (!alone_) co_return std::unexpected(failure(Trouble::kOther, "nobody delivers it"));
      co_return co_await alone_(shipment);
    case Shipment::Kind::kPost: break;
  }
  if (shipment.reply_to.empty())
    co_return co_await connector_.send(shipment.to, shipment.activity, kPatience);
  co_return co_await connector_.reply(shipment.to, shipment.reply_to, shipment.activity, kPatience);
}

bool Outbox::streams(const Destination& to) const {
  return to.is_personal && !no_streams_.contains(to.tenant) &&
         std::ranges::none_of(streams_, [&](const auto& one) {
           return one.second.open && one.second.to.conversation == to.conversation &&
                  Clock::now() - one.second.begun < kLongAgo;
         });
}

net::Task<CallResult> Outbox::begin(const Shipment& shipment) {
  tidy();
  std::string text = activity_text(shipment.activity);
  if (shipment.streams && streams(shipment.to) && !text.empty()) {
    const CallResult begun = co_await connector_.stream(
        shipment.to, frame_activity(shipment.activity, text, "", 1), kPatience);
    if (begun && !begun->id.empty()) {
      Stream& one = streams_[shipment.key];
      one.to = shipment.to;
      one.format = shipment.activity;
      one.id = begun->id;
      one.said = std::move(text);
      one.begun = one.changed = Clock::now();
      one.idle = std::make_shared<asio::steady_timer>(loop_.context(), Clock::time_point::max());
    }
    if (begun) co_return begun;
    const Failure& why = begun.error();
    if (why.stream == StreamTrouble::kNotEnabled) no_streams_.insert(shipment.to.tenant);
    // Where nothing can be streamed, or not now, it is a message as any other.
    const bool is_over = !why.not_done || why.trouble == Trouble::kTargetGone ||
                         why.trouble == Trouble::kCredentials;
    if (is_over) co_return begun;
  }
  co_return co_await connector_.send(shipment.to, shipment.activity, kPatience);
}

net::Task<CallResult> Outbox::edit(const Shipment& shipment) {
  const auto at = co_await where(shipment.of);
  if (!at)
    co_return std::unexpected(
        failure(Trouble::kMissing, "the message that it changes was never seen to arrive"));
  co_return co_await connector_.update(shipment.to, at->id, shipment.activity, kPatience);
}

// The message shows all of the answer: as the end of its stream, else by an update, else as a new
// one.
net::Task<CallResult> Outbox::end(const Shipment& shipment) {
  co_await settled(shipment.of);
  const auto at = co_await where(shipment.of);
  if (!at) co_return co_await post_whole(shipment);
  if (const Stream* const one = stream(shipment.of); one != nullptr && one->cancelled)
    co_return Done{at->id, ""};
  if (at->streams) {
    const CallResult finished = co_await finish(shipment, at->id);
    if (finished || may_pass(finished.error())) co_return finished;
  }
  const CallResult updated =
      co_await connector_.update(shipment.to, at->id, shipment.activity, kPatience);
  const bool is_lost = !updated && (updated.error().trouble == Trouble::kMissing ||
                                    updated.error().stream != StreamTrouble::kNone);
  if (is_lost) co_return co_await post_whole(shipment);
  if (updated) streams_.erase(shipment.of);
  co_return updated;
}

// A failure that may not pass: it is to be updated instead.
net::Task<CallResult> Outbox::finish(const Shipment& shipment, std::string id) {
  std::string activity = shipment.activity;
  bool whole = true;
  if (const Stream* const one = stream(shipment.of)) {
    if (!one->open) co_return std::unexpected(failure(Trouble::kStream, "the stream is over"));
    whole = activity_text(activity).starts_with(one->said);
    // It ends with what it has, and is updated then.
    if (!whole) activity = with_text(one->format, one->said);
  }
  CallResult done =
      co_await connector_.stream(shipment.to, final_activity(activity, id), kPatience);
  if (!done && done.error().stream == StreamTrouble::kCancelled) {
    was_cancelled(shipment.of);
    co_return Done{id, ""};
  }
  if (!done && may_pass(done.error())) co_return done;
  if (Stream* const one = stream(shipment.of)) one->open = false;
  if (done && !whole)
    co_return std::unexpected(failure(Trouble::kStream, "the stream has another text"));
  if (done) streams_.erase(shipment.of);
  co_return done;
}

net::Task<CallResult> Outbox::post_whole(const Shipment& shipment) {
  Shipment whole;
  whole.key = whole_key(shipment.of);
  whole.target = shipment.target;
  whole.to = shipment.to;
  whole.activity = shipment.activity;
  const auto posted = co_await post(std::move(whole));
  if (!posted) co_return std::unexpected(failure(Trouble::kRetryLater, posted.error().message));
  co_return Done{};
}

// ---------------------------------------------------------------- while a message grows

// No frame of it is under way.
net::Task<> Outbox::settled(std::string key) {
  for (const Stream* one = stream(key); one != nullptr && one->busy; one = stream(key)) {
    const auto idle = one->idle;
    co_await idle->async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

net::Task<bool> Outbox::grow(std::string key, std::string text) {
  Stream* one = stream(key);
  if (one == nullptr || !one->open) co_return false;
  const auto now = Clock::now();
  if (one->busy) co_return true;
  if (!text.starts_with(one->said) || now > one->begun + times_.longest_stream) {
    co_await close(key);
    co_return false;
  }
  if (text.size() == one->said.size() || now < one->changed + times_.between_frames) co_return true;
  one->busy = true;
  one->changed = now;
  const Destination to = one->to;
  const std::string frame = frame_activity(one->format, text, one->id, ++one->sequence);
  const CallResult done = co_await connector_.stream(to, frame, Connector::kPassing);
  one = stream(key);
  if (one == nullptr) co_return false;
  one->busy = false;
  one->idle->cancel();
  // The service may have what nobody has heard an answer to.
  if (done || !done.error().not_done) one->said = std::move(text);
  if (done) {
    one->failures = 0;
    co_return true;
  }
  const Failure& why = done.error();
  if (why.stream == StreamTrouble::kCancelled) {
    was_cancelled(key);
    co_return false;
  }
  if (why.trouble == Trouble::kStream && why.stream != StreamTrouble::kSequence) {
    one->open = false;
    co_return false;
  }
  // What a limit has held back comes with the next piece.
  if (may_pass(why) && why.not_done) {
    if (why.status == 0) --one->sequence;  // nobody has seen it
    co_return true;
  }
  const bool goes_on = why.stream == StreamTrouble::kSequence || may_pass(why);
  if (goes_on && ++one->failures < kMostFailures) co_return true;
  co_await close(key);
  co_return false;
}

net::Task<bool> Outbox::close(std::string key) {
  co_await settled(key);
  Stream* one = stream(key);
  if (one == nullptr || !one->open) co_return false;
  one->busy = true;
  const Destination to = one->to;
  const std::string last = final_activity(with_text(one->format, one->said), one->id);
  const CallResult done = co_await connector_.stream(to, last, kPatience);
  one = stream(key);
  if (one == nullptr) co_return done.has_value();
  one->busy = false;
  one->idle->cancel();
  if (!done && done.error().stream == StreamTrouble::kCancelled)
    was_cancelled(key);
  else
    one->open = !done && may_pass(done.error());
  co_return done.has_value();
}

net::Task<bool> Outbox::update(Destination to, std::string key, std::string activity) {
  const auto at = arrived(key);
  if (!at || at->id.empty()) co_return false;
  // It is not to be updated before it has ended.
  if (const Stream* const one = stream(key); one != nullptr && (one->open || one->cancelled))
    co_return false;
  const CallResult done =
      co_await connector_.update(std::move(to), at->id, std::move(activity), Connector::kPassing);
  co_return done.has_value();
}

// ---------------------------------------------------------------- after a cut

void Outbox::reconcile(const sdk::Parcel& parcel, sdk::Sending sending) {
  auto shipment = parse_shipment(parcel.payload_json);
  if (!shipment) return sending.fail(sdk::Code::kInvalidArgument, "it is none of this version");
  shipment->key = parcel.key;
  shipment->target = parcel.target;
  loop_.spawn(look_at(*std::move(shipment), std::move(sending)));
}

net::Task<> Outbox::look_at(Shipment shipment, sdk::Sending sending) {
  if (shipment.kind == Shipment::Kind::kBegin) {
    posts_.arrived(shipment.key, arrival_json({}));
    sending.arrived(arrival_json({}));
    co_return;
  }
  const auto members = co_await connector_.members(shipment.to);
  if (!members && may_pass(members.error())) {
    sending.fail(sdk::Code::kUnavailable, members.error().message);
    co_return;
  }
  const bool is_gone = !members && members.error().trouble == Trouble::kTargetGone;
  const std::string why =
      is_gone ? members.error().message : "Teams has no way to look whether it has arrived";
  posts_.refused(shipment.key, why);
  if (is_gone && refused_) refused_(shipment, members.error());
  sending.fail(sdk::Code::kFailedPrecondition, why);
}

}  // namespace viaduct::teams
