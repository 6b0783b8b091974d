// Who asks, and whether they may.
#include "plugins/teams/inbound.hpp"

#include "plugins/teams/words.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <viaduct/chat/text.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

constexpr auto kPeopleKnown = 1h;
constexpr std::size_t kMostPeople = 20'000;
constexpr int kTries = 2;
constexpr std::size_t kMostVersions = 10'000;
constexpr auto kBetweenCounts = 2s;  // of messages that were lost
constexpr int kQuiet = 5;            // that many times no more: the next one is told anew

std::string unknown_key(const chat::Asker& asker) {
  return asker.key + "/unknown";
}
std::string lost_words(int count) {
  const std::string words = "I could not find out who you are, Teams does not say so now. ";
  if (count == 1) return words + "Send this again in a moment.";
  return words + std::to_string(count) +
         " messages of yours were not run. Send them again in a moment.";
}

}  // namespace

chat::Asker Inbound::asker_of(const Activity& activity) const {
  const chat::Place place = place_of(activity);
  chat::Asker asker;
  asker.team = place.team;
  asker.user = activity.from.aad.empty() ? activity.from.id : activity.from.aad;
  asker.name = activity.from.name.empty() ? asker.user : activity.from.name;
  asker.is_operator = config_.is_operator(activity.from.aad);
  asker.channel = place.channel;
  asker.is_direct = activity.conversation.kind == ConversationKind::kPersonal;
  asker.has_threads = activity.conversation.kind == ConversationKind::kChannel;
  asker.thread = place.thread;
  asker.message = activity.id;
  asker.key = activity.key;
  asker.account = activity.from.id;
  if (std::holds_alternative<Invoke>(activity.what))
    asker.reply_url = std::string(kInvokeReply) + activity.key;
  else if (activity.is_targeted)
    asker.reply_url = kTargetedReply;
  return asker;
}

// A message that is changed back is another one than at first; copies of one change follow on it.
std::string Inbound::version_of(const Activity& activity) {
  if (versions_.size() >= kMostVersions) versions_.clear();
  const auto [found, is_first] =
      versions_.try_emplace(place_of(activity).key() + "/" + activity.id, Version{activity.key, 0});
  Version& last = found->second;
  if (last.key != activity.key) last = {activity.key, last.number + 1};
  return last.number == 0 ? "" : "/" + std::to_string(last.number);
}

// The conversation's tenant is not everybody's in it: chats and channels are shared with others.
net::Task<std::optional<bool>> Inbound::is_own_person(Activity activity) {
  // Where nobody proves anything, as with the Playground, whose people are of no tenant.
  const bool is_trial = config_.allow_anonymous_loopback && config_.app_password.empty() &&
                        config_.certificate.cert.empty();
  if (is_trial || activity.conversation.kind == ConversationKind::kPersonal) co_return true;
  const chat::Place place = place_of(activity);
  const std::string key = place.team + "/" + place.channel + "/" + activity.from.id;
  const auto now = std::chrono::steady_clock::now();
  if (const auto known = people_.find(key);
      known != people_.end() && now - known->second.at < kPeopleKnown)
    co_return known->second.is_own;
  auto to = references_.destination({place.team, place.channel, ""});
  if (!to) co_return std::nullopt;
  const auto aside = inbox_.step_aside();
  const auto not_known = [this](const std::string& why) {
    if (const auto line = lines_.line("person not looked up", "person not looked up reason=" + why))
      log_.warn(*line);
  };
  auto pause = 500ms;
  for (int i = 0; i < kTries; ++i) {
    const auto member = co_await connector_.member(*to, activity.from.id);
    if (member) {
      const bool is_them =
          member->id == activity.from.id ||
          (!activity.from.aad.empty() && chat::lower(member->aad) == activity.from.aad);
      // What is not said is not known: nobody is let in by that.
      if (!is_them || member->tenant.empty() || member->role.empty()) {
        not_known("Teams does not say of which tenant and role");
        co_return std::nullopt;
      }
      const std::string role = chat::lower(member->role);
      const bool is_own =
          role != "guest" && role != "anonymous" && config_.takes_tenant(member->tenant);
      if (people_.size() > kMostPeople) people_.clear();
      people_[key] = {is_own, now};
      co_return is_own;
    }
    not_known(member.error().message);
    if (member.error().trouble == Trouble::kMissing) co_return false;
    if (member.error().trouble != Trouble::kRetryLater || i + 1 == kTries) break;
    boost::asio::steady_timer timer(loop_.context(), pause);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    pause *= 2;
  }
  co_return std::nullopt;
}

net::Task<> Inbound::turn_away(chat::Asker asker, std::string key, std::string words,
                               std::string of) {
  chat::Body body = network_.note(words, {});
  body.is_open = true;
  const auto kept =
      co_await network_.turn_away(std::move(asker), key, std::move(body), std::move(of));
  if (!kept)
    log_.error("reply not kept for sending key=" + key + " reason=" + kept.error().message);
}

// Not each time: others would read it without end, and the bot may say only so much there.
net::Task<> Inbound::refuse(chat::Asker asker, std::string words) {
  const std::string place = asker.place().key();
  const bool is_answer = invokes_.contains(asker.key);
  if (!is_answer && (!refused_.now(place + "/" + asker.user) || !told_here_.now(place))) co_return;
  const std::string key = asker.key + "/refused";
  co_await turn_away(std::move(asker), key, std::move(words));
}

net::Task<> Inbound::own_up(chat::Asker asker) {
  // What answers one of them alone is changed by no other.
  const bool is_counted = asker.reply_url.empty();
  if (is_counted && ++lost_[asker.place().key() + "/" + asker.user] > 1) co_return;
  const std::string key = unknown_key(asker);
  co_await turn_away(asker, key, lost_words(1));
  if (is_counted) loop_.spawn(count_lost(std::move(asker)));
}

net::Task<> Inbound::count_lost(chat::Asker asker) {
  const std::string key = asker.place().key() + "/" + asker.user;
  int told = 1;
  for (int quiet = 0; quiet < kQuiet; ++quiet) {
    boost::asio::steady_timer timer(loop_.context(), kBetweenCounts);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (lost_[key] == told) continue;
    told = lost_[key];
    quiet = -1;
    co_await turn_away(asker, unknown_key(asker) + "/" + std::to_string(told), lost_words(told),
                       unknown_key(asker));
  }
  lost_.erase(key);
}

net::Task<std::optional<chat::Asker>> Inbound::admit(Activity activity, bool refuses,
                                                     bool owns_up) {
  chat::Asker asker = asker_of(activity);
  const std::string& aad = activity.from.aad;
  // Who is named is meant, wherever they are from.
  const bool is_named = !aad.empty() && std::ranges::count(config_.allow.users, aad) != 0;
  if (asker.is_operator || is_named) co_return asker;
  if (config_.allow.takes(aad, activity.team, activity.team_aad)) {
    const auto is_own = co_await is_own_person(activity);
    if (is_own && *is_own) co_return asker;
    if (!is_own) {
      if (owns_up) co_await own_up(std::move(asker));
      co_return std::nullopt;
    }
  }
  if (const auto line = lines_.line("person not allowed", "person not allowed user=" + asker.user))
    log_.info(*line);
  if (refuses)
    co_await refuse(
        asker,
        "You may not use this bot here. Whoever runs it can let you in by adding " +
            (aad.empty() ? "you, with the object id that Entra has for you," : teams::code(aad)) +
            " to " + teams::code("allow.users") + " of its configuration.");
  // Strangers fill no disk.
  const auto is_here = [place = asker.place()](const chat::Binding& one) {
    return one.place.team == place.team && one.place.channel == place.channel;
  };
  if (std::ranges::none_of(world_.bindings.all_active(), is_here) &&
      std::ranges::none_of(world_.bindings.owing(), is_here))
    references_.forget(activity);
  co_return std::nullopt;
}

}  // namespace viaduct::teams
