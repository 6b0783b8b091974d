// viaduct.sessions/1: conversations, for surfaces. JSON as in SESSION-JSON.md. Any thread; answers
// and changes come on the plugin's thread.
#pragma once

#include "viaduct/sdk/host.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace viaduct::sdk {

// One message of a person; borrowed during the call.
struct Message {
  std::string_view key;  // idempotency key, unique in the session: the same key twice is one turn
  std::string_view text;
  std::string_view blocks_json = {};   // further ACP content blocks, a JSON array, or empty
  std::string_view context_json = {};  // what others said around it, or empty
};

// A place in a session's log. All zero: from the beginning, as a new viewer.
struct Cursor {
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
};

enum class ChangeKind : std::uint32_t {
  kState = VIADUCT_CHANGE_STATE,
  kReset = VIADUCT_CHANGE_RESET,
  kEntry = VIADUCT_CHANGE_ENTRY,
  kDelta = VIADUCT_CHANGE_DELTA,
  kLive = VIADUCT_CHANGE_LIVE,
};

// Valid until Subscriber::change returns. Ignore a kind that is not named above.
struct Change {
  ChangeKind kind;
  Cursor cursor;         // subscribe from here to go on after this change
  std::uint64_t entry;   // its number in the log, else 0
  std::uint64_t offset;  // kDelta: the byte of the entry's text at which `text` begins
  std::string_view text;
  std::string_view json;  // the whole change
};

// Who hears the changes of one session. On the plugin's thread.
class Subscriber {
 public:
  Subscriber() = default;
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;
  virtual ~Subscriber() = default;
  // kOk; or kBusy: not taken, and the same change comes again after Subscription::proceed.
  virtual Flow change(const Change& change) = 0;
  // The host has ended the subscription: kBusy when this was too slow (subscribe again from the
  // last cursor). Not called after Subscription has been let go.
  virtual void unsubscribed(const Status& why) { (void)why; }
};

// Holds a subscription; letting go of it unsubscribes. Any thread, one at a time.
class Subscription {
 public:
  Subscription() = default;
  Subscription(std::shared_ptr<detail::Core> core, const viaduct_sessions* table, std::uint64_t id)
      : core_(std::move(core)), table_(table), id_(id) {}
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&& other) noexcept {
    if (this == &other) return *this;
    reset();
    core_ = std::move(other.core_);
    table_ = other.table_;
    id_ = other.id_;
    return *this;
  }
  ~Subscription() { reset(); }

  explicit operator bool() const { return core_ != nullptr; }

  // After change() answered kBusy: send on.
  void proceed() const {
    if (core_) core_->with_host([&](const viaduct_host* host) { table_->proceed(host, id_); });
  }
  void reset() {
    const auto core = std::exchange(core_, nullptr);
    if (!core || !core->remove_subscriber(id_)) return;  // ended already
    core->with_host([&](const viaduct_host* host) { table_->unsubscribe(host, id_); });
  }

 private:
  std::shared_ptr<detail::Core> core_;
  const viaduct_sessions* table_ = nullptr;
  std::uint64_t id_ = 0;
};

// Results are JSON as abi.h says.
class Sessions : public detail::Service<viaduct_sessions> {
 public:
  explicit Sessions(const Host& host) : Service(host, VIADUCT_SESSIONS) {}

  // `options`: {"backend"?,"working_dir"?="~","description"?,"key"?} → SESSION
  void create(const Principal& who, std::string_view options_json, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::create, detail::str(options_json));
  }
  // → {"turn","duplicate"} as soon as the message is on disk.
  void send(const Principal& who, std::string_view session, const Message& message,
            Callback done) const {
    const viaduct_message raw = borrow(message);
    with(who, std::move(done), &viaduct_sessions::send, detail::str(session), &raw);
  }
  // → {"turn","stop_reason","text"} at the turn's end.
  void ask(const Principal& who, std::string_view session, const Message& message,
           Callback done) const {
    const viaduct_message raw = borrow(message);
    with(who, std::move(done), &viaduct_sessions::ask, detail::str(session), &raw);
  }
  // 0: the running turn and all that wait.
  void cancel(const Principal& who, std::string_view session, std::uint64_t turn,
              Callback done) const {
    with(who, std::move(done), &viaduct_sessions::cancel, detail::str(session), turn);
  }
  // Answers the permission request that is entry number `entry`.
  void answer(const Principal& who, std::string_view session, std::uint64_t entry,
              std::string_view option_id, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::answer, detail::str(session), entry,
         detail::str(option_id));
  }
  // → SESSION and "context"
  void resume(const Principal& who, std::string_view session, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::resume, detail::str(session));
  }
  void end(const Principal& who, std::string_view session, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::end, detail::str(session));
  }
  // `query`: {"limit"?,"before"?,"active"?} → {"sessions","next"}
  void list(const Principal& who, std::string_view query_json, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::list, detail::str(query_json));
  }
  void get(const Principal& who, std::string_view session, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::get, detail::str(session));
  }
  // Entries below number `before` (0: the newest) → {"entries","more"}
  void history(const Principal& who, std::string_view session, std::uint64_t before,
               std::uint32_t limit, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::history, detail::str(session), before, limit);
  }
  void rename(const Principal& who, std::string_view session, std::string_view title,
              Callback done) const {
    with(who, std::move(done), &viaduct_sessions::rename, detail::str(session), detail::str(title));
  }
  void compact(const Principal& who, std::string_view session, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::compact, detail::str(session));
  }
  void fork(const Principal& who, std::string_view session, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::fork, detail::str(session));
  }
  void set_option(const Principal& who, std::string_view session, std::string_view option_id,
                  std::string_view value, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::set_option, detail::str(session),
         detail::str(option_id), detail::str(value));
  }

  // For an operator. Sessions that other programs left on this machine; `query`:
  // {"backend"?,"limit"?=50} → {"sessions","left_out","failures"}
  void discover(const Principal& who, std::string_view query_json, Callback done) const {
    with(who, std::move(done), &viaduct_sessions::discover, detail::str(query_json));
  }
  // Makes one of them a session of `who`, by its native id or the beginning of it, and resumes it;
  // `backend`: whose, or empty → {"session","from","context","error"}
  void adopt(const Principal& who, std::string_view native_id, std::string_view backend,
             Callback done) const {
    with(who, std::move(done), &viaduct_sessions::adopt, detail::str(native_id),
         detail::str(backend));
  }

  // `done` comes before the first change. Keep what this returns: letting go of it unsubscribes.
  // When `done` says that it failed, the subscriber has been let go.
  [[nodiscard]] Subscription subscribe(const Principal& who, std::string_view session,
                                       Cursor cursor, std::shared_ptr<Subscriber> subscriber,
                                       Callback done) const {
    const std::uint64_t id = core_->add_subscriber(std::move(subscriber));
    const viaduct_cursor from{cursor.epoch, cursor.seq};
    with(
        who,
        [core = core_.get(), id, callback = std::move(done)](Answer answer) mutable {
          if (!answer.ok()) core->remove_subscriber(id);
          if (callback) callback(std::move(answer));
        },
        &viaduct_sessions::subscribe, detail::str(session), id, &from);
    return id == 0 ? Subscription() : Subscription(core_, table_, id);
  }

 private:
  static viaduct_message borrow(const Message& message) {
    return viaduct_message{sizeof(viaduct_message),          0,
                           detail::str(message.key),         detail::str(message.text),
                           detail::str(message.blocks_json), detail::str(message.context_json)};
  }
  template <class Member, class... Args>
  void with(const Principal& who, Callback done, Member member, const Args&... args) const {
    const viaduct_principal principal = detail::principal(who);
    Service::ask(std::move(done), [&](auto* table, auto* host, auto call) {
      (table->*member)(host, call, &principal, args...);
    });
  }
};

}  // namespace viaduct::sdk
