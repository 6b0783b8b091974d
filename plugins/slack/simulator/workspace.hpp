// The workspace of the simulator, in memory and bounded: people, channels, messages. On the loop's
// thread; owned by the StandIn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack::simulator {

inline constexpr std::string_view kTeam = "T0SIMULATOR";
inline constexpr std::string_view kApp = "A0AMP";
inline constexpr std::string_view kBot = "U0AMP";
inline constexpr std::string_view kBotId = "B0AMP";
inline constexpr std::string_view kBotName = "amp";

struct Person {
  std::string id;
  std::string name;
  bool is_guest = false;
};

struct Channel {
  std::string id;
  std::string name;
  std::string person;  // whose direct messages with the bot these are; empty: a channel
  bool has_bot = true;

  bool is_direct() const { return !person.empty(); }
};

struct Reaction {
  std::string name;
  std::vector<std::string> users;
};

struct Message {
  std::string ts;  // given by Workspace::add
  std::string channel;
  std::string thread;  // of the first message, for all that answer it; empty: at the top
  std::string user;
  std::string text;      // as Slack keeps it
  std::string blocks;    // a JSON list, or empty
  std::string metadata;  // a JSON object, or empty
  std::string to;        // who alone sees it; empty: everybody
  std::string file_name;
  std::string file_text;   // of a picture, its data: address
  std::string file_words;  // of a picture
  std::vector<Reaction> reactions;
  bool streams = false;  // grows
  bool is_edited = false;

  std::size_t size() const {
    return text.size() + blocks.size() + metadata.size() + file_text.size();
  }
};

class Workspace {
 public:
  static constexpr std::size_t kMostMessages = 500;
  static constexpr std::size_t kMostBytes = 4 << 20;
  static constexpr std::size_t kMostChannels = 60;

  Workspace();

  const std::vector<Person>& people() const { return people_; }
  const std::vector<Channel>& channels() const { return channels_; }
  const std::deque<Message>& messages() const { return messages_; }

  // Null: there is none.
  const Person* person(std::string_view id) const;
  Channel* channel(std::string_view id);
  Channel* channel_named(std::string_view name);
  Message* message(std::string_view channel, std::string_view ts);
  std::string direct(std::string_view person) const;  // the channel

  // Null: there are too many.
  Channel* add_channel(std::string id, std::string name);
  // The oldest make room; what had to go is in `gone`, by its ts. With a ts of its own it keeps it.
  Message& add(Message message, std::vector<std::string>& gone);
  bool remove(std::string_view channel, std::string_view ts);
  // False: it is as it was.
  static bool react(Message& message, std::string_view user, std::string_view name, bool add);

  // Unlike all others, also those of earlier lives: the inbox remembers by them.
  std::string new_id(std::string_view kind);

 private:
  std::string new_ts();

  std::vector<Person> people_;
  std::vector<Channel> channels_;
  std::deque<Message> messages_;
  std::int64_t last_ts_ = 0;  // microseconds
  std::int64_t last_id_ = 0;  // from the time of the start on
};

// As a person types it, to what Slack keeps: @amp, #general and addresses are marked, the rest is
// escaped.
std::string encoded(std::string_view typed, Workspace& workspace);

}  // namespace viaduct::slack::simulator
