// The outbox's rows, by whoever has the connection at the moment.
#pragma once

#include "host/store/database.hpp"
#include "host/store/mail.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viaduct::store {

// On the writing connection. `epoch` is this host's.
Result<Posted> post(Database& database, const Parcel& parcel);
Result<NextParcel> next_parcel(Database& database, const std::string& space,
                               const std::string& target, Micros now, std::uint64_t epoch);
Result<ParcelState> settle(Database& database, const ParcelOutcome& outcome, std::uint64_t epoch);
Result<Parcel> retry(Database& database, std::uint64_t number, Micros now, Micros expires_at);
Result<Parcel> drop(Database& database, std::uint64_t number, Micros now);
// Some of what need not be known any longer; false when nothing is left of it.
Result<bool> forget_parcels(Database& database, Micros now);

Result<Parcel> find_parcel(Database& database, const std::string& space, const std::string& key);
Result<std::vector<std::string>> open_targets(Database& database, const std::string& space,
                                              const std::string& after, std::uint32_t limit);
Result<std::vector<Parcel>> parcels(Database& database, const ParcelQuery& query);
Result<MailCounts> count_mail(Database& database);

}  // namespace viaduct::store
