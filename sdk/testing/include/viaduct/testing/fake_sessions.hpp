// The sessions service of the fake host: in memory, with a programmable agent behind it, and with
// everything that can go wrong at hand. For the thread of the test.
#pragma once

#include <viaduct/abi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <viaduct/testing/json.hpp>

namespace viaduct::testing {

struct Core;

struct Principal {
  std::string user_id = "local";
  std::string display_name = "local";
  std::string tenant;
  std::string place;
  std::uint32_t flags = 0;
};

// How the agent goes about one message.
struct Reply {
  std::vector<std::string> chunks;
  std::string stop_reason = "end_turn";
  viaduct_code code = VIADUCT_OK;  // else the turn ends with this error
  std::string message;
  bool open = false;  // the turn goes on until end_turn()
};

// One call of the plugin to the service.
struct SessionCall {
  std::string operation;  // "create", "send", … as in viaduct_sessions
  std::string user_id;
  std::string session_id;
  std::string arguments;     // options or query JSON, the message's text, the title, the option id
  std::string key;           // of a message
  std::uint64_t number = 0;  // turn, entry, before, subscription
};

class FakeSessions {
 public:
  // ---- the agent
  // Null: the answer to `text` is "[reply to: text]", word by word. Must not call the fake
  // host.
  void on_message(std::function<Reply(const std::string& text)> agent);
  // Goes on with an open turn (0: the running one). False when there is none.
  bool say(const std::string& session_id, std::string_view text);
  // Any entry of the running turn → its number.
  std::uint64_t add_entry(const std::string& session_id, std::string_view type,
                          std::string_view text, Json data = Json::object(), bool complete = true);
  // Another version of an entry: its data is replaced.
  void update_entry(const std::string& session_id, std::uint64_t entry, Json data,
                    bool complete = true);
  // A permission request with options "allow" and "reject".
  std::uint64_t ask_permission(const std::string& session_id, std::string_view title);
  void expire_permission(const std::string& session_id, std::uint64_t entry,
                         std::string_view reason);
  bool end_turn(const std::string& session_id, std::string_view stop_reason = "end_turn",
                viaduct_code code = VIADUCT_OK, std::string_view message = "");

  // ---- what goes wrong
  // The next `times` calls of this operation fail so; times < 0: until heal().
  void fail_next(const std::string& operation, viaduct_code code, std::string message,
                 int times = 1);
  void heal();
  // Calls of this operation get no answer until release, which then carries them out.
  void hold(const std::string& operation);
  void release(const std::string& operation);
  // From now on the session answers session_dead.
  void kill(const std::string& session_id);
  // Ends all subscriptions so, as when the subscriber was too slow or the host stops.
  void drop_subscriptions(viaduct_code code, std::string_view message);
  // As after a restart of the host: a new epoch, running turns are interrupted. Subscriptions end.
  void restart();

  // ---- looking
  std::vector<SessionCall> calls() const;
  std::size_t count(std::string_view operation) const;  // calls of it
  void forget_calls();
  std::vector<std::string> ids() const;                        // in the order of their creation
  Json session(const std::string& session_id) const;           // SESSION, or null
  std::vector<Json> log(const std::string& session_id) const;  // ENTRY …
  std::size_t subscriptions() const;
  // A session made by somebody else (another surface, say) → its id.
  std::string add_session(const Principal& owner, std::string_view description = "",
                          std::string_view working_dir = "~");
  // What another program left on this machine, for discover and adopt; the newest so far.
  void add_left_behind(std::string native_id, std::string title = "", std::string working_dir = "~",
                       std::string backend = "echo");
  // A message on a session from elsewhere.
  void user_says(const std::string& session_id, std::string_view text);

 private:
  friend class FakeHost;
  explicit FakeSessions(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
};

}  // namespace viaduct::testing
