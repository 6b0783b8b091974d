#include "host/store/sqlite_mail.hpp"

#include "host/store/outbox.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::store {
namespace {

constexpr Micros kKnown = 49LL * 3600 * 1'000'000;
constexpr int kLookEvery = 1024;

}  // namespace

Result<std::unique_ptr<SqliteMail>> SqliteMail::make(Loop& loop, Database& writer,
                                                     const Logger& log) {
  std::unique_ptr<SqliteMail> mail(new SqliteMail(loop, writer, log));
  if (auto begun = mail->inbox_.begin(); !begun) return std::unexpected(begun.error());
  return mail;
}

void SqliteMail::open(std::uint64_t epoch, Push push) {
  epoch_ = epoch;
  push_ = std::move(push);
}

// ---------------------------------------------------------------- inbox

void SqliteMail::receive(std::string space, std::vector<std::string> keys, std::string payload,
                         Micros at, Done<bool> done) {
  change<bool>(
      [this, space = std::move(space), keys = std::move(keys), payload = std::move(payload),
       at](Database&) { return inbox_.receive(space, keys, payload, at); },
      std::move(done));
  if (++received_ % kLookEvery != 0) return;
  loop_.post([this, at, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) sort_in(at, /*always=*/false, [](Result<>) {});
  });
}

void SqliteMail::handled(std::string space, std::string key, Done<> done) {
  change<void>([this, space = std::move(space),
                key = std::move(key)](Database&) { return inbox_.handled(space, key); },
               std::move(done));
}

void SqliteMail::unhandled(std::string space, std::uint64_t after, std::uint32_t limit,
                           std::size_t max_bytes, Done<InboxPage> done) {
  look<InboxPage>(
      [space = std::move(space), after, limit, max_bytes](Database& database) {
        return store::unhandled(database, space, after, limit, max_bytes);
      },
      std::move(done));
}

// Step by step, so that others' writes come in between.
void SqliteMail::sort_in(Micros now, bool always, Done<> done) {
  if (std::exchange(sorting_, true)) return done({});
  auto finish = [this, alive = std::weak_ptr(alive_), done = std::move(done)](Result<> r) mutable {
    if (alive.expired()) return done(std::move(r));
    sorting_ = false;
    if (!r) log_.warn("keys of events cannot be sorted in reason={}", r.error().message);
    done(std::move(r));
  };
  change<std::int64_t>(
      [this, always](Database&) -> Result<std::int64_t> {
        const auto keys = inbox_.keys_in_log();
        if (!keys) return keys;
        return always || *keys >= Inbox::kMany ? inbox_.newest_key() : -1;
      },
      [this, alive = std::weak_ptr(alive_), now,
       finish = std::move(finish)](Result<std::int64_t> newest) mutable {
        if (!newest) return finish(std::unexpected(newest.error()));
        if (*newest < 0 || alive.expired()) return finish({});
        sort_in_step(0, *newest, now - kKnown, std::move(finish));
      });
}

void SqliteMail::sort_in_step(int step, std::int64_t newest, Micros since, Done<> done) {
  change<bool>(
      [this, step, newest, since](Database&) -> Result<bool> {
        if (step == Inbox::kSteps) return inbox_.shorten_log(newest);
        if (auto sorted = inbox_.sort_in(step, newest, since); !sorted)
          return std::unexpected(sorted.error());
        return true;
      },
      [this, alive = std::weak_ptr(alive_), step, newest, since,
       done = std::move(done)](Result<bool> more) mutable {
        if (!more) return done(std::unexpected(more.error()));
        if (!*more || alive.expired()) return done({});
        sort_in_step(std::min(step + 1, Inbox::kSteps), newest, since, std::move(done));
      });
}

// ---------------------------------------------------------------- outbox

void SqliteMail::post(Parcel parcel, Done<Posted> done) {
  change<Posted>(
      [parcel = std::move(parcel)](Database& database) { return store::post(database, parcel); },
      std::move(done));
}

void SqliteMail::find(std::string space, std::string key, Done<Parcel> done) {
  look<Parcel>([space = std::move(space), key = std::move(key)](
                   Database& database) { return find_parcel(database, space, key); },
               std::move(done));
}

void SqliteMail::open_targets(std::string space, std::string after, std::uint32_t limit,
                              Done<std::vector<std::string>> done) {
  look<std::vector<std::string>>(
      [space = std::move(space), after = std::move(after), limit](Database& database) {
        return store::open_targets(database, space, after, limit);
      },
      std::move(done));
}

void SqliteMail::next(std::string space, std::string target, Micros now, Done<NextParcel> done) {
  change<NextParcel>(
      [space = std::move(space), target = std::move(target), now, epoch = epoch_](
          Database& database) { return next_parcel(database, space, target, now, epoch); },
      std::move(done));
}

void SqliteMail::settle(ParcelOutcome outcome, Done<ParcelState> done) {
  change<ParcelState>([outcome = std::move(outcome), epoch = epoch_](
                          Database& database) { return store::settle(database, outcome, epoch); },
                      std::move(done));
}

void SqliteMail::parcels(ParcelQuery query, Done<std::vector<Parcel>> done) {
  look<std::vector<Parcel>>(
      [query = std::move(query)](Database& database) { return store::parcels(database, query); },
      std::move(done));
}

void SqliteMail::retry(std::uint64_t number, Micros now, Micros expires_at, Done<Parcel> done) {
  change<Parcel>(
      [=](Database& database) { return store::retry(database, number, now, expires_at); },
      std::move(done));
}

void SqliteMail::drop(std::uint64_t number, Micros now, Done<Parcel> done) {
  change<Parcel>([=](Database& database) { return store::drop(database, number, now); },
                 std::move(done));
}

void SqliteMail::counts(Done<MailCounts> done) {
  look<MailCounts>([](Database& database) { return count_mail(database); }, std::move(done));
}

void SqliteMail::tidy(Micros now, Done<> done) {
  sort_in(now, /*always=*/true,
          [this, now, alive = std::weak_ptr(alive_), done = std::move(done)](Result<> r) mutable {
            if (!r || alive.expired()) return done(std::move(r));
            forget(now, std::move(done));
          });
}

void SqliteMail::forget(Micros now, Done<> done) {
  change<bool>([now](Database& database) { return forget_parcels(database, now); },
               [this, now, alive = std::weak_ptr(alive_),
                done = std::move(done)](Result<bool> more) mutable {
                 if (!more) return done(std::unexpected(more.error()));
                 if (!*more || alive.expired()) return done({});
                 forget(now, std::move(done));
               });
}

}  // namespace viaduct::store
