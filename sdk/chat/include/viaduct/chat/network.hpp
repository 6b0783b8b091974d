// What a surface brings to the conversations and commands of sdk/chat: how words look on its
// network, and how messages get there. Called on the loop's thread; owned by the plugin, outlives
// what uses it.
#pragma once

#include <viaduct/chat/asker.hpp>
#include <viaduct/chat/bindings.hpp>
#include <viaduct/chat/button.hpp>
#include <viaduct/chat/file.hpp>
#include <viaduct/chat/session.hpp>

#include <chrono>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>

namespace viaduct::chat {

// A message as the network takes it, made by its own code.
struct Body {
  std::string text;      // for notifications and screen readers
  std::string rich;      // the network's JSON, or empty
  bool is_open = false;  // of a whisper: no harm where others read it
};

// Words of the surface itself are in the network's markup: what comes from elsewhere is in them by
// escaped() or code() only.
struct ListItem {
  std::string words;
  Button button;
};

// How often what is shown changes.
struct Pace {
  std::chrono::milliseconds first_words{400};       // that an answer gathers before it is posted
  std::chrono::milliseconds between_appends{700};   // to a stream
  std::chrono::milliseconds between_updates{1500};  // of a message
  std::chrono::milliseconds between_work{3000};
  std::chrono::milliseconds life_again{100'000};  // a sign of life lasts so long
  // Then it goes on in a new message, where a paragraph ends; or, later by this, behind any word;
  // by this once more, and it goes on by updates.
  std::chrono::milliseconds longest_stream{4 * 60'000};
  std::chrono::milliseconds before_any_cut{20'000};
  std::size_t most_parts = 12;  // longer answers become a file
};

// How a message of a person is doing.
enum class Life { kQueued, kWorking, kDone };

class Network {
 public:
  virtual ~Network() = default;

  // ---- words
  virtual std::string escaped(std::string_view plain) const = 0;
  virtual std::string code(std::string_view plain) const = 0;
  virtual std::string bold(std::string_view words) const = 0;
  virtual std::string italic(std::string_view words) const = 0;
  // Plain text in which `…` is code, as the command parser makes it.
  virtual std::string words(std::string_view text) const = 0;
  virtual std::string person(const Asker& asker) const = 0;
  // "in a direct message", with a link where there is one.
  virtual std::string where(const Binding& binding) const = 0;
  // Behind the list of commands: how they are said on this network.
  virtual std::string help_hint() const = 0;

  // ---- messages
  virtual Body note(std::string_view words, const std::vector<Button>& buttons = {}) const = 0;
  // Plain text, small print.
  virtual Body work(std::string_view text, const std::vector<Button>& buttons) const = 0;
  // `title` and `below` are plain.
  virtual Body list(std::string_view title, const std::vector<ListItem>& items,
                    std::string_view below) const = 0;
  // An entry of type kPermission, with buttons while it is pending, and one to ask again when
  // nobody can decide it any more; `session` empty: without that one.
  virtual Body permission(const Entry& entry, const std::string& session) const = 0;
  virtual Body answer(std::string_view markdown) const = 0;
  // An answer as the Markdown of messages. `ended`: it grows no more; else what there is only
  // grows, and all but the last stay.
  virtual std::vector<std::string> parts(std::string_view answer, bool ended) const = 0;
  // All parts of an answer that has ended: what is known of it only then is put into them.
  virtual void finish(std::vector<std::string>& /*parts*/, std::string_view /*answer*/) const {}
  virtual const Pace& pace() const = 0;

  // ---- what must arrive: kept on disk when it is done; the error is kInvalidArgument where trying
  // again is of no use. Things of one place arrive in their order.
  // True: it is on its way for the first time; a known key is posted once, whatever it says now.
  virtual net::Task<net::Result<bool>> post(Place place, std::string key, Body body) = 0;
  // Changes the message of the key `of`.
  virtual net::Task<net::Result<>> edit(Place place, std::string key, std::string of,
                                        Body body) = 0;
  // As post(), of a file, or words for it where the network takes none; `file` lives until it is
  // done.
  virtual net::Task<net::Result<bool>> post_file(Place place, std::string key,
                                                 const File& file) = 0;
  // To the asker alone. Only what is open goes where it was asked, where that is all there is.
  virtual net::Task<net::Result<>> whisper(Asker asker, std::string key, Body body) = 0;
  // A new thread in the asker's channel: waits until its first message is there, or never will be;
  // the error is in plain words.
  virtual net::Task<std::expected<std::string, std::string>> open_thread(Asker asker,
                                                                         std::string key,
                                                                         Body root) = 0;
  // Whether what people say in a bound place needs no mention.
  virtual bool hears_all(const Place& /*place*/) const { return true; }
  // Whether open_channel() can be at all.
  virtual bool makes_channels() const { return true; }
  // A new channel for the asker alone; the error is in plain words.
  virtual net::Task<std::expected<Place, std::string>> open_channel(Asker asker,
                                                                    std::string name) = 0;
  // Somebody else into such a channel.
  virtual net::Task<> invite(Place /*channel*/, std::string /*user*/) { co_return; }

  // ---- answers while they grow. `asker` is the user id of whoever is answered.
  virtual bool can_stream(const Place& place, std::string_view asker) const = 0;
  // As post().
  virtual net::Task<net::Result<bool>> begin_stream(Place place, std::string key, std::string asker,
                                                    std::string text) = 0;
  // Ends it with all of its text, whatever has become of it; as edit().
  virtual net::Task<net::Result<>> end_stream(Place place, std::string key, std::string of,
                                              std::string text) = 0;
  // Tried once, and nothing depends on them. False: it takes no more.
  virtual net::Task<bool> grow(std::string key, std::string text) = 0;
  virtual net::Task<bool> stop_stream(std::string key) = 0;
  virtual net::Task<> update(Place place, std::string of, Body body) = 0;
  // Whether the message of the key is there, as far as is known.
  virtual bool has_arrived(std::string_view key) const = 0;
  virtual void forget(std::string_view key) = 0;

  // ---- signs of life: nothing depends on them
  // The message that a turn's key was made of; empty: none.
  virtual std::string message_of(std::string_view key) const = 0;
  virtual void show_life(const Place& place, const std::string& message, Life life) = 0;
  virtual void show_title(const Place& /*place*/, const std::string& /*title*/) {}
};

}  // namespace viaduct::chat
