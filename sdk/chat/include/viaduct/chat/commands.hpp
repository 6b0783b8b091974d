// Does what people tell the bridge to: `/amp …`, and the same words after a mention or in a direct
// message. Everything that it does once is keyed by the asking event, so an event that is handled
// again after a crash does nothing twice. On the loop's thread; owned by the plugin.
#pragma once

#include <viaduct/chat/asker.hpp>
#include <viaduct/chat/command.hpp>
#include <viaduct/chat/conversations.hpp>

#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/sdk/host.hpp>

namespace viaduct::chat {

// What the operator allows.
struct Rules {
  std::string default_working_dir = "~";
  std::vector<std::string> working_dirs = {"~"};  // what `--dir` of others than operators is below
  std::uint32_t max_sessions_per_user = 10;
};

class Commands {
 public:
  Commands(const sdk::Host& host, World& world, Conversations& conversations, Rules rules);

  net::Task<> run(Command command, Asker asker);
  // The session that a place is bound to, begun if there is none; the error is in words.
  struct Wanted {
    std::string dir;
    std::string backend;
    std::string description;
  };
  net::Task<std::expected<std::shared_ptr<Conversation>, std::string>> begin(Place place,
                                                                             Asker asker,
                                                                             Wanted wanted);
  // True while a session is being begun for it, or is expected to be.
  bool is_beginning(const Place& place) const {
    return beginning_.contains(place.key()) || expected_.contains(place.key());
  }
  // From when something has come that would bind the place, to when it has been dealt with: what is
  // said there meanwhile is for the session. Each expect() has its settle().
  void expect(const Place& place) { expected_.insert(place.key()); }
  void settle(const Place& place) {
    if (const auto found = expected_.find(place.key()); found != expected_.end())
      expected_.erase(found);
  }

  // A press of one of this plugin's buttons.
  net::Task<> press(std::string action, std::string value, Asker asker);

  // Into the session of the asker's place, begun if there is none. What goes wrong is told.
  net::Task<> to_session(Asker asker, Said said);

  // A person's sessions as lines, the active ones, at most `most`; without buttons.
  net::Task<std::vector<ListItem>> overview(std::string team, std::string user, std::size_t most);

  // To the asker alone, where that can be; else where it was asked. Words are in the network's
  // markup. `part` makes the key.
  net::Task<> tell(Asker asker, std::string words, std::vector<Button> buttons = {},
                   std::string part = "reply");

 private:
  net::Task<> run_new(NewCommand command, Asker asker);
  net::Task<> run_connect(std::string id, bool revive, Asker asker);
  net::Task<> run_help(Asker asker);
  net::Task<> run_list(std::string project, Asker asker);
  net::Task<> run_projects(Asker asker);
  net::Task<> run_sessions(Asker asker);
  net::Task<> run_status(std::string id, Asker asker);
  net::Task<> run_breakout(std::string name, Asker asker);
  net::Task<> run_end(std::string id, Asker asker);
  net::Task<> run_unbind(std::string id, Asker asker);
  net::Task<> run_cancel(std::string id, Asker asker);
  net::Task<> run_retry(std::string id, Asker asker);
  net::Task<> run_memory(Command command, Asker asker);
  net::Task<> run_discover(Asker asker);
  net::Task<> run_config(Asker asker);

  // The conversation that a command means: by its id, of this thread, or the person's only one in
  // this channel. Null: the asker has been told, or offered some to pick, and `word` is run then.
  net::Task<std::shared_ptr<Conversation>> meant(std::string id, std::string word, Asker asker);
  // A new thread in the asker's channel.
  net::Task<std::expected<std::string, std::string>> open_thread(Asker asker, std::string words);
  std::expected<std::string, std::string> folder(const std::string& dir, const Asker& asker) const;
  // Why no session can begin, as far as is known before; nullopt: it can.
  std::optional<std::string> why_not(const std::string& dir, const Asker& asker) const;
  std::string limit_reached() const;
  // Sessions that the asker may have, newest first.
  std::vector<Binding> own(const Asker& asker) const;
  std::expected<Binding, std::string> find(std::string_view id, const Asker& asker) const;
  net::Task<std::optional<SessionFacts>> facts(Binding binding);
  std::string name_of(const Binding& binding, const SessionFacts* now) const;
  net::Task<> say(Place place, std::string key, Body body);
  net::Task<> whisper(Asker asker, Body body, std::string part);

  sdk::Log log_;
  sdk::Memory memory_;
  World& world_;
  Conversations& conversations_;
  const Rules rules_;
  const Network& network_;
  std::set<std::string> beginning_;              // places
  std::multiset<std::string> expected_;          // places that are to be bound
  std::map<std::string, std::size_t> reserved_;  // slots of people whose sessions are beginning
};

}  // namespace viaduct::chat
