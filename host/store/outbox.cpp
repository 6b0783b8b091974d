#include "host/store/outbox.hpp"

#include "host/store/mail_sql.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viaduct::store {
namespace {

constexpr Micros kHour = 3600LL * 1'000'000;
constexpr Micros kKnown = 49 * kHour;           // what was sent, or looked at by a person
constexpr Micros kForPeople = 30 * 24 * kHour;  // what may be missing
constexpr int kRowsAtOnce = 200;

Parcel parcel_of(const Query& row) {
  return {.number = row.number(0),
          .space = row.text(1),
          .key = row.text(2),
          .target = row.text(3),
          .edit = row.flag(4),
          .payload = row.text(5),
          .state = static_cast<ParcelState>(row.integer(6)),
          .result = row.text(7),
          .reason = row.text(8),
          .attempt = row.number(9),
          .posted_at = row.integer(10),
          .due_at = row.integer(11),
          .expires_at = row.integer(12),
          .changed_at = row.integer(13),
          .host = row.text(14),
          .host_epoch = row.number(15)};
}

Result<std::optional<Parcel>> first(Query&& row) {
  if (row.next()) return parcel_of(row);
  if (auto status = row.status(); !status) return std::unexpected(status.error());
  return std::nullopt;
}

Result<Parcel> by_number(Database& database, std::uint64_t number) {
  auto found = first(Query(database, sql::kParcel, number));
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(Errc::not_found, fmt::format("there is no delivery {}", number));
  return std::move(**found);
}

bool is_open(const Parcel& parcel) {
  return parcel.state == ParcelState::ready || parcel.state == ParcelState::sending;
}

Error wrong_state(const Parcel& parcel, std::string_view what) {
  return {Errc::failed_precondition,
          fmt::format("delivery {} is {}: {}", parcel.number, name(parcel.state), what)};
}

}  // namespace

std::string_view name(ParcelState state) {
  switch (state) {
    case ParcelState::ready: return "ready";
    case ParcelState::sending: return "sending";
    case ParcelState::sent: return "sent";
    case ParcelState::ambiguous: return "ambiguous";
    case ParcelState::failed: return "failed";
    case ParcelState::expired: break;
  }
  return "expired";
}

Result<Posted> post(Database& database, const Parcel& parcel) {
  auto known = first(Query(database, sql::kParcelByKey, parcel.space, parcel.key));
  if (!known) return std::unexpected(known.error());
  if (*known) {
    const Parcel& old = **known;
    if (!old.edit || !parcel.edit) return Posted{false, old.state, old.result};
    if (is_open(old)) {
      if (old.target != parcel.target)
        return fail(Errc::conflict, "a delivery with this key is on its way to another target");
      auto renewed =
          database.execute(sql::kRenewParcel, old.number, parcel.payload, parcel.expires_at);
      if (!renewed) return std::unexpected(renewed.error());
      return Posted{true, old.state, {}};
    }
    if (auto removed = database.execute(sql::kRemoveParcel, old.number); !removed)
      return std::unexpected(removed.error());
  }
  auto added = database.execute(sql::kAddParcel, parcel.space, parcel.key, parcel.target,
                                parcel.edit, parcel.payload, parcel.posted_at, parcel.due_at,
                                parcel.expires_at, parcel.posted_at);
  if (!added) return std::unexpected(added.error());
  return Posted{true, ParcelState::ready, {}};
}

Result<NextParcel> next_parcel(Database& database, const std::string& space,
                               const std::string& target, Micros now, std::uint64_t epoch) {
  auto found = first(Query(database, sql::kNextParcel, space, target));
  if (!found) return std::unexpected(found.error());
  if (!*found) return NextParcel{};
  NextParcel next;
  next.parcel = std::move(*found);
  Parcel& parcel = *next.parcel;
  next.interrupted = parcel.state == ParcelState::sending;
  if (parcel.state == ParcelState::ready && parcel.expires_at <= now) {
    parcel.state = ParcelState::expired;
    parcel.reason = parcel.reason.empty() ? "it could not be sent in time"
                                          : "it could not be sent in time: " + parcel.reason;
    parcel.changed_at = now;
    auto expired = database.execute(sql::kExpireParcel, parcel.number, parcel.reason, now);
    if (!expired) return std::unexpected(expired.error());
    return next;
  }
  if (parcel.state == ParcelState::ready && parcel.due_at > now)
    return NextParcel{std::nullopt, false, std::min(parcel.due_at, parcel.expires_at)};
  // When an interrupted one began is kept: what it has set off may still be under way.
  const Micros began = next.interrupted ? parcel.changed_at : now;
  const int more = next.interrupted && !parcel.edit ? 0 : 1;
  auto claimed = database.execute(sql::kClaimParcel, parcel.number, more, began, epoch);
  if (!claimed) return std::unexpected(claimed.error());
  parcel.state = ParcelState::sending;
  parcel.attempt += static_cast<std::uint64_t>(more);
  parcel.changed_at = began;
  parcel.host_epoch = epoch;
  return next;
}

Result<ParcelState> settle(Database& database, const ParcelOutcome& outcome, std::uint64_t epoch) {
  bool renewed = false;
  {
    Query row(database, sql::kParcelIsRenewed, outcome.number, epoch);
    if (!row.next()) {
      if (auto status = row.status(); !status) return std::unexpected(status.error());
      return fail(Errc::conflict,
                  fmt::format("delivery {} is no longer this host's to send", outcome.number));
    }
    renewed = row.flag(0);
  }
  const ParcelState state = renewed ? ParcelState::ready : outcome.state;
  const std::string& result = renewed ? std::string() : outcome.result;
  auto settled = database.execute(sql::kSettleParcel, outcome.number, state, result, outcome.reason,
                                  outcome.due_at, outcome.now);
  if (!settled) return std::unexpected(settled.error());
  return state;
}

Result<Parcel> retry(Database& database, std::uint64_t number, Micros now, Micros expires_at) {
  auto parcel = by_number(database, number);
  if (!parcel) return parcel;
  if (is_open(*parcel)) return std::unexpected(wrong_state(*parcel, "it is on its way already"));
  if (parcel->state == ParcelState::sent)
    return std::unexpected(wrong_state(*parcel, "it arrived"));
  if (parcel->payload.empty())
    return std::unexpected(wrong_state(*parcel, "it was dropped, and what it said is gone"));
  if (auto done = database.execute(sql::kRetryParcel, number, now, expires_at); !done)
    return std::unexpected(done.error());
  parcel->state = ParcelState::ready;
  return parcel;
}

Result<Parcel> drop(Database& database, std::uint64_t number, Micros now) {
  auto parcel = by_number(database, number);
  if (!parcel) return parcel;
  if (parcel->state == ParcelState::sent)
    return std::unexpected(wrong_state(*parcel, "it arrived"));
  if (parcel->state == ParcelState::sending)
    return std::unexpected(wrong_state(*parcel, "try again in a moment"));
  parcel->reason = parcel->reason.empty() ? "dropped by an operator"
                                          : "dropped by an operator; " + parcel->reason;
  if (auto done = database.execute(sql::kDropParcel, number, parcel->reason, now); !done)
    return std::unexpected(done.error());
  parcel->state = ParcelState::failed;
  return parcel;
}

Result<bool> forget_parcels(Database& database, Micros now) {
  auto gone = database.execute(sql::kForgetParcels, now - kKnown, now - kForPeople, kRowsAtOnce);
  if (!gone) return std::unexpected(gone.error());
  return *gone == kRowsAtOnce;
}

Result<Parcel> find_parcel(Database& database, const std::string& space, const std::string& key) {
  auto found = first(Query(database, sql::kParcelByKey, space, key));
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(Errc::not_found, "no delivery has this key");
  return std::move(**found);
}

Result<std::vector<std::string>> open_targets(Database& database, const std::string& space,
                                              const std::string& after, std::uint32_t limit) {
  std::vector<std::string> targets;
  Query rows(database, sql::kOpenTargets, space, after, limit);
  while (rows.next()) targets.push_back(rows.text(0));
  if (auto status = rows.status(); !status) return std::unexpected(status.error());
  return targets;
}

Result<std::vector<Parcel>> parcels(Database& database, const ParcelQuery& query) {
  auto states = query.states;
  if (states.empty()) states = {ParcelState::ambiguous, ParcelState::failed, ParcelState::expired};
  const std::uint64_t before =
      query.before == 0 ? INT64_MAX : std::min<std::uint64_t>(query.before, INT64_MAX);
  std::vector<Parcel> found;
  for (const ParcelState state : states) {
    const char* sql = state == ParcelState::sent ? sql::kParcelsSent : sql::kParcelsOfState;
    Query rows(database, sql, query.space, state, before, query.limit);
    while (rows.next()) found.push_back(parcel_of(rows));
    if (auto status = rows.status(); !status) return std::unexpected(status.error());
  }
  std::ranges::sort(found, std::ranges::greater{}, &Parcel::number);
  if (found.size() > query.limit) found.resize(query.limit);
  return found;
}

Result<MailCounts> count_mail(Database& database) {
  MailCounts counts;
  Query rows(database, sql::kMailWaiting);
  while (rows.next()) {
    const std::int64_t state = rows.integer(1);
    counts.waiting.push_back(
        {rows.text(0), std::string(state < 0 ? "unhandled" : name(static_cast<ParcelState>(state))),
         rows.number(2), rows.integer(3)});
  }
  if (auto status = rows.status(); !status) return std::unexpected(status.error());
  return counts;
}

}  // namespace viaduct::store
