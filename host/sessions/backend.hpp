// What the sessions service sees of one backend instance. Calls and answers are on the loop; an
// answer never comes inside the call.
#pragma once

#include "host/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace viaduct::sessions {

using Handle = std::uint64_t;  // names a session towards the backend, from open, restore or inject
                               // until close; never reused

struct ResumePolicy {
  bool enabled = true;
  std::uint32_t attempts = 3;
  std::uint32_t give_up_after = 5;
  std::chrono::milliseconds backoff{1000};
  std::chrono::milliseconds native_max_age{0};  // 0: no limit
  bool fresh_on_loss = false;
};

struct BackendInfo {
  std::string agent_type;
  std::uint64_t can = 0;  // VIADUCT_CAN_…
  ResumePolicy policy;
};

struct OpenRequest {
  Handle session = 0;
  std::string session_id;
  std::string working_dir;
  std::string native_id;
  std::string transcript;  // JSON array of entries
  std::string options;     // JSON object
};

struct PromptRequest {
  Handle session = 0;
  std::uint64_t turn = 0;
  std::string text;
  std::string blocks;
  std::string context;
  std::string author;
  std::string restored;  // what was said before, where nothing else holds it
};

// The JSON object that a backend answers with; `native_id` and `stop_reason` taken out of it, empty
// where absent.
struct BackendAnswer {
  std::string native_id;
  std::string stop_reason;
  std::string json;
  bool had_restored = true;  // false: the agent was not given PromptRequest::restored
};

// What a backend says of a session: viaduct_event, owned.
struct BackendEvent {
  std::uint32_t kind = 0;  // VIADUCT_EVENT_…
  std::uint64_t turn = 0;
  std::string item;
  std::string text;
  std::string json;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendInfo& info() const = 0;

  // Each is answered once: also `unavailable` when the instance stops or is abandoned,
  // `unsupported` where the plugin has no such function, `internal` for an answer that is no JSON
  // object; but what discover and read answer may be long, and is handed on as it is.
  virtual void open(OpenRequest request, Done<BackendAnswer> done) = 0;
  virtual void restore(OpenRequest request, Done<BackendAnswer> done) = 0;
  virtual void inject(OpenRequest request, Done<BackendAnswer> done) = 0;
  virtual void resumed(OpenRequest request, Done<BackendAnswer> done) = 0;
  virtual void prompt(PromptRequest request, Done<BackendAnswer> done) = 0;
  virtual void cancel(Handle session, std::uint64_t turn, Done<BackendAnswer> done) = 0;
  virtual void answer(Handle session, std::string item, std::string option,
                      Done<BackendAnswer> done) = 0;
  virtual void compact(Handle session, Done<BackendAnswer> done) = 0;
  virtual void fork(Handle session, OpenRequest target, Done<BackendAnswer> done) = 0;
  virtual void set_option(Handle session, std::string option, std::string value,
                          Done<BackendAnswer> done) = 0;
  virtual void discover(std::string working_dir, Done<BackendAnswer> done) = 0;
  virtual void read(std::string native_id, Done<BackendAnswer> done) = 0;
  virtual void purge(OpenRequest request, Done<BackendAnswer> done) = 0;
  virtual void close(Handle session, bool ended, Done<BackendAnswer> done) = 0;
  virtual void writable(Handle session) = 0;
};

}  // namespace viaduct::sessions
