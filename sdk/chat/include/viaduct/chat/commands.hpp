// Does what people tell the bridge to: `/amp …`, and the same words after a mention or in a direct
// message. Everything that it does once is keyed by the asking event, so an event that is handled
// again after a crash does nothing twice. On the loop's thread; owned by the plugin.
#pragma once

#include <viaduct/chat/asker.hpp>
#include <viaduct/chat/command.hpp>
#include <viaduct/chat/conversations.hpp>

#include <boost/asio/steady_timer.hpp>

#include <expected>
#include <map>
#include <memory>
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
    bool instead = false;  // of the session that is there, which lives on
  };
  net::Task<std::expected<std::shared_ptr<Conversation>, std::string>> begin(Place place,
                                                                             Asker asker,
                                                                             Wanted wanted);
  // True while a session is being begun for it.
  bool is_beginning(const Place& place) const { return beginning_.contains(place.key()); }

  // Nothing is bound there any more, and whoever goes on talking there has not heard it yet.
  bool is_left(const Place& place) const;
  // Tells the asker, once, what has become of the session that the place had.
  net::Task<> tell_left(Asker asker);

  // A press of one of this plugin's buttons.
  net::Task<> press(std::string action, std::string value, Asker asker);

  // Into the session of the asker's place, begun if there is none. What goes wrong is told.
  net::Task<> to_session(Asker asker, Said said);

  // A person's sessions as lines, the active ones, at most `most`; without buttons.
  net::Task<std::vector<ListItem>> overview(std::string team, std::string user, std::size_t most);

  // To the asker alone; openly: where others may read it, too, if that is all there is. Words are
  // in the network's markup. `part` makes the key.
  net::Task<> tell(Asker asker, std::string words, std::vector<Button> buttons = {},
                   std::string part = "reply");
  net::Task<> tell_openly(Asker asker, std::string words, std::vector<Button> buttons = {},
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
  net::Task<> run_discover(std::uint32_t limit, Asker asker);
  net::Task<> run_adopt(LeftValue left, Asker asker);
  net::Task<> run_config(Asker asker);

  // The conversation that a command means: by its id, of this thread, or the person's only one in
  // this channel. Null: the asker has been told, or offered some to pick, and `word` is run then.
  net::Task<std::shared_ptr<Conversation>> meant(std::string id, std::string word, Asker asker);
  net::Task<> press_permit(PermitValue choice, Asker asker);
  net::Task<> try_again(std::shared_ptr<Conversation> one, std::uint64_t turn, Place place,
                        Asker asker);
  // A new thread in the asker's channel; who waits long for it is told that it will come.
  net::Task<std::expected<std::string, std::string>> open_thread(Asker asker, std::string words);
  net::Task<> tell_if_late(std::shared_ptr<boost::asio::steady_timer> limit, Asker asker);
  // Where a session of the asker belongs, a new thread that begins with `words` if need be.
  // nullopt: none could be had, and the asker has been told.
  net::Task<std::optional<Place>> place_for(Asker asker, std::string words);
  // The binding's place gets the session, and wherever else it was it is let go of and that is
  // said.
  net::Task<net::Result<>> move(Binding binding, Asker asker);
  // The same, and it is told.
  net::Task<> settle_in(Binding binding, Asker asker);
  std::expected<std::string, std::string> folder(const std::string& dir, const Asker& asker) const;
  // Of sessions; `leaves`: which makes room for another one, or null.
  bool is_full(const Asker& asker, const Conversation* leaves) const;
  // Why no session can begin, as far as is known before; nullopt: it can.
  std::optional<std::string> why_not(const std::string& dir, const Asker& asker) const;
  std::string limit_reached() const;
  std::string operators_only() const;
  // " by @somebody", where it is not whose session it is.
  std::string by(const Asker& asker, const Binding& binding) const;
  // Which session, for somebody who is elsewhere.
  std::string named(const Binding& binding) const;
  // Where a session is that is not here.
  net::Task<std::string> gone_words(std::string session);
  // Its person's, of the asker's place, or any for an operator.
  bool may_have(const std::string& session, const Asker& asker) const;
  // Sessions that the asker may have, newest first.
  std::vector<Binding> own(const Asker& asker) const;
  std::expected<Binding, std::string> find(std::string_view id, const Asker& asker) const;
  net::Task<std::optional<SessionFacts>> facts(Binding binding);
  // It is open in the channel where it is asked for.
  bool is_here(const Binding& binding, const Asker& asker) const;
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
  std::map<std::string, std::size_t> reserved_;  // slots of people whose sessions are beginning
};

}  // namespace viaduct::chat
