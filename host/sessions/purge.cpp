#include "host/sessions/purge.hpp"

#include "host/sessions/discovery.hpp"
#include "host/sessions/within.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::sessions {
namespace {

constexpr std::chrono::seconds kBackendLimit{60};
constexpr std::uint32_t kPage = 100;

}  // namespace

Purge::Purge(std::shared_ptr<Shared> shared, Access access, PurgeQuery query,
             Done<PurgeAnswer> done)
    : shared_(std::move(shared)),
      access_(std::move(access)),
      query_(query),
      done_(std::move(done)) {
  answer_.dry_run = query.dry_run;
}

void Purge::begin() {
  next_page();
}

void Purge::next_page() {
  store::SessionQuery query;
  query.before = cursor_;
  query.limit = kPage;
  query.inactive_since = query_.inactive_since;
  shared_->store.sessions(std::move(query),
                          [self = shared_from_this()](Result<store::SessionPage> page) {
                            if (!page) return self->finish(std::unexpected(page.error()));
                            self->cursor_ = std::move(page->next);
                            self->page_ = std::move(page->sessions);
                            std::ranges::reverse(self->page_);
                            self->next();
                          });
}

void Purge::next() {
  if (shared_->stopping) return finish(fail(Errc::unavailable, "The host is stopping"));
  while (!page_.empty()) {
    store::Session record = std::move(page_.back());
    page_.pop_back();
    if (!access_.may_go(record.id, query_.inactive_since)) {
      ++answer_.in_use;
      continue;
    }
    const std::string id = record.id;
    return shared_->store.session_bytes(id, [self = shared_from_this(), record = std::move(record)](
                                                Result<std::uint64_t> bytes) mutable {
      if (!bytes) return self->finish(std::unexpected(bytes.error()));
      self->take(std::move(record), *bytes);
    });
  }
  if (cursor_.empty()) return finish({});
  next_page();
}

void Purge::take(store::Session record, std::uint64_t bytes) {
  if (query_.dry_run) return purged(record, bytes);
  if (!access_.may_go(record.id, query_.inactive_since)) {
    ++answer_.in_use;
    return next();
  }
  Backend* backend = shared_->backend(record.backend);
  if (!backend) {
    // It may keep something that only it can remove; one that is gone for good cannot.
    Error why = shared_->no_backend(record.backend);
    if (why.code != Errc::failed_precondition) return failed(record, std::move(why));
    access_.keep_out(record.id);
    return remove(std::move(record), bytes);
  }
  access_.keep_out(record.id);
  OpenRequest request{0, record.id, record.working_dir, record.native_id, "", record.options};
  backend->purge(std::move(request),
                 within<BackendAnswer>(
                     shared_->loop, kBackendLimit, "Removing what the backend keeps",
                     [self = shared_from_this(), record, bytes](Result<BackendAnswer> removed) {
                       if (!removed && removed.error().code != Errc::unsupported) {
                         self->access_.let_in(record.id, false);
                         return self->failed(record, removed.error());
                       }
                       self->remove(record, bytes);
                     }));
}

// From the store, for good.
void Purge::remove(store::Session record, std::uint64_t bytes) {
  const std::int64_t age_ms = (now() - record.last_active) / 1000;
  const std::string id = record.id;
  shared_->store.purge(
      id, store::AuditRecord{now(), id, "purged", purged_audit(record, age_ms, bytes)},
      [self = shared_from_this(), record = std::move(record), bytes, age_ms](Result<> gone) {
        self->access_.let_in(record.id, gone.has_value());
        if (!gone) return self->failed(record, gone.error());
        self->shared_->metrics.count("viaduct_sessions_purged_total",
                                     {{"backend", record.backend}});
        self->shared_->log.info("session purged session={} backend={} age_ms={}", record.id,
                                record.backend, age_ms);
        self->purged(record, bytes);
      });
}

void Purge::purged(const store::Session& record, std::uint64_t bytes) {
  ++answer_.count;
  answer_.bytes += bytes;
  if (answer_.sessions.size() < kPurgeListed) answer_.sessions.push_back({record, bytes});
  next();
}

void Purge::failed(const store::Session& record, Error error) {
  shared_->metrics.count("viaduct_purge_failures_total", {{"backend", record.backend}});
  shared_->log.warn("session not purged session={} backend={} reason={}", record.id, record.backend,
                    error.message);
  ++answer_.failed;
  if (answer_.failures.size() < kPurgeListed)
    answer_.failures.emplace_back(record.id, std::move(error));
  next();
}

void Purge::finish(Result<> result) {
  if (!result) return done_(std::unexpected(result.error()));
  done_(std::move(answer_));
}

}  // namespace viaduct::sessions
