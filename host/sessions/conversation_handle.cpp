// The handle of a conversation: how it is had at the backend, and had back.
#include "host/sessions/conversation.hpp"

#include "host/sessions/within.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <ranges>
#include <utility>

namespace viaduct::sessions {
namespace {

constexpr std::uint32_t kPage = 500;
constexpr std::size_t kPageBytes = 8 << 20;

}  // namespace

std::string expand_home(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  const char* home = std::getenv("HOME");
  return home ? home + path.substr(1) : path;
}

std::string folder_id(const std::string& working_dir) {
  struct stat found{};
  if (::stat(expand_home(working_dir).c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return "";
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
}

std::uint64_t Conversation::first_open_turn() const {
  if (running_) return running_->number;
  if (next_ && (queue_.empty() || next_->number < queue_.front()->number)) return next_->number;
  return queue_.empty() ? record_.last_turn + 1 : queue_.front()->number;
}

Backend* Conversation::backend() {
  return shared_.backend(record_.backend);
}

OpenRequest Conversation::open_request(Handle handle) const {
  return {handle, record_.id, record_.working_dir, record_.native_id, "", record_.options};
}

void Conversation::adopt(Handle handle, std::shared_ptr<Sink> sink) {
  handle_ = handle;
  sink_ = std::move(sink);
  shared_.route_handle(handle, weak_from_this());
  refuse_shared_native_id();
  take_events();
}

void Conversation::drop_handle(bool tell_backend, bool ended) {
  shares_native_id_ = false;
  if (handle_ == 0) return;
  const Handle handle = std::exchange(handle_, 0);
  shared_.sinks->close(handle);
  shared_.forget_handle(handle);
  sink_ = nullptr;
  if (Backend* held_by = tell_backend ? backend() : nullptr)
    held_by->close(handle, ended, [](Result<BackendAnswer>) {});
}

std::string Conversation::working_dir_refusal() const {
  if (record_.folder_id.empty()) return "";
  const std::string present = folder_id(record_.working_dir);
  if (present.empty()) return "the working folder " + record_.working_dir + " is gone";
  if (present != record_.folder_id)
    return "the working folder " + record_.working_dir + " is not the one it was";
  return "";
}

// ---------------------------------------------------------------- the ladder

struct Conversation::Climb {
  Ladder ladder;
  boost::asio::steady_timer timer;
  std::chrono::steady_clock::time_point began;
  std::int64_t native_age_ms;
};

void Conversation::climb(Done<std::string> done) {
  climbers_.push_back(std::move(done));
  if (std::exchange(climbing_, true)) return;
  find_rival([self = shared_from_this()](Result<std::string> rival) { self->begin_climb(rival); });
}

void Conversation::begin_climb(const Result<std::string>& rival) {
  Ladder::Facts facts;
  std::int64_t age_ms = record_.native_at == 0 ? 0 : (now() - record_.native_at) / 1000;
  if (Backend* from = backend()) {
    const BackendInfo& info = from->info();
    facts.policy = info.policy;
    facts.can_restore = info.can & VIADUCT_CAN_RESTORE;
    facts.has_native = !record_.native_id.empty();
    const auto refuse = [&](std::string why, const char* cause) {
      facts.native_refused = std::move(why);
      facts.refused_cause = cause;
    };
    if (record_.agent_type != info.agent_type)
      refuse("its id belongs to another agent (" + record_.agent_type + ")", "other_agent");
    else if (!rival)
      refuse(rival.error().message, "store");
    else if (!rival->empty())
      refuse("another session was told the same id", "shared");
    else if (record_.native_dead)
      refuse("its id was given up after repeated failures, or since another session had it",
             "given_up");
    else if (info.policy.native_max_age.count() > 0 && age_ms > info.policy.native_max_age.count())
      refuse("its id has expired", "expired");
    else
      refuse(working_dir_refusal(), "folder");
  }
  facts.has_transcript = first_open_turn() > 1;
  facts.failures = record_.failures;
  auto climb = std::make_shared<Climb>(Climb{Ladder(std::move(facts)),
                                             boost::asio::steady_timer(shared_.loop.context()),
                                             std::chrono::steady_clock::now(), age_ms});
  climb_step(climb, climb->ladder.begin());
}

void Conversation::climb_step(std::shared_ptr<Climb> climb, Ladder::Action action) {
  const auto self = shared_from_this();
  if (action.step == Ladder::Step::fail) return climb_failed(climb, std::move(action.error));
  if (action.step == Ladder::Step::wait) {
    climb->timer.expires_after(action.wait);
    climb->timer.async_wait([self, climb](boost::system::error_code) {
      self->climb_step(climb, climb->ladder.again());
    });
    return;
  }
  Backend* from = backend();
  if (!from)
    return climb_failed(climb, {Errc::unavailable, shared_.no_backend(record_.backend).message});

  opening_ = shared_.next_handle++;
  sink_ = shared_.sinks->open(opening_);
  shared_.route_handle(opening_, weak_from_this());
  auto answered = within<BackendAnswer>(
      shared_.loop, kOpenLimit, "Restoring the session",
      [self, climb](Result<BackendAnswer> answer) {
        if (answer) return self->climb_held(climb, std::move(*answer));
        const Handle failed = std::exchange(self->opening_, 0);
        self->shared_.sinks->close(failed);
        self->shared_.forget_handle(failed);
        self->sink_ = nullptr;
        // A backend that answers too late would hold a session that nobody knows of.
        if (Backend* late = self->backend(); late && answer.error().code == Errc::timeout)
          late->close(failed, false, [](Result<BackendAnswer>) {});
        self->shared_.log.warn("session not had back session={} rung={} code={} reason={}",
                               self->record_.id, climb->ladder.rung(), name(answer.error().code),
                               answer.error().message);
        self->climb_step(climb, climb->ladder.failed(answer.error()));
      });

  OpenRequest request = open_request(opening_);
  const bool keeps_log = first_open_turn() > 1 && from->info().can & VIADUCT_KEEPS_LOG;
  if (action.step == Ladder::Step::restore) {
    if (keeps_log)
      return with_transcript(std::move(request), std::move(answered), &Backend::restore);
    return from->restore(std::move(request), std::move(answered));
  }
  request.native_id.clear();
  // Where it can take no transcript, that goes in with the next prompt.
  if (action.step == Ladder::Step::open || !(from->info().can & VIADUCT_CAN_INJECT)) {
    if (keeps_log) return with_transcript(std::move(request), std::move(answered), &Backend::open);
    return from->open(std::move(request), std::move(answered));
  }
  with_transcript(std::move(request), std::move(answered), &Backend::inject);
}

void Conversation::with_transcript(OpenRequest request, Done<BackendAnswer> done,
                                   void (Backend::*ask)(OpenRequest, Done<BackendAnswer>)) {
  said_before([self = shared_from_this(), request = std::move(request), done = std::move(done),
               ask](Result<std::vector<store::Entry>> entries) mutable {
    if (!entries) return done(std::unexpected(entries.error()));
    Backend* to = self->backend();
    if (!to) return done(fail(Errc::unavailable, "the backend is not running"));
    request.transcript = transcript(*entries);
    (to->*ask)(std::move(request), std::move(done));
  });
}

void Conversation::measure_climb(const Climb& climb, std::string outcome,
                                 std::chrono::milliseconds took) {
  const std::string rung = climb.ladder.rung();
  shared_.metrics.count("viaduct_resumes_total", {{"backend", record_.backend},
                                                  {"rung", rung},
                                                  {"outcome", outcome},
                                                  {"reason", climb.ladder.cause()}});
  shared_.metrics.observe("viaduct_resume_seconds", {{"backend", record_.backend}, {"rung", rung}},
                          static_cast<double>(took.count()) / 1000);
  // Since the native id was last used, where there is one.
  if (climb.native_age_ms > 0)
    shared_.metrics.observe("viaduct_resume_age_seconds",
                            {{"backend", record_.backend}, {"rung", rung}},
                            static_cast<double>(climb.native_age_ms) / 1000);
}

void Conversation::climb_held(std::shared_ptr<Climb> climb, BackendAnswer answer) {
  run([self = shared_from_this(), climb, answer = std::move(answer)]() mutable {
    Backend* held_by = self->backend();
    self->handle_ = std::exchange(self->opening_, 0);
    store::Session& record = self->record_;
    const Ladder& ladder = climb->ladder;
    const std::string rung = ladder.rung();
    if (rung == "native" && record.native_dead) {  // given up meanwhile
      self->drop_handle(true, false);
      return self->climb_step(
          climb, climb->ladder.failed({Errc::not_found, "another session was told the same id"}));
    }
    if (rung != "native") {
      record.native_dead = false;
      self->checked_native_id_.clear();
      if (answer.native_id.empty()) record.previous_native_id = std::exchange(record.native_id, "");
    }
    self->set_native_id(answer.native_id);
    if (held_by) record.agent_type = held_by->info().agent_type;
    record.failures = 0;
    // A native session that was begun to be given it may be had back before it was.
    if (rung != "native")
      record.context_pending =
          rung == "transcript" && held_by && !(held_by->info().can & VIADUCT_CAN_INJECT);
    self->record_dirty_ = true;

    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - climb->began);
    std::uint64_t told = 0;
    if (rung == "transcript" || ladder.lost_context()) {
      store::Entry entry = self->next_entry("context_restored", 0);
      entry.text =
          rung == "transcript"
              ? "The agent was given the conversation so far: " + ladder.reason()
              : "The agent starts afresh and knows nothing of the conversation: " + ladder.reason();
      entry.data = context_restored_data(rung, ladder.reason());
      told = entry.number;
      self->add(std::move(entry));
    }
    self->measure_climb(*climb, "ok", took);
    self->shared_.log.info("session had back session={} rung={} ms={}", record.id, rung,
                           took.count());
    self->commit({store::AddAudit{{now(), record.id, "resume",
                                   resume_audit(rung, "ok", ladder.reason(), took.count(),
                                                climb->native_age_ms)}}},
                 [self, rung, told](Result<>) {
                   if (LogEntry* item = self->find(told)) self->publish_entry(item->entry);
                   self->climbing_ = false;
                   for (auto& done : std::exchange(self->climbers_, {})) done(rung);
                   // It was ended meanwhile, and nobody wants it back: not by a resume.
                   self->run([self] {
                     if (self->record_.ended) self->drop_handle(true, true);
                   });
                 });
  });
}

void Conversation::climb_failed(std::shared_ptr<Climb> climb, Error error) {
  run([self = shared_from_this(), climb, error = std::move(error)]() mutable {
    store::Session& record = self->record_;
    record.failures = climb->ladder.failures();
    record.native_dead = record.native_dead || climb->ladder.native_given_up();
    self->record_dirty_ = true;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - climb->began);
    self->measure_climb(*climb, std::string(name(error.code)), took);
    self->commit(
        {store::AddAudit{{now(), record.id, "resume",
                          resume_audit(climb->ladder.rung(), name(error.code), error.message,
                                       took.count(), climb->native_age_ms)}}},
        [self, error](Result<>) {
          self->climbing_ = false;
          for (auto& done : std::exchange(self->climbers_, {})) done(std::unexpected(error));
        });
  });
}

void Conversation::whole_log(std::uint64_t before, std::vector<store::Entry> found,
                             std::size_t contents, Done<std::vector<store::Entry>> done) {
  shared_.store.entries(record_.id, before, kPage, kPageBytes,
                        [self = shared_from_this(), found = std::move(found), contents,
                         done = std::move(done)](Result<store::EntryPage> page) mutable {
                          if (!page) return done(std::unexpected(page.error()));
                          std::vector<store::Entry>& entries = page->entries;
                          const std::uint64_t first = entries.empty() ? 0 : entries.front().number;
                          for (store::Entry& entry : std::views::reverse(entries)) {
                            if (entry.type == "content" && entry.data.size() > contents)
                              as_words(entry);
                            else if (entry.type == "content")
                              contents -= entry.data.size();
                            found.push_back(std::move(entry));
                          }
                          if (page->more && first > 1)
                            return self->whole_log(first, std::move(found), contents,
                                                   std::move(done));
                          std::ranges::reverse(found);
                          done(std::move(found));
                        });
}

void Conversation::said_before(Done<std::vector<store::Entry>> done) {
  whole_log(0, {}, 0,
            [open = first_open_turn(),
             done = std::move(done)](Result<std::vector<store::Entry>> entries) mutable {
              if (entries)
                std::erase_if(*entries,
                              [open](const store::Entry& entry) { return entry.turn >= open; });
              done(std::move(entries));
            });
}

void Conversation::resume(Done<ResumeAnswer> done) {
  const auto self = shared_from_this();
  Backend* from = backend();
  if (!from)
    return done(fail(
        Errc::failed_precondition,
        "The backend " + record_.backend + " of this session is not configured or not running"));
  auto finish = [self, done = std::move(done)](Result<std::string> rung) mutable {
    if (!rung) return done(std::unexpected(rung.error()));
    self->run([self, rung = *rung, done = std::move(done)]() mutable {
      if (!self->record_.ended) return done(ResumeAnswer{self->view(), rung});
      self->record_.ended = false;
      self->record_dirty_ = true;
      self->commit({store::AddAudit{{now(), self->record_.id, "revived", "{}"}}},
                   [self, rung, done = std::move(done)](Result<> result) mutable {
                     if (!result) {
                       self->record_.ended = true;
                       return done(std::unexpected(result.error()));
                     }
                     self->publish_state();
                     done(ResumeAnswer{self->view(), rung});
                   });
    });
  };
  if (handle_ == 0) return climb(std::move(finish));

  const Handle asked = handle_;
  from->resumed(
      open_request(handle_),
      within<BackendAnswer>(
          shared_.loop, kOpenLimit, "Asking the backend for the session",
          [self, asked, finish = std::move(finish)](Result<BackendAnswer> answer) mutable {
            if (answer || answer.error().code == Errc::unsupported) {
              return self->run([self, id = answer ? answer->native_id : "",
                                finish = std::move(finish)]() mutable {
                self->set_native_id(id);
                self->commit({}, [finish = std::move(finish)](Result<>) mutable {
                  finish(std::string("live"));
                });
              });
            }
            if (is_transient(answer.error().code)) return finish(std::unexpected(answer.error()));
            if (self->handle_ != 0 && self->handle_ != asked)  // had back meanwhile
              return finish(std::string("live"));
            self->drop_handle(false, false);
            self->climb(std::move(finish));
          }));
}

}  // namespace viaduct::sessions
