// One conversation: how it is had at an agent, its turn, and what the agent asks meanwhile. On the
// loop's thread; owned by the plugin, until it is closed or lost.
#pragma once

#include "plugins/acp/agents.hpp"
#include "plugins/acp/replay.hpp"
#include "plugins/acp/terminals.hpp"
#include "plugins/acp/tool_output.hpp"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <viaduct/sdk/backend.hpp>

namespace viaduct::acp {

// What all sessions of a backend share.
struct Context {
  const sdk::Host& host;
  const sdk::Log& log;
  const sdk::Metrics& metrics;
  net::Loop& loop;
  const Config& config;
  Agents& agents;
  std::function<void(std::uint64_t session)> forget;  // it is lost: it owns nothing any more
};

class Session final : public Agent::Session, public std::enable_shared_from_this<Session> {
 public:
  Session(Context& context, const sdk::Open& open);
  ~Session() override { detach(); }

  void open(sdk::Reply reply);
  // session/resume, else session/load.
  void restore(std::string native_id, sdk::Reply reply);
  // Becomes a copy of `source`, which lives at the same agent.
  void fork(const Session& source, sdk::Reply reply);
  void close(sdk::Reply reply);
  // The backend stops: so does its turn.
  void stop(std::string_view why);

  void prompt(const sdk::Prompt& prompt, sdk::Turn turn);
  void cancel(std::uint64_t turn);
  // A person's choice for what was asked; empty: nobody answered.
  void answer(const std::string& item, const std::string& option);
  void set_option(std::string_view option, std::string_view value, sdk::Reply reply);
  std::string options() const { return options_json(options_); }
  void writable();
  // The user asks for it: kNotFound, if it has to be had back.
  void resumed(sdk::Reply reply);

  const std::string& native_id() const { return native_id_; }

 private:
  using Decided = std::function<void(const std::string& option)>;  // empty: nobody
  struct Asked {
    std::string id;  // of the agent's request
    Decided decided;
  };
  struct Run {
    Run(asio::io_context& context, sdk::Turn the_turn)
        : turn(std::move(the_turn)), silence(context), grace(context) {}
    sdk::Turn turn;
    asio::steady_timer silence;
    asio::steady_timer grace;
    std::chrono::steady_clock::time_point heard;  // from the agent, last
    bool said = false;
    bool cancelling = false;
    bool timed_out = false;
    std::uint64_t call = 0;    // the prompt; 0: the agent does not know of the turn (yet)
    bool answered = false;     // by the agent, whatever the host has been told
    bool had_restored = true;  // the agent, what was said before
    std::set<std::string> open_tools;
    ToolOutput output;
    std::map<std::string, Asked> asked;
    std::vector<std::pair<std::string, std::string>> chosen;  // options, by this turn
  };
  using RunPtr = std::shared_ptr<Run>;

  // ---- session.cpp: had, and had no more
  void with_agent(sdk::Reply reply, std::function<void(sdk::Reply)> then);
  void opened(const CallResult& answer, sdk::Reply reply, std::string native_id);
  void load(std::string native_id, sdk::Reply reply);
  bool use(SessionAnswer answer, std::string native_id);
  void give_up(sdk::Reply reply, const sdk::Status& status);
  void let_go();
  bool attach(const std::string& native_id);  // false: another session has this id
  void detach();
  // Sets the options one after the other; what cannot be set is said and does no harm.
  void apply(std::vector<std::pair<std::string, std::string>> wanted, std::size_t next,
             std::function<void()> then);
  std::string params(std::string_view native_id) const;
  void kill_unless_answered(const RunPtr& run);
  bool made(std::uint64_t call) const override { return run_ && run_->call == call; }
  void agent_ended(const std::string& why) override;

  // ---- turn.cpp: a turn, and what is said
  void updated(Update update) override;
  bool is_replayed(const Update& update);
  void say_in_pieces(Update update);
  void speak(const Update& update);
  void say(const sdk::Sink& out, std::uint32_t kind, const Update& update);
  void tell_tool(const sdk::Sink& out, const Update& update);
  void send_prompt(const RunPtr& run, std::string_view params);
  void prompted(const RunPtr& run, const CallResult& answer);
  bool own_command(const RunPtr& run, std::string_view text);
  const Option* command_option(std::string_view name) const;
  void say_chosen(const RunPtr& run, const std::string& id, const std::string& value);
  void end_turn(sdk::StopReason reason, std::string_view usage);
  void fail(const sdk::Status& status);
  RunPtr finish_run();
  void watch_silence(const RunPtr& run, std::chrono::milliseconds wait);
  void took(sdk::Flow flow);
  // Acts now, or behind what waits for the host to have room.
  void in_turn(std::size_t size, std::function<void()> act);
  void say_all();
  void read_on();
  void queue(Update update);
  void tell_commands();

  // ---- requests.cpp: what the agent asks
  void requested(const std::string& id, std::string_view method, std::string_view params) override;
  void serve(const std::string& id, std::string_view method, std::string_view params);
  void withdrawn(const std::string& id) override;
  void withdraw(const std::string& id);
  void ask(const std::string& id, const PermissionRequest& request, Decided decided);
  void decide_all();
  void request_permission(const std::string& id, std::string_view params);
  void elicit(const std::string& id, std::string_view params);
  void elicit_next(const std::string& id, std::shared_ptr<Elicitation> asked, std::string params,
                   std::vector<std::pair<std::string, std::string>> answers);
  void read_text_file(const std::string& id, std::string_view params);
  void write_text_file(const std::string& id, std::string_view params);
  void terminal(const std::string& id, std::string_view method, std::string_view params);
  // Runs `act` if the policy, or a person, allows it.
  using Details = std::vector<std::pair<std::string, std::string>>;
  void permitted(Policy policy, const std::string& id, const std::string& kind, std::string title,
                 const Details& details, std::function<void()> act);
  void refuse(const std::string& id, const sdk::Status& status);

  Context& context_;
  const std::uint64_t handle_;
  const std::string session_id_;                             // the host's
  const std::string folder_;                                 // absolute
  std::vector<std::pair<std::string, std::string>> wanted_;  // options, applied at every start
  sdk::Sink sink_;
  Agents::AgentPtr agent_;
  std::string native_id_;
  std::string attached_;  // the id by which the agent finds this session; empty: none
  std::vector<Option> options_;
  std::set<std::string> commands_;  // of the agent
  std::string commands_json_;
  std::shared_ptr<Replay> replay_;  // until the first prompt: the host has all that it tells
  std::chrono::steady_clock::time_point began_;  // to be had back
  RunPtr run_;
  std::uint64_t late_turn_ = 0;  // the last one that has ended
  std::chrono::steady_clock::time_point late_until_;
  std::string last_meta_;  // of what was said last
  struct Waiting {
    std::size_t size = 0;
    std::function<void()> act;
  };
  bool busy_ = false;  // the host has no room
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool holding_ = false;  // the reader of the agent
  std::uint64_t last_asked_ = 0;
  std::set<std::string> always_;  // kinds that a person has allowed for good
  Terminals terminals_;
  ToolImages tool_images_;
  bool closed_ = false;
};

// An agent's own session that is read for the host's log: loaded, recorded, and let go.
void read_session(Context& context, std::string native_id, sdk::Reply reply);
// The sessions that the agent knows, in `working_dir` (empty: anywhere).
void list_sessions(Context& context, std::string working_dir, sdk::Reply reply);
// Opens a session and gives it up again, which some agents refuse to who is not logged in.
void try_session(Context& context, const Agents::AgentPtr& agent,
                 std::function<void(net::Result<>)> done);
void delete_session(Context& context, std::string native_id, sdk::Reply reply);

// "~" is the home folder.
std::string expanded(std::string_view folder);

// host_json.cpp
// Option ids and values, of a JSON object of strings.
std::vector<std::pair<std::string, std::string>> parse_chosen(std::string_view json);
// The same as JSON; empty for none.
std::string chosen_json(const std::vector<std::pair<std::string, std::string>>& chosen);
// The names in {"availableCommands":[…]}, and the same with `own` added that are not in it.
std::set<std::string> command_names(std::string_view json);
struct OwnCommand {
  std::string name, description, hint;
};
std::string with_commands(std::string_view json, const std::vector<OwnCommand>& own);
// {"sessions":[…]} as viaduct_backend.discover answers.
std::string discovered_json(const std::vector<ListedSession>& sessions);
// As viaduct_backend.read answers.
std::string read_json(const ListedSession& session, const ReplayLog& log);
// A tool call of ours: what is to be done, name and value; several of one name are a list.
std::string subject_json(std::string_view title, std::string_view kind,
                         const std::vector<std::pair<std::string, std::string>>& details);

}  // namespace viaduct::acp
