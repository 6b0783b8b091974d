#include "plugins/teams/network.hpp"

#include "plugins/teams/citations.hpp"
#include "plugins/teams/part.hpp"
#include "plugins/teams/words.hpp"

#include <utility>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

// Answers that are longer than so many messages become a file.
constexpr std::size_t kMostParts = 1'000;
// As Teams names emojis.
constexpr std::string_view kSeen = "1f440_eyes";
constexpr std::string_view kQueued = "23f3_hourglassflowingsand";
constexpr auto kBetweenTyping = 3500ms;  // at most every three seconds (reference section 3.4)
constexpr std::size_t kManyPlaces = 1'000;
constexpr auto kPatience = 5s;            // as the outbox has it
constexpr std::size_t kSmallest = 1'000;  // UTF-16 units: what is refused then is no matter of size

sdk::Status not_there() {
  return {sdk::Code::kInvalidArgument, "the bot is not in this conversation any more"};
}

}  // namespace

TeamsNetwork::TeamsNetwork(const sdk::Host& host, net::Loop& loop, const Config& config,
                           Connector& connector, References& references, Outbox& outbox)
    : loop_(loop),
      config_(config),
      log_(host),
      shelf_(host),
      connector_(connector),
      references_(references),
      outbox_(outbox) {
  pace_.first_words = 600ms;
  pace_.between_appends = Outbox::Times().between_frames;
  pace_.between_updates = 3s;  // 60 in 30 seconds are for all that is said there
  pace_.between_work = 5s;
  pace_.life_again = 4s;  // typing is shown for three and a bit
  pace_.before_any_cut = 10s;
  pace_.longest_stream = Outbox::Times().longest_stream - 2 * pace_.before_any_cut;
  pace_.most_parts = kMostParts;
  outbox_.on_alone([this](Shipment words) { return deliver_alone(std::move(words)); });
}

// ---------------------------------------------------------------- words

std::string TeamsNetwork::escaped(std::string_view plain) const {
  return teams::escaped(plain);
}
std::string TeamsNetwork::code(std::string_view plain) const {
  return teams::code(plain);
}
std::string TeamsNetwork::bold(std::string_view words) const {
  return teams::bold(words);
}
std::string TeamsNetwork::italic(std::string_view words) const {
  return teams::italic(words);
}
std::string TeamsNetwork::words(std::string_view text) const {
  return with_code(text);
}

std::string TeamsNetwork::person(const chat::Asker& asker) const {
  return teams::bold(teams::escaped(asker.name));
}

std::string TeamsNetwork::where(const chat::Binding& binding) const {
  const Reference* place = references_.find(binding.place);
  if (place == nullptr) return "somewhere in Teams";
  const std::string name = place->name.empty() ? "" : " " + teams::escaped(place->name);
  switch (place->kind) {
    case ConversationKind::kPersonal: return "in your chat with me";
    case ConversationKind::kGroup: return "in the group chat" + name;
    case ConversationKind::kChannel: break;
  }
  const std::string conversation = conversation_id_of(binding.place);
  const std::size_t root = conversation.rfind('=');
  std::string said = "in the channel" + name;
  if (root != std::string::npos)
    said += " (" +
            teams::link("https://teams.microsoft.com/l/message/" + place->conversation + "/" +
                            conversation.substr(root + 1),
                        "open") +
            ")";
  return said;
}

std::string TeamsNetwork::help_hint() const {
  return "In a chat with me just say them, elsewhere mention me in front. Everything else that you "
         "say to me is for the agent.";
}

// ---------------------------------------------------------------- messages

chat::Body TeamsNetwork::note(std::string_view words,
                              const std::vector<chat::Button>& buttons) const {
  return note_body(words, buttons);
}

chat::Body TeamsNetwork::work(std::string_view text,
                              const std::vector<chat::Button>& buttons) const {
  return work_body(text, buttons);
}

chat::Body TeamsNetwork::list(std::string_view title, const std::vector<chat::ListItem>& items,
                              std::string_view below) const {
  return list_body(title, items, below);
}

chat::Body TeamsNetwork::permission(const chat::Entry& entry, const std::string& session) const {
  return permission_body(entry, session);
}

chat::Body TeamsNetwork::answer(std::string_view text) const {
  const Part part = parse_part(text);
  Answer answer;
  answer.text = part.text;
  answer.citations = part.citations;
  answer.flavour = config_.extended_markdown ? Flavour::kExtended : Flavour::kMarkdown;
  answer.ai_label = config_.ai_label;
  answer.feedback = config_.feedback && part.is_last;
  return answer_body(answer);
}

std::vector<std::string> TeamsNetwork::parts(std::string_view answer, bool ended) const {
  return parts_of(answer, config_.extended_markdown ? Flavour::kExtended : Flavour::kMarkdown,
                  ended);
}

void TeamsNetwork::finish(std::vector<std::string>& parts, std::string_view answer) const {
  const std::vector<Citation> all = citations_of(answer);
  for (std::string& text : parts)
    text = part_json({text, &text == &parts.back(), cited_in(text, all)});
}

// ---------------------------------------------------------------- what must arrive

std::optional<Shipment> TeamsNetwork::shipment(Shipment::Kind kind, const chat::Place& place,
                                               std::string key, const chat::Body& body) const {
  auto to = references_.destination(place);
  if (!to) return std::nullopt;
  Shipment one;
  one.kind = kind;
  one.activity = body.rich;
  one.key = std::move(key);
  one.target = place.key();
  one.to = *std::move(to);
  return one;
}

net::Task<net::Result<bool>> TeamsNetwork::ship(std::optional<Shipment> shipment) {
  if (!shipment) co_return std::unexpected(not_there());
  const auto posted = co_await outbox_.post(*std::move(shipment));
  if (!posted) co_return std::unexpected(posted.error());
  co_return posted->is_new;
}

net::Task<net::Result<bool>> TeamsNetwork::post(chat::Place place, std::string key,
                                                chat::Body body) {
  co_return co_await ship(shipment(Shipment::Kind::kPost, place, std::move(key), body));
}

net::Task<net::Result<>> TeamsNetwork::edit(chat::Place place, std::string key, std::string of,
                                            chat::Body body) {
  auto change = shipment(Shipment::Kind::kEdit, place, std::move(key), body);
  if (change) change->of = std::move(of);
  const auto kept = co_await ship(std::move(change));
  if (!kept) co_return std::unexpected(kept.error());
  co_return net::Result<>();
}

net::Task<> TeamsNetwork::post_smaller(Shipment refused) {
  const std::string text = activity_text(refused.activity);
  const std::size_t size = chat::characters(text) / 2;
  const bool changes =
      refused.kind == Shipment::Kind::kEdit || refused.kind == Shipment::Kind::kEnd;
  std::vector<std::string> activities;
  if (size >= kSmallest)
    for (const chat::Piece& piece : chat::split(text, size, chat::Count::kCharacters, true))
      activities.push_back(with_text(refused.activity, piece.text()));
  else
    activities.push_back(note("Something that belongs here is too large for Teams.", {}).rich);
  std::size_t number = 0;
  for (std::string& activity : activities) {
    Shipment one;
    one.key = refused.key + "/" + std::to_string(++number);
    one.target = refused.target;
    one.to = refused.to;
    one.activity = std::move(activity);
    // The message that has grown shows the beginning, and the rest is below it.
    if (number == 1 && changes && size >= kSmallest) {
      one.kind = refused.kind;
      one.of = refused.of;
    }
    if (const auto kept = co_await outbox_.post(std::move(one)); !kept)
      log_.error("part of a message not kept for sending reason=" + kept.error().message);
  }
}

net::Task<net::Result<>> TeamsNetwork::whisper(chat::Asker asker, std::string key,
                                               chat::Body body) {
  if (asker.reply_url.starts_with(kInvokeReply) && reply_ && reply_(asker.reply_url, body))
    co_return net::Result<>();
  const auto kept = co_await ship(reply(asker, std::move(key), body));
  if (!kept) co_return std::unexpected(kept.error());
  co_return net::Result<>();
}

net::Task<net::Result<>> TeamsNetwork::turn_away(chat::Asker asker, std::string key,
                                                 chat::Body body, std::string of) {
  if (asker.reply_url.starts_with(kInvokeReply) && reply_ && reply_(asker.reply_url, body))
    co_return net::Result<>();
  auto out = reply(asker, std::move(key), body);
  if (out) out->target += " turned away";
  if (out && !of.empty()) {
    out->kind = Shipment::Kind::kEdit;
    out->of = std::move(of);
  }
  const auto kept = co_await ship(std::move(out));
  if (!kept) co_return std::unexpected(kept.error());
  co_return net::Result<>();
}

std::optional<Shipment> TeamsNetwork::reply(const chat::Asker& asker, std::string key,
                                            const chat::Body& body) const {
  auto out = shipment(Shipment::Kind::kPost, asker.place(), std::move(key), body);
  const bool is_targeted = asker.reply_url == kTargetedReply;
  if (out && !asker.is_direct && (is_targeted || !body.is_open)) {
    out->kind = Shipment::Kind::kAlone;
    out->to.is_targeted = is_targeted || config_.targeted_messages;
    out->person = asker.account.empty() ? asker.user : asker.account;
    out->target += " alone " + out->person;  // nobody else waits for the chat with them
  }
  return out;
}

net::Task<std::expected<Destination, Failure>> TeamsNetwork::chat_with(const Shipment& words) {
  const Destination& from = words.to;
  const std::string person = words.person;
  if (const auto known = references_.chat_with(from.tenant, person)) co_return *known;
  auto made = co_await connector_.create_chat(from.service_url, from.tenant, person, "");
  if (!made) {
    Failure why = made.error();
    why.not_done = true;  // there is one chat with a person, however often it is begun
    co_return std::unexpected(std::move(why));
  }
  if (made->conversation.empty()) {
    Failure why;
    why.message = "Teams does not say where the chat with the person is";
    co_return std::unexpected(std::move(why));
  }
  Reference chat;
  chat.tenant = from.tenant;
  chat.conversation = made->conversation;
  chat.service_url = from.service_url;
  chat.person = person;
  references_.note_chat(chat);
  co_return Destination{chat.service_url, chat.conversation, chat.tenant, true, false};
}

net::Task<CallResult> TeamsNetwork::deliver_alone(Shipment words) {
  const auto is_final = [](const Failure& why) {
    return why.not_done && why.trouble != Trouble::kRetryLater &&
           why.trouble != Trouble::kCredentials;
  };
  if (words.to.is_targeted) {
    CallResult shown =
        co_await connector_.send(words.to, to_person(words.activity, words.person), kPatience);
    if (shown || !is_final(shown.error())) co_return shown;
    log_.info("Teams shows no message to one person there reason=" + shown.error().message);
  }
  const auto chat = co_await chat_with(words);
  if (!chat && !is_final(chat.error())) co_return std::unexpected(chat.error());
  CallResult shown = Done{};
  bool is_told = false;
  if (chat) {
    shown = co_await connector_.send(*chat, words.activity, kPatience);
    if (!shown && !is_final(shown.error())) co_return shown;
    is_told = shown.has_value();
  }
  if (!is_told)
    log_.info("words for one person not delivered reason=" +
              (chat ? shown.error() : chat.error()).message);
  Shipment line;
  line.key = words.key + "/where";
  line.target = words.target;
  line.to = words.to;
  line.to.is_targeted = false;
  line.activity = note(is_told ? "I have answered you in our chat, since others read here."
                               : "That answer is for you alone, and others read here. Ask me in a "
                                 "chat with me.",
                       {})
                      .rich;
  if (const auto posted = co_await outbox_.post(std::move(line)); !posted)
    log_.warn("where the answer is was not said reason=" + posted.error().message);
  co_return is_told ? shown : Done{};
}

// Whoever asks in a channel does it by a message, which is a thread's first or belongs to one.
net::Task<std::expected<std::string, std::string>> TeamsNetwork::open_thread(chat::Asker,
                                                                             std::string,
                                                                             chat::Body) {
  co_return std::unexpected("say it in a message of the channel");
}

bool TeamsNetwork::hears_all(const chat::Place& place) const {
  const Reference* known = references_.find(place);
  const bool is_alone = known != nullptr && known->kind == ConversationKind::kPersonal;
  return is_alone || config_.channel_messages == ChannelMessages::kAll;
}

net::Task<std::expected<chat::Place, std::string>> TeamsNetwork::open_channel(chat::Asker,
                                                                              std::string) {
  co_return std::unexpected("Teams lets no bot make channels");
}

// ---------------------------------------------------------------- while an answer grows

// The outbox finds out whether it is a stream or a message that is updated.
bool TeamsNetwork::can_stream(const chat::Place&, std::string_view) const {
  return true;
}

net::Task<net::Result<bool>> TeamsNetwork::begin_stream(chat::Place place, std::string key,
                                                        std::string, std::string text) {
  auto begin = shipment(Shipment::Kind::kBegin, place, std::move(key), answer(text));
  if (begin) begin->streams = begin->to.is_personal;
  co_return co_await ship(std::move(begin));
}

net::Task<net::Result<>> TeamsNetwork::end_stream(chat::Place place, std::string key,
                                                  std::string of, std::string text) {
  auto end = shipment(Shipment::Kind::kEnd, place, std::move(key), answer(text));
  if (end) end->of = std::move(of);
  const auto kept = co_await ship(std::move(end));
  if (!kept) co_return std::unexpected(kept.error());
  co_return net::Result<>();
}

net::Task<bool> TeamsNetwork::grow(std::string key, std::string text) {
  co_return co_await outbox_.grow(std::move(key), std::move(text));
}

net::Task<bool> TeamsNetwork::stop_stream(std::string key) {
  co_return co_await outbox_.close(std::move(key));
}

net::Task<> TeamsNetwork::update(chat::Place place, std::string of, chat::Body body) {
  const auto change = shipment(Shipment::Kind::kEdit, place, "", body);
  if (change) co_await outbox_.update(change->to, std::move(of), change->activity);
}

bool TeamsNetwork::has_arrived(std::string_view key) const {
  return outbox_.arrived(key).has_value();
}

void TeamsNetwork::forget(std::string_view key) {
  outbox_.forget(key);
}

// ---------------------------------------------------------------- signs of life

// A message's key ends with its id.
std::string TeamsNetwork::message_of(std::string_view key) const {
  const std::size_t slash = key.rfind('/');
  return key.starts_with("message/") && slash != std::string_view::npos
             ? std::string(key.substr(slash + 1))
             : std::string();
}

// Typing shows nothing in channels; a reaction does, where Teams takes one.
void TeamsNetwork::show_life(const chat::Place& place, const std::string& message,
                             chat::Life life) {
  const auto to = references_.destination(place);
  const Reference* known = references_.find(place);
  if (!to || known == nullptr) return;
  const auto now = std::chrono::steady_clock::now();
  if (typed_.size() > kManyPlaces)
    std::erase_if(typed_, [now](const auto& one) { return now - one.second > kBetweenTyping; });
  if (life == chat::Life::kWorking && known->kind != ConversationKind::kChannel &&
      now - typed_[place.key()] >= kBetweenTyping) {
    typed_[place.key()] = now;
    loop_.spawn([](TeamsNetwork& self, Destination where) -> net::Task<> {
      co_await self.connector_.typing(std::move(where));
    }(*this, *to));
  }
  const bool reacts = known->kind == ConversationKind::kChannel || life == chat::Life::kQueued ||
                      shown_.contains(place.key() + "/" + message);
  if (no_reactions_.contains(to->tenant) || !reacts) return;
  const std::string_view wanted =
      life == chat::Life::kQueued                                                 ? kQueued
      : life == chat::Life::kWorking && known->kind == ConversationKind::kChannel ? kSeen
                                                                                  : "";
  const std::string key = place.key() + "/" + message;
  const std::string shows = std::exchange(shown_[key], std::string(wanted));
  if (wanted.empty()) shown_.erase(key);
  if (shows == wanted) return;
  loop_.spawn([](TeamsNetwork& self, Destination where, std::string of, std::string old,
                 std::string now) -> net::Task<> {
    if (!old.empty()) co_await self.connector_.unreact(where, of, old);
    if (now.empty()) co_return;
    const CallResult done = co_await self.connector_.react(where, of, now);
    const auto trouble = done ? Trouble::kRetryLater : done.error().trouble;
    if (trouble == Trouble::kSetUp || trouble == Trouble::kContent || trouble == Trouble::kOther)
      self.no_reactions_.insert(where.tenant);
  }(*this, *to, message, shows, std::string(wanted)));
}

}  // namespace viaduct::teams
