#include "plugins/slack/outbox.hpp"

#include <viaduct/chat/calls.hpp>
#include "plugins/slack/message_json.hpp"

#include <boost/asio/as_tuple.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 5s;      // for a rate limit, before the outbox waits itself
constexpr auto kWhileBroken = 60s;  // between tries with a token that is dead
constexpr std::size_t kMostArrived = 20'000;
constexpr std::size_t kMostStreams = 1'000;
constexpr int kMostPages = 20;  // of a thread that are searched for a message
constexpr std::string_view kPageSize = "200";
constexpr auto kSharing = 15s;               // Slack shows a file so long after it was told to
constexpr std::int64_t kClocksDiffer = 120;  // seconds, of Slack's clock and this one at most

ApiFailure failure(ApiTrouble trouble, std::string message, bool not_done = true) {
  return {trouble, "", std::move(message), not_done, std::nullopt};
}

// An answer's last text and how a question was decided must be seen; the rest of what is changed is
// of no use by itself. Keys are SESSION/TURN/PART….
bool must_be_seen(const Shipment& shipment) {
  if (shipment.kind == Shipment::Kind::kEnd) return true;
  const std::size_t turn = shipment.of.find('/');
  const std::size_t part = shipment.of.find('/', turn == std::string::npos ? turn : turn + 1);
  if (shipment.kind != Shipment::Kind::kEdit || part == std::string::npos) return false;
  const std::string_view name = std::string_view(shipment.of).substr(part + 1);
  const bool is_outside = name.size() > 1 && name[0] == 'e' && name[1] >= '0' && name[1] <= '9';
  return name.starts_with("p") || name.starts_with("ask") || is_outside;
}

}  // namespace

Outbox::Outbox(const sdk::Host& host, net::Loop& loop, WebApi& api, Installations& installations)
    : loop_(loop),
      api_(api),
      installations_(installations),
      delivery_(host),
      shelf_(host),
      log_(host) {}

std::string Outbox::token(std::string_view team) const {
  const Installation* found = installations_.find(team);
  return found == nullptr ? std::string() : found->token;
}

void Outbox::keep(const std::string& key, Arrival arrival) {
  if (const auto found = arrived_.find(key); found != arrived_.end()) {
    found->second.at = std::move(arrival);
    return;
  }
  if (arrived_.size() >= kMostArrived) drop(in_order_.begin()->second);
  in_order_.emplace(++last_number_, key);
  arrived_.emplace(key, Kept{std::move(arrival), last_number_});
}

void Outbox::drop(std::string_view key) {
  const auto found = arrived_.find(key);
  if (found == arrived_.end()) return;
  const std::uint64_t number = found->second.number;
  arrived_.erase(found);
  in_order_.erase(number);
}

std::optional<Arrival> Outbox::arrived(std::string_view key) const {
  const auto found = arrived_.find(key);
  if (found == arrived_.end()) return std::nullopt;
  return found->second.at;
}

bool Outbox::is_of_another(const Arrival& at, std::string_view key) const {
  return std::ranges::any_of(arrived_, [&](const auto& one) {
    const Arrival& other = one.second.at;
    return one.first != key && other.ts == at.ts && other.channel == at.channel;
  });
}

void Outbox::forget(std::string_view key) {
  if (streams_.contains(key)) return;  // what ends it is on its way
  drop(key);
}

void Outbox::wake(const std::string& key, const std::string& refused) {
  const auto [first, last] = waiting_.equal_range(key);
  for (auto one = first; one != last; ++one) {
    one->second->refused = refused;
    one->second->timer.cancel();
  }
}

net::Task<std::expected<Arrival, std::string>> Outbox::wait_for(std::string key,
                                                                std::chrono::milliseconds limit) {
  if (auto known = arrived(key)) co_return *std::move(known);
  auto waiting =
      std::make_shared<Waiting>(boost::asio::steady_timer(loop_.context(), limit), std::string());
  const auto place = waiting_.emplace(key, waiting);
  co_await waiting->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  waiting_.erase(place);
  if (auto known = arrived(key)) co_return *std::move(known);
  co_return std::unexpected(waiting->refused.empty() ? "Slack does not answer" : waiting->refused);
}

net::Task<net::Result<Posted>> Outbox::post(Shipment shipment) {
  const bool is_edit = shipment.kind == Shipment::Kind::kEdit ||
                       shipment.kind == Shipment::Kind::kEnd ||
                       shipment.kind == Shipment::Kind::kRespond;  // twice is better than never
  if (shipment.method == "chat.startStream")
    shipment.since = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string payload = shipment_json(shipment);
  const sdk::Answer answer = co_await chat::answered([&](sdk::Callback done) {
    delivery_.post(
        {.key = shipment.key, .target = shipment.target, .payload_json = payload, .edit = is_edit},
        std::move(done));
  });
  if (!answer.ok()) co_return std::unexpected(answer.status());
  auto posted = parse_posted(answer.result);
  if (!posted) co_return std::unexpected(sdk::Status{sdk::Code::kInternal, "the outbox' answer"});
  if (posted->arrival) keep(shipment.key, *posted->arrival);
  co_return *std::move(posted);
}

// ---------------------------------------------------------------- sending

void Outbox::send(const sdk::Parcel& parcel, sdk::Sending sending) {
  auto shipment = parse_shipment(parcel.payload_json);
  if (!shipment) return sending.fail(sdk::Code::kInvalidArgument, "it is none of this version");
  shipment->key = parcel.key;
  shipment->target = parcel.target;
  loop_.spawn(deliver(*std::move(shipment), parcel.edit, parcel.attempt, std::move(sending)));
}

net::Task<> Outbox::deliver(Shipment shipment, bool repeats, std::uint64_t attempt,
                            sdk::Sending sending) {
  const Installation* workspace = installations_.find(shipment.team);
  if (workspace == nullptr && shipment.kind != Shipment::Kind::kRespond) {
    const std::string why = "the app is not installed in the workspace " + shipment.team;
    wake(shipment.key, why);
    sending.fail(sdk::Code::kFailedPrecondition, why);
    co_return;
  }
  const ApiResult done = co_await perform(shipment, attempt);
  if (done) {
    Arrival arrival = posted_at(*done);
    if (arrival.channel.empty()) arrival.channel = argument(shipment.args, "channel");
    const std::string result = arrival_json(arrival);
    if (shipment.kind == Shipment::Kind::kPost) {
      keep(shipment.key, std::move(arrival));
    }
    sending.arrived(result);
    wake(shipment.key);
    if (shipment.kind == Shipment::Kind::kFile) co_await let_go(shipment.key);
    co_return;
  }
  const ApiFailure& why = done.error();
  if (why.trouble == ApiTrouble::kCredentials) {
    installations_.set_broken(shipment.team, why.message);
    sending.later(why.message, kWhileBroken);
  } else if (why.trouble == ApiTrouble::kRetryLater && (why.not_done || repeats)) {
    sending.later(why.message, why.retry_after.value_or(0ms));
  } else if (why.trouble == ApiTrouble::kRetryLater) {
    sending.unknown(why.message);
  } else {
    // The method of a reply is its response_url, which is a secret.
    const bool is_reply = shipment.kind == Shipment::Kind::kRespond;
    log_.warn("not posted key=" + shipment.key +
              " method=" + (is_reply ? std::string("response_url") : shipment.method) +
              " error=" + why.error + " reason=" + why.message);
    wake(shipment.key, why.message);
    if (refused_) refused_(shipment, why);
    sending.fail(sdk::Code::kFailedPrecondition, why.message);
    if (shipment.kind == Shipment::Kind::kFile) co_await let_go(shipment.key);
  }
}

net::Task<ApiResult> Outbox::perform(const Shipment& shipment, std::uint64_t attempt) {
  switch (shipment.kind) {
    case Shipment::Kind::kEdit: co_return co_await edit(shipment);
    case Shipment::Kind::kEnd: co_return co_await end_stream(shipment);
    case Shipment::Kind::kFile: co_return co_await upload(shipment, attempt);
    case Shipment::Kind::kRespond: {
      ApiResult done = co_await api_.respond(shipment.method, shipment.args);
      // It is good for half an hour and five times.
      if (!done && done.error().trouble != ApiTrouble::kRetryLater && !shipment.markdown.empty())
        done = co_await say("chat.postEphemeral", shipment.markdown, token(shipment.team));
      co_return done;
    }
    case Shipment::Kind::kPost: break;
  }
  if (shipment.method != "chat.startStream")
    co_return co_await say(shipment.method, shipment.args, token(shipment.team));
  ApiResult done =
      co_await api_.call(shipment.method, shipment.args, token(shipment.team), kPatience);
  if (done) {
    if (streams_.size() >= kMostStreams) streams_.erase(streams_.begin());
    streams_[shipment.key] = {shipment.team, shipment.markdown, true};
    co_return done;
  }
  // Where nothing can be streamed, or not now, it is a message as any other.
  const bool held_back = done.error().trouble == ApiTrouble::kRetryLater && done.error().not_done;
  if (!is_refusal(done.error()) && !held_back) co_return done;
  const chat::Place place{shipment.team, argument(shipment.args, "channel"),
                          argument(shipment.args, "thread_ts")};
  co_return co_await say("chat.postMessage",
                         post_args(place, answer_body(shipment.markdown), shipment.key),
                         token(shipment.team));
}

net::Task<ApiResult> Outbox::say(std::string method, std::string args, std::string token) {
  ApiResult done = co_await api_.call(method, args, token, kPatience);
  if (!done && done.error().trouble == ApiTrouble::kContent)
    done = co_await api_.call(method, without_blocks(args), token, kPatience);
  co_return done;
}

net::Task<std::optional<Arrival>> Outbox::where(std::string key) {
  if (auto known = arrived(key)) co_return known;
  const sdk::Answer answer =
      co_await chat::answered([&](sdk::Callback done) { delivery_.find(key, std::move(done)); });
  if (!answer.ok()) co_return std::nullopt;
  const auto posted = parse_posted(answer.result);
  if (!posted || !posted->arrival) co_return std::nullopt;
  keep(key, *posted->arrival);
  co_return posted->arrival;
}

net::Task<ApiResult> Outbox::edit(const Shipment& shipment) {
  const auto at = co_await where(shipment.of);
  if (!at && must_be_seen(shipment)) co_return co_await post_whole(shipment);
  if (!at)
    co_return std::unexpected(
        failure(ApiTrouble::kOther, "the message that it changes was never seen to arrive"));
  std::string args = with_place(shipment.args, *at);
  if (shipment.kind == Shipment::Kind::kEnd) args = with_key(args, shipment.of);
  ApiResult done = co_await say("chat.update", args, token(shipment.team));
  if (!done && is_refusal(done.error()) && must_be_seen(shipment)) {
    log_.info("a message cannot be changed, what it was to say is posted key=" + shipment.of +
              " error=" + done.error().error);
    co_return co_await post_whole(shipment);
  }
  co_return done;
}

net::Task<ApiResult> Outbox::post_whole(const Shipment& shipment) {
  const std::size_t channel = shipment.target.find('/');
  const std::size_t thread = shipment.target.rfind('/');
  if (channel == std::string::npos || thread == channel)
    co_return std::unexpected(failure(ApiTrouble::kOther, "nobody knows where it belongs"));
  Shipment whole;
  whole.key = shipment.key + "/whole";
  whole.target = shipment.target;
  whole.team = shipment.team;
  whole.method = "chat.postMessage";
  whole.args =
      new_message(shipment.args,
                  {shipment.team, shipment.target.substr(channel + 1, thread - channel - 1),
                   shipment.target.substr(thread + 1)},
                  whole.key);
  const auto posted = co_await post(std::move(whole));
  if (!posted) co_return std::unexpected(failure(ApiTrouble::kRetryLater, posted.error().message));
  co_return std::string("{}");
}

// The stream ends with all of the text: with what it still lacks, or, where it has ended by itself
// or nobody knows what it has, by an update.
net::Task<ApiResult> Outbox::end_stream(const Shipment& shipment) {
  const auto at = co_await where(shipment.of);
  if (!at) co_return co_await post_whole(shipment);
  const auto stream = streams_.find(shipment.of);
  const bool known = stream != streams_.end() && stream->second.open &&
                     shipment.markdown.starts_with(stream->second.said);
  const std::string rest =
      known ? shipment.markdown.substr(stream->second.said.size()) : std::string();
  // From now on it can be told from the next one.
  const std::string bare = with_key(with_place("{}", *at), shipment.of);
  std::string args = bare;
  if (!rest.empty()) args.insert(args.size() - 1, R"(,"markdown_text":)" + sdk::json_string(rest));
  ApiResult stopped = co_await api_.call("chat.stopStream", args, token(shipment.team), kPatience);
  const bool has_all = stopped && known;
  // What it cannot hold any more comes by an update, which Slack takes of one that has ended only.
  if (!stopped && !rest.empty() && is_refusal(stopped.error()))
    stopped = co_await api_.call("chat.stopStream", bare, token(shipment.team), kPatience);
  // Nothing has changed: the same once more, later.
  const bool later = !stopped && (stopped.error().trouble == ApiTrouble::kRetryLater ||
                                  stopped.error().trouble == ApiTrouble::kCredentials);
  if (later && stopped.error().not_done) co_return stopped;
  if (const auto now = streams_.find(shipment.of); now != streams_.end()) streams_.erase(now);
  ApiResult done = stopped;
  if (!later && !has_all) done = co_await edit(shipment);
  if (done) forget(shipment.of);
  co_return done;
}

// ---------------------------------------------------------------- while a message grows

net::Task<bool> Outbox::grow(std::string key, std::string text) {
  const auto stream = streams_.find(key);
  const auto at = arrived(key);
  if (stream == streams_.end() || !stream->second.open || !at ||
      !text.starts_with(stream->second.said))
    co_return false;
  const std::string rest = text.substr(stream->second.said.size());
  if (rest.empty()) co_return true;
  std::string args = with_place("{}", *at);
  args.insert(args.size() - 1, R"(,"markdown_text":)" + sdk::json_string(rest));
  const ApiResult done =
      co_await api_.call("chat.appendStream", args, token(stream->second.team), 0s);
  const auto now = streams_.find(key);
  if (now == streams_.end()) co_return false;
  if (done) {
    now->second.said = std::move(text);
    co_return true;
  }
  // What a limit has held back comes with the next piece; anything else is the end of the stream.
  if (done.error().trouble == ApiTrouble::kRetryLater && done.error().not_done) co_return true;
  now->second.open = false;
  co_return false;
}

net::Task<bool> Outbox::stop_stream(std::string key) {
  const auto stream = streams_.find(key);
  const auto at = arrived(key);
  if (stream == streams_.end() || !at) co_return false;
  stream->second.open = false;
  const std::string team = stream->second.team;
  const ApiResult done = co_await api_.call("chat.stopStream", with_key(with_place("{}", *at), key),
                                            token(team), kPatience);
  co_return done.has_value();
}

net::Task<bool> Outbox::update(std::string team, std::string key, std::string args) {
  const auto at = arrived(key);
  if (!at) co_return false;
  const ApiResult done = co_await api_.call("chat.update", with_place(args, *at), token(team), 0s);
  co_return done.has_value();
}

// ---------------------------------------------------------------- after a cut

void Outbox::reconcile(const sdk::Parcel& parcel, sdk::Sending sending) {
  auto shipment = parse_shipment(parcel.payload_json);
  if (!shipment) return sending.fail(sdk::Code::kInvalidArgument, "it is none of this version");
  shipment->key = parcel.key;
  loop_.spawn(look_for(*std::move(shipment), std::move(sending)));
}

net::Task<> Outbox::look_for(Shipment shipment, sdk::Sending sending) {
  const bool is_file = shipment.kind == Shipment::Kind::kFile;
  const std::string channel = argument(shipment.args, is_file ? "channel_id" : "channel");
  const Installation* workspace = installations_.find(shipment.team);
  const bool is_stream = shipment.method == "chat.startStream";
  const bool is_message = shipment.kind == Shipment::Kind::kPost &&
                          (shipment.method == "chat.postMessage" || is_stream);
  if ((!is_message && !is_file) || workspace == nullptr || channel.empty()) {
    sending.fail(sdk::Code::kFailedPrecondition, "nobody can look whether it has arrived");
    co_return;
  }
  const std::string bot = workspace->bot_user;
  const std::string thread = argument(shipment.args, "thread_ts");
  Uploaded upload;
  if (is_file) {
    const auto noted = co_await uploaded(shipment.key);
    if (!noted) {
      sending.fail(sdk::Code::kUnavailable, noted.error().message);
      co_return;
    }
    upload = *noted;
  }
  std::vector<Arrival> fitting, others;  // streams that may be it
  std::string cursor;
  for (int page = 0; page < kMostPages; ++page) {
    std::string args = R"({"channel":)" + sdk::json_string(channel) +
                       R"(,"include_all_metadata":true,"limit":)" + std::string(kPageSize);
    if (!thread.empty()) args += R"(,"ts":)" + sdk::json_string(thread);
    if (!cursor.empty()) args += R"(,"cursor":)" + sdk::json_string(cursor);
    args += "}";
    const ApiResult answer =
        co_await api_.call(thread.empty() ? "conversations.history" : "conversations.replies", args,
                           token(shipment.team), kPatience);
    if (!answer) {
      const bool later = answer.error().trouble == ApiTrouble::kRetryLater ||
                         answer.error().trouble == ApiTrouble::kCredentials;
      sending.fail(later ? sdk::Code::kUnavailable : sdk::Code::kFailedPrecondition,
                   answer.error().message);
      co_return;
    }
    const auto search = find_by_key(*answer, channel, shipment.key, upload.file);
    if (search && is_stream) {
      const auto streams =
          find_stream(*answer, channel, bot, shipment.markdown, shipment.since - kClocksDiffer);
      for (const Arrival& one : streams->fitting)
        if (!is_of_another(one, shipment.key)) fitting.push_back(one);
      for (const Arrival& one : streams->others)
        if (!is_of_another(one, shipment.key)) others.push_back(one);
    }
    if (!search) {
      sending.fail(sdk::Code::kUnavailable, "Slack's answer is none");
      co_return;
    }
    const bool is_last = !search->more || search->cursor.empty();
    std::optional<Arrival> found = search->found;
    if (!found && is_last && fitting.size() == 1) found = fitting.front();
    if (found) {
      keep(shipment.key, *found);
      sending.arrived(arrival_json(*found));
      wake(shipment.key);
      if (is_file) co_await let_go(shipment.key);
      co_return;
    }
    if (is_last && is_file && upload.age < kSharing) {
      sending.fail(sdk::Code::kUnavailable, "Slack may still show the file");
      co_return;
    }
    if (is_last && fitting.empty() && others.empty()) {
      sending.not_there();
      co_return;
    }
    if (is_last) {
      sending.fail(sdk::Code::kFailedPrecondition,
                   "there are messages that may be it, and none for certain");
      co_return;
    }
    cursor = search->cursor;
  }
  sending.fail(sdk::Code::kFailedPrecondition, "it is not among the newest messages");
}

}  // namespace viaduct::slack
