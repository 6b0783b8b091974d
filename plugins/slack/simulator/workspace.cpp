#include "plugins/slack/simulator/workspace.hpp"

#include "plugins/slack/mentions.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace viaduct::slack::simulator {
namespace {

constexpr std::size_t kMostReactions = 23;  // as Slack has it

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

std::int64_t microseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Workspace::Workspace()
    : people_{{"U0ALICE", "alice"}, {"U0BOB", "bob"}, {"U0GUS", "gus", true}},
      channels_{{"C0GENERAL", "general", ""},
                {"C0RANDOM", "random", ""},
                {"C0ELSEWHERE", "elsewhere", "", false},
                {"D0ALICE", "", "U0ALICE"},
                {"D0BOB", "", "U0BOB"},
                {"D0GUS", "", "U0GUS"}},
      last_id_(microseconds()) {}

const Person* Workspace::person(std::string_view id) const {
  const auto found = std::ranges::find(people_, id, &Person::id);
  return found == people_.end() ? nullptr : &*found;
}

Channel* Workspace::channel(std::string_view id) {
  const auto found = std::ranges::find(channels_, id, &Channel::id);
  return found == channels_.end() ? nullptr : &*found;
}

Channel* Workspace::channel_named(std::string_view name) {
  const auto found = std::ranges::find_if(
      channels_, [name](const Channel& one) { return !one.is_direct() && one.name == name; });
  return found == channels_.end() ? nullptr : &*found;
}

std::string Workspace::direct(std::string_view person) const {
  const auto found = std::ranges::find(channels_, person, &Channel::person);
  return found == channels_.end() || person.empty() ? std::string() : found->id;
}

Message* Workspace::message(std::string_view channel, std::string_view ts) {
  const auto found = std::ranges::find_if(
      messages_, [&](const Message& one) { return one.ts == ts && one.channel == channel; });
  return found == messages_.end() ? nullptr : &*found;
}

Channel* Workspace::add_channel(std::string id, std::string name) {
  if (channels_.size() >= kMostChannels) return nullptr;
  channels_.push_back({std::move(id), std::move(name), ""});
  return &channels_.back();
}

Message& Workspace::add(Message message, std::vector<std::string>& gone) {
  if (message.ts.empty()) message.ts = new_ts();
  std::size_t bytes = message.size();
  for (const Message& one : messages_) bytes += one.size();
  while (!messages_.empty() && (messages_.size() >= kMostMessages || bytes > kMostBytes)) {
    bytes -= messages_.front().size();
    gone.push_back(messages_.front().ts);
    messages_.pop_front();
  }
  return messages_.emplace_back(std::move(message));
}

bool Workspace::remove(std::string_view channel, std::string_view ts) {
  return std::erase_if(messages_, [&](const Message& one) {
           return one.ts == ts && one.channel == channel;
         }) > 0;
}

bool Workspace::react(Message& message, std::string_view user, std::string_view name, bool add) {
  auto found = std::ranges::find(message.reactions, name, &Reaction::name);
  if (found == message.reactions.end()) {
    if (!add || message.reactions.size() >= kMostReactions) return false;
    message.reactions.push_back({std::string(name), {std::string(user)}});
    return true;
  }
  const auto at = std::ranges::find(found->users, user);
  if (add == (at != found->users.end())) return false;
  if (add)
    found->users.emplace_back(user);
  else
    found->users.erase(at);
  if (found->users.empty()) message.reactions.erase(found);
  return true;
}

std::string Workspace::new_id(std::string_view kind) {
  return std::string(kind) + "0SIM" + std::to_string(++last_id_);
}

std::string Workspace::new_ts() {
  last_ts_ = std::max(microseconds(), last_ts_ + 1);
  const std::string micros = std::to_string(last_ts_ % 1'000'000);
  return std::to_string(last_ts_ / 1'000'000) + "." + std::string(6 - micros.size(), '0') + micros;
}

std::string encoded(std::string_view typed, Workspace& workspace) {
  std::string to;
  for (std::size_t at = 0; at < typed.size();) {
    const bool begins = at == 0 || !is_word(typed[at - 1]);
    const std::string_view rest = typed.substr(at);
    if (begins && (rest.starts_with("https://") || rest.starts_with("http://"))) {
      const std::string_view url = rest.substr(0, rest.find_first_of(" \t\n<>)\""));
      to += "<" + escaped(url) + ">";
      at += url.size();
      continue;
    }
    if (begins && (rest[0] == '@' || rest[0] == '#')) {
      std::size_t end = 1;
      while (end < rest.size() && is_word(rest[end])) ++end;
      const std::string_view name = rest.substr(1, end - 1);
      std::string mark;
      if (rest[0] == '#') {
        if (const Channel* channel = workspace.channel_named(name))
          mark = "<#" + channel->id + "|" + channel->name + ">";
      } else if (name == kBotName) {
        mark = "<@" + std::string(kBot) + ">";
      } else if (name == "here" || name == "channel" || name == "everyone") {
        mark = "<!" + std::string(name) + ">";
      } else {
        for (const Person& person : workspace.people())
          if (person.name == name) mark = "<@" + person.id + ">";
      }
      if (!mark.empty()) {
        to += mark;
        at += end;
        continue;
      }
    }
    to += escaped(rest.substr(0, 1));
    ++at;
  }
  return to;
}

}  // namespace viaduct::slack::simulator
