// JSON text of what the sessions service answers, as sdk/SESSION-JSON.md says. Any thread.
#pragma once

#include "host/sessions/sessions.hpp"

#include <string>
#include <string_view>

namespace viaduct::sessions {

std::string rfc3339(store::Micros at);
std::string to_json(const SessionView& session);
std::string to_json(const store::Entry& entry);
std::string to_json(const SendAnswer& answer);
std::string to_json(const AskAnswer& answer);
std::string to_json(const PermissionAnswer& answer);
std::string to_json(const ResumeAnswer& answer);
std::string to_json(const ListAnswer& answer);
std::string to_json(const HistoryAnswer& answer);

std::string to_json(const DiscoverAnswer& answer);
std::string to_json(const AdoptAnswer& answer);
std::string to_json(const PurgeAnswer& answer);
std::string to_json(const std::vector<store::AuditRecord>& records);

// Unknown keys, wrong types and limits out of range are invalid_argument; empty text means the
// defaults.
Result<CreateOptions> parse_create_options(std::string_view json);
Result<ListQuery> parse_list_query(std::string_view json);
Result<DiscoverQuery> parse_discover_query(std::string_view json);

}  // namespace viaduct::sessions
