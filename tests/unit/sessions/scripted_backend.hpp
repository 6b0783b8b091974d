// A backend that a test drives by hand, and a loop, a real SQLite store and a sessions service
// around it.
#pragma once

#include "host/loop.hpp"
#include "host/sessions/sessions.hpp"
#include "host/store/sqlite.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::sessions::testing {

class ScriptedBackend final : public Backend {
 public:
  explicit ScriptedBackend(Loop& loop) : loop_(loop) {
    info_.agent_type = "scripted";
    info_.can = VIADUCT_CAN_RESTORE | VIADUCT_CAN_INJECT | VIADUCT_CAN_CANCEL | VIADUCT_CAN_ASK;
    info_.policy.backoff = std::chrono::milliseconds(1);
  }

  struct Call {
    std::string what;  // "open", "restore", "inject", "prompt", "cancel", "answer", "close" …
    Handle session = 0;
    std::uint64_t turn = 0;
    std::string
        text;  // of a prompt; native id of a restore; transcript of an inject; option of an answer
    Done<BackendAnswer> done;
  };
  std::vector<Call> calls;

  std::string restored_with;  // options of the last restore
  std::string restore_log;    // its transcript
  std::string restored;       // of the last prompt

  // Answers calls of this kind at once; without a rule they wait in `calls`.
  std::map<std::string, std::function<Result<BackendAnswer>(const Call&)>> rules;

  std::size_t count(const std::string& what) const;
  Call& last(const std::string& what);
  void reply(Call& call, Result<BackendAnswer> answer);
  void end_turn(std::string native_id = "");  // of the last prompt

  BackendInfo& facts() { return info_; }
  const BackendInfo& info() const override { return info_; }
  void open(OpenRequest r, Done<BackendAnswer> d) override {
    take("open", r.session, 0, r.working_dir, std::move(d));
  }
  void restore(OpenRequest r, Done<BackendAnswer> d) override {
    restored_with = r.options;
    restore_log = r.transcript;
    take("restore", r.session, 0, r.native_id, std::move(d));
  }
  void inject(OpenRequest r, Done<BackendAnswer> d) override {
    take("inject", r.session, 0, r.transcript, std::move(d));
  }
  void resumed(OpenRequest r, Done<BackendAnswer> d) override {
    take("resumed", r.session, 0, r.native_id, std::move(d));
  }
  void prompt(PromptRequest r, Done<BackendAnswer> d) override {
    restored = r.restored;
    take("prompt", r.session, r.turn, r.text, std::move(d));
  }
  void cancel(Handle h, std::uint64_t turn, Done<BackendAnswer> d) override {
    take("cancel", h, turn, "", std::move(d));
  }
  void answer(Handle h, std::string item, std::string option, Done<BackendAnswer> d) override {
    take("answer", h, 0, item + "=" + option, std::move(d));
  }
  void compact(Handle h, Done<BackendAnswer> d) override {
    take("compact", h, 0, "", std::move(d));
  }
  void fork(Handle h, OpenRequest r, Done<BackendAnswer> d) override {
    take("fork", h, 0, r.session_id, std::move(d));
  }
  void set_option(Handle h, std::string o, std::string v, Done<BackendAnswer> d) override {
    take("set_option", h, 0, o + "=" + v, std::move(d));
  }
  void discover(std::string folder, Done<BackendAnswer> d) override {
    take("discover", 0, 0, folder, std::move(d));
  }
  void read(std::string native_id, Done<BackendAnswer> d) override {
    take("read", 0, 0, native_id, std::move(d));
  }
  void purge(OpenRequest r, Done<BackendAnswer> d) override {
    take("purge", r.session, 0, r.native_id, std::move(d));
  }
  void close(Handle h, bool ended, Done<BackendAnswer> d) override {
    take("close", h, 0, ended ? "ended" : "", std::move(d));
  }
  void writable(Handle h) override { take("writable", h, 0, "", nullptr); }

 private:
  void take(std::string what, Handle session, std::uint64_t turn, std::string text,
            Done<BackendAnswer> done);
  Loop& loop_;
  BackendInfo info_;
};

class Recorder final : public Subscriber {
 public:
  bool change(const ChangePtr& change) override {
    if (slow) return false;
    changes.push_back(change);
    return true;
  }
  void ended(const Error& why) override { end = why; }
  // The log as a viewer has it after all changes: entry number → text; and whether anything was
  // doubled, lost or out of order.
  std::map<std::uint64_t, std::string> texts() const;
  std::vector<std::string> kinds() const;

  std::vector<ChangePtr> changes;
  std::optional<Error> end;
  bool slow = false;
};

// One host's life on a store; start() another on the same folder for a restart.
class World {
 public:
  World();
  ~World();
  void start();
  void kill();  // as kill -9: nothing more is written or answered

  // Runs the loop until `condition`, or fails the test after 10 s.
  void until(const std::function<bool()>& condition);
  template <class T>
  Result<T> wait(std::function<void(Done<T>)> call) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    call([answer](Result<T> result) { *answer = std::move(result); });
    until([&] { return answer->has_value(); });
    return answer->has_value() ? std::move(**answer) : fail(Errc::timeout, "no answer");
  }
  SessionView create(const Principal& who, const std::string& key = "");
  Result<SendAnswer> send(const std::string& id, const std::string& text, const std::string& key);
  std::vector<store::Entry> log(const std::string& id);
  std::vector<std::string> types(const std::string& id);

  Principal alice{"web", "", "alice", "Alice", "", false};
  std::filesystem::path folder;
  std::unique_ptr<Loop> loop;
  std::unique_ptr<LogSink> sink;
  std::unique_ptr<Logger> log_;
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<ScriptedBackend> backend;
  std::unique_ptr<Sessions> sessions;
  Limits limits;
  std::function<void()> before_recovery;  // when start() has everything in place
  // Set: a write for which it says so fails, as on a full disk.
  std::function<bool(const std::vector<store::Write>&)> disk_fails;
  // Set: from a write for which it says so on, the disk is busy, until release_writes.
  std::function<bool(const std::vector<store::Write>&)> disk_waits;
  std::vector<std::move_only_function<void()>> held_writes;
  void release_writes();
};

}  // namespace viaduct::sessions::testing
