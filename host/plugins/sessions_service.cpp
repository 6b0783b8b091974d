#include "host/plugins/sessions_service.hpp"

#include "host/plugins/abi_text.hpp"
#include "host/plugins/plugin_call.hpp"
#include "host/plugins/service_tables.hpp"
#include "host/sessions/sessions_json.hpp"

#include <fmt/format.h>

namespace viaduct::plugins {

// ---------------------------------------------------------------- Subscription

namespace {

// Changes given to the plugin before its other calls have their turn.
constexpr std::size_t kAtOnce = 256;

std::size_t weight(const sessions::Change& change) {
  return change.json.size() + change.text.size() + sizeof change;
}

}  // namespace

void Subscription::subscribed(sessions::SubscriptionId id) {
  bool closed = false;
  {
    const std::lock_guard lock(mutex_);
    closed = closed_;
  }
  service_id_ = id;
  held_ = shared_from_this();
  // Unsubscribed meanwhile. Not here: the service is in the middle of subscribing.
  if (closed)
    instance_->services().loop.post([self = shared_from_this()] { self->leave_service(); });
}

// Called when the plugin, or the instance's end, is what ends it.
void Subscription::leave_service() {
  if (const auto id = std::exchange(service_id_, 0); id != 0)
    instance_->services().sessions.unsubscribe(id);
  // What calls this may be running inside of *this.
  instance_->services().loop.post([last = std::move(held_)] {});
}

bool Subscription::change(const sessions::ChangePtr& change) {
  const std::lock_guard lock(mutex_);
  if (closed_) {  // the unsubscribe is on its way to the loop
    service_id_ = 0;
    instance_->services().loop.post([last = std::move(held_)] {});
    return false;
  }
  const std::size_t live = queue_.size() - replayed_;
  if (live_ && live > 0 && (live >= kMaxChanges || live_bytes_ + weight(*change) > kMaxBytes)) {
    queue_.clear();
    replayed_ = 0;
    blocked_ = false;
    end_ = Error{Errc::busy, "the subscriber is too slow: subscribe again from the last cursor"};
    schedule();
    service_id_ = 0;
    instance_->services().loop.post([last = std::move(held_)] {});
    return false;
  }
  queue_.push_back(change);
  if (live_)
    live_bytes_ += weight(*change);
  else
    ++replayed_;
  if (change->kind == sessions::ChangeKind::live) live_ = true;
  if (!blocked_) schedule();
  return true;
}

void Subscription::ended(const Error& why) {
  service_id_ = 0;
  instance_->services().loop.post([last = std::move(held_)] {});
  const std::lock_guard lock(mutex_);
  if (closed_ || end_) return;
  end_ = why;
  if (blocked_) {  // it may never go on
    queue_.clear();
    replayed_ = 0;
    blocked_ = false;
  }
  schedule();
}

void Subscription::drop() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    queue_.clear();
    replayed_ = 0;
  }
  leave_service();
}

void Subscription::unsubscribe() {
  instance_->remove_subscription(id_, this);
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    queue_.clear();
    replayed_ = 0;
  }
  instance_->services().loop.post([self = shared_from_this()] { self->leave_service(); });
}

void Subscription::proceed() {
  const std::lock_guard lock(mutex_);
  proceed_ = true;
  if (!blocked_) return;
  blocked_ = false;
  schedule();
}

void Subscription::schedule() {
  if (scheduled_ || closed_) return;
  scheduled_ = true;
  instance_->dispatch("change", [self = shared_from_this()] { self->drain(); });
}

void Subscription::drain() {
  const viaduct_subscriber& subscriber = *instance_->tables().subscriber;
  for (std::size_t given = 0;; ++given) {
    sessions::ChangePtr change;
    std::optional<Error> end;
    {
      const std::lock_guard lock(mutex_);
      const bool nothing = closed_ || blocked_ || (queue_.empty() && !end_);
      if (nothing || given == kAtOnce) {
        scheduled_ = false;
        if (!nothing) schedule();
        return;
      }
      if (queue_.empty()) {
        end = std::move(end_);
        closed_ = true;
        scheduled_ = false;
      } else {
        change = queue_.front();
        proceed_ = false;
      }
    }
    if (end) {
      instance_->remove_subscription(id_, this);  // before: it may use the id again at once
      const viaduct_status status = to_abi(*end);
      may_throw(subscriber.unsubscribed)(instance_->self(), id_, &status);
      return;
    }
    const viaduct_change raw{.struct_size = sizeof raw,
                             .kind = static_cast<std::uint32_t>(change->kind),
                             .cursor = {change->cursor.epoch, change->cursor.seq},
                             .entry = change->entry,
                             .offset = change->offset,
                             .text = str(change->text),
                             .json = str(change->json)};
    viaduct_flow flow = VIADUCT_FLOW_OK;  // what makes it throw is not shown again
    try {
      flow = may_throw(subscriber.change)(instance_->self(), id_, &raw);
    } catch (...) {
      instance_->fault(exception_error("change").message);
    }
    const std::lock_guard lock(mutex_);
    if (queue_.empty() || queue_.front() != change) continue;  // dropped meanwhile
    if (flow == VIADUCT_FLOW_BUSY) {
      if (!std::exchange(proceed_, false)) {
        blocked_ = true;
        if (end_) {  // as in ended()
          queue_.clear();
          replayed_ = 0;
          blocked_ = false;
        }
      }
      given = kAtOnce - 1;  // not again at once: let others have their turn
      continue;
    }
    queue_.pop_front();
    if (replayed_ > 0)
      --replayed_;
    else
      live_bytes_ -= weight(*change);
  }
}

// ---------------------------------------------------------------- the service

namespace {

using sessions::SessionView;

constexpr std::size_t kMaxOptions = 64 << 10;

Done<SessionView> session_json(Done<std::string> done) {
  return as_json<SessionView>(std::move(done),
                              [](const SessionView& view) { return sessions::to_json(view); });
}

std::string session_text(PluginCall& in, viaduct_str session_id) {
  std::string id = in.text(session_id, "session_id");
  in.require(!id.empty(), "session_id is empty");
  return id;
}

void sessions_create(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str options_json) noexcept {
  PluginCall in(host, call, "sessions.create");
  Principal principal = in.principal(who);
  const std::string json = in.text(options_json, "options");
  in.require(json.size() <= kMaxOptions, "options are longer than 64 KiB");
  if (!in) return;
  auto options = sessions::parse_create_options(json);
  if (!options) {
    in.require(false, options.error().message);
    return;
  }
  in.on_loop([principal = std::move(principal), options = std::move(*options)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.create(std::move(principal), std::move(options),
                                 session_json(std::move(done)));
  });
}

sessions::Message message_of(PluginCall& in, const viaduct_message* raw) {
  sessions::Message message;
  const bool there =
      raw != nullptr && raw->struct_size >= VIADUCT_SIZE_WITH(viaduct_message, context_json);
  in.require(there, "the message is null or too short");
  if (!there) return message;
  message.key = in.text(raw->key, "key");
  message.text = in.text(raw->text, "text");
  message.blocks = in.json_array(raw->blocks_json, "blocks");
  message.context = in.json_array(raw->context_json, "context");
  in.require(!message.text.empty() || !message.blocks.empty(), "the message is empty");
  return message;
}

void sessions_send(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                   viaduct_str session_id, const viaduct_message* raw) noexcept {
  PluginCall in(host, call, "sessions.send");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  sessions::Message message = message_of(in, raw);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session),
              message = std::move(message)](Instance& i, Done<std::string> done) mutable {
    i.services().sessions.send(
        std::move(principal), std::move(session), std::move(message),
        as_json<sessions::SendAnswer>(
            std::move(done), [](const auto& answer) { return sessions::to_json(answer); }));
  });
}

void sessions_ask(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                  viaduct_str session_id, const viaduct_message* raw) noexcept {
  PluginCall in(host, call, "sessions.ask", /*waits=*/true);
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  sessions::Message message = message_of(in, raw);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session),
              message = std::move(message)](Instance& i, Done<std::string> done) mutable {
    i.services().sessions.ask(std::move(principal), std::move(session), std::move(message),
                              as_json<sessions::AskAnswer>(std::move(done), [](const auto& answer) {
                                return sessions::to_json(answer);
                              }));
  });
}

void sessions_cancel(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str session_id, std::uint64_t turn) noexcept {
  PluginCall in(host, call, "sessions.cancel");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session), turn](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.cancel(std::move(principal), std::move(session), turn,
                                 as_text(std::move(done)));
  });
}

void sessions_answer(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str session_id, std::uint64_t entry, viaduct_str option_id) noexcept {
  PluginCall in(host, call, "sessions.answer");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  std::string option = in.text(option_id, "option_id");
  in.require(!option.empty(), "option_id is empty");
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session), entry,
              option = std::move(option)](Instance& i, Done<std::string> done) mutable {
    i.services().sessions.answer(
        std::move(principal), std::move(session), entry, std::move(option),
        as_json<sessions::PermissionAnswer>(
            std::move(done), [](const auto& answer) { return sessions::to_json(answer); }));
  });
}

void sessions_resume(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str session_id) noexcept {
  PluginCall in(host, call, "sessions.resume", /*waits=*/true);
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.resume(
        std::move(principal), std::move(session),
        as_json<sessions::ResumeAnswer>(
            std::move(done), [](const auto& answer) { return sessions::to_json(answer); }));
  });
}

void sessions_end(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                  viaduct_str session_id) noexcept {
  PluginCall in(host, call, "sessions.end");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.end(std::move(principal), std::move(session),
                              as_text(std::move(done), R"({"ended":true})"));
  });
}

void sessions_list(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                   viaduct_str query_json) noexcept {
  PluginCall in(host, call, "sessions.list");
  Principal principal = in.principal(who);
  const std::string json = in.text(query_json, "query");
  in.require(json.size() <= kMaxOptions, "the query is longer than 64 KiB");
  if (!in) return;
  auto query = sessions::parse_list_query(json);
  if (!query) {
    in.require(false, query.error().message);
    return;
  }
  in.on_loop([principal = std::move(principal), query = std::move(*query)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.list(
        std::move(principal), std::move(query),
        as_json<sessions::ListAnswer>(
            std::move(done), [](const auto& answer) { return sessions::to_json(answer); }));
  });
}

void sessions_get(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                  viaduct_str session_id) noexcept {
  PluginCall in(host, call, "sessions.get");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.get(std::move(principal), std::move(session),
                              session_json(std::move(done)));
  });
}

void sessions_history(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                      viaduct_str session_id, std::uint64_t before, std::uint32_t limit) noexcept {
  PluginCall in(host, call, "sessions.history");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  in.require(limit >= 1 && limit <= 500, "limit is from 1 to 500");
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session), before, limit](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.history(
        std::move(principal), std::move(session), before, limit,
        as_json<sessions::HistoryAnswer>(
            std::move(done), [](const auto& answer) { return sessions::to_json(answer); }));
  });
}

void sessions_rename(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str session_id, viaduct_str title) noexcept {
  PluginCall in(host, call, "sessions.rename");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  std::string text = in.text(title, "title");
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session),
              text = std::move(text)](Instance& i, Done<std::string> done) mutable {
    i.services().sessions.rename(std::move(principal), std::move(session), std::move(text),
                                 session_json(std::move(done)));
  });
}

void sessions_compact(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                      viaduct_str session_id) noexcept {
  PluginCall in(host, call, "sessions.compact", /*waits=*/true);
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.compact(std::move(principal), std::move(session),
                                  as_text(std::move(done)));
  });
}

void sessions_fork(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                   viaduct_str session_id) noexcept {
  PluginCall in(host, call, "sessions.fork", /*waits=*/true);
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.fork(std::move(principal), std::move(session),
                               session_json(std::move(done)));
  });
}

void sessions_set_option(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                         viaduct_str session_id, viaduct_str option_id,
                         viaduct_str value) noexcept {
  PluginCall in(host, call, "sessions.set_option");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  std::string option = in.text(option_id, "option_id");
  std::string text = in.text(value, "value");
  in.require(!option.empty(), "option_id is empty");
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session),
              option = std::move(option),
              text = std::move(text)](Instance& i, Done<std::string> done) mutable {
    i.services().sessions.set_option(std::move(principal), std::move(session), std::move(option),
                                     std::move(text), std::move(done));
  });
}

void sessions_subscribe(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                        viaduct_str session_id, std::uint64_t id,
                        const viaduct_cursor* raw) noexcept {
  PluginCall in(host, call, "sessions.subscribe");
  Principal principal = in.principal(who);
  std::string session = session_text(in, session_id);
  if (!in) return;
  in.require(in.instance().tables().subscriber != nullptr,
             "the plugin does not offer " VIADUCT_SUBSCRIBER);
  sessions::Cursor cursor;
  if (raw != nullptr) cursor = {raw->epoch, raw->seq};
  if (!in) return;
  auto subscription = std::make_shared<Subscription>(in.instance().shared_from_this(), id);
  // At once, so that an unsubscribe that follows on the heels finds it.
  in.require(in.instance().add_subscription(id, subscription),
             fmt::format("subscription {} is there already", id));
  if (!in) return;
  in.on_loop([principal = std::move(principal), session = std::move(session), cursor, id,
              subscription](Instance& i, Done<std::string> done) mutable {
    Subscription& subscriber = *subscription;
    i.services().sessions.subscribe(
        std::move(principal), std::move(session), cursor, subscriber,
        [self = i.shared_from_this(), id, subscription = std::move(subscription),
         done = std::move(done)](Result<sessions::SubscriptionId> result) mutable {
          if (!result) {
            self->remove_subscription(id, subscription.get());
            done(std::unexpected(std::move(result.error())));
            return;
          }
          done({});  // before the first change
          subscription->subscribed(*result);
        });
  });
}

void sessions_unsubscribe(const viaduct_host* host, std::uint64_t id) noexcept {
  const HostCall in(host, "sessions.unsubscribe");
  if (!in) return;
  if (const auto subscription = in->subscription(id)) subscription->unsubscribe();
}

void sessions_proceed(const viaduct_host* host, std::uint64_t id) noexcept {
  const HostCall in(host, "sessions.proceed");
  if (!in) return;
  if (const auto subscription = in->subscription(id)) subscription->proceed();
}

void sessions_discover(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                       viaduct_str query_json) noexcept {
  PluginCall in(host, call, "sessions.discover");
  Principal principal = in.principal(who);
  const std::string text = in.text(query_json, "the query");
  if (!in) return;
  auto query = sessions::parse_discover_query(text);
  in.require(query.has_value(), query ? "" : query.error().message);
  if (!in) return;
  in.on_loop([principal = std::move(principal), query = std::move(*query)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.discover(
        std::move(principal), std::move(query),
        as_json<sessions::DiscoverAnswer>(
            std::move(done), [](const auto& answer) { return sessions::to_json(answer); }));
  });
}

void sessions_adopt(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                    viaduct_str native_id, viaduct_str raw_backend) noexcept {
  PluginCall in(host, call, "sessions.adopt", /*waits=*/true);
  Principal principal = in.principal(who);
  std::string id = in.text(native_id, "native_id");
  std::string backend = in.text(raw_backend, "backend");
  in.require(!id.empty(), "native_id is empty");
  if (!in) return;
  in.on_loop([principal = std::move(principal), id = std::move(id), backend = std::move(backend)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().sessions.adopt(
        std::move(principal), std::move(id), std::move(backend),
        as_json<sessions::AdoptAnswer>(
            std::move(done), [](const auto& answer) { return sessions::to_json(answer); }));
  });
}

constexpr viaduct_sessions kSessions{sizeof(viaduct_sessions),
                                     0,
                                     sessions_create,
                                     sessions_send,
                                     sessions_ask,
                                     sessions_cancel,
                                     sessions_answer,
                                     sessions_resume,
                                     sessions_end,
                                     sessions_list,
                                     sessions_get,
                                     sessions_history,
                                     sessions_rename,
                                     sessions_compact,
                                     sessions_fork,
                                     sessions_set_option,
                                     sessions_subscribe,
                                     sessions_unsubscribe,
                                     sessions_proceed,
                                     sessions_discover,
                                     sessions_adopt};

}  // namespace

const viaduct_sessions& sessions_table() {
  return kSessions;
}

}  // namespace viaduct::plugins
