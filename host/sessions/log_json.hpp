// The JSON that the log is made of: `data` of entries, and the changes that subscribers get. Any
// thread.
#pragma once

#include "host/sessions/sessions.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::sessions {

std::string quote(std::string_view text);  // a JSON string

std::string user_message_data(const Principal& who, const Message& message);
std::string turn_end_data(std::string_view stop_reason, const std::optional<Error>& error,
                          std::int64_t milliseconds);
std::string context_restored_data(std::string_view rung, std::string_view reason);
std::string error_json(const Error& error);
std::string resume_audit(std::string_view rung, std::string_view outcome, std::string_view reason,
                         std::int64_t milliseconds, std::int64_t native_age_ms);

// `update`'s fields over those of `base`; either may be empty or no object, which counts as {}.
std::string merge_fields(std::string_view base, std::string_view update);

struct PermissionRequest {
  std::vector<std::string> option_ids;
  std::int64_t timeout_ms = 0;  // 0: none
};
// The request as a pending entry's data; nullopt when it has no options.
std::optional<std::string> permission_data(std::string_view json, PermissionRequest& request);
struct PermissionState {
  std::string status;  // pending, selected, cancelled, expired
  std::string option_id;
  std::string by;
};
PermissionState permission_state(std::string_view data);
std::string decided_permission(std::string_view data, std::string_view status,
                               std::string_view option_id, std::string_view by,
                               std::string_view reason);

// What a usage entry says, in numbers that can be counted; 0 where it says nothing.
struct Usage {
  double input = 0, output = 0, cached = 0;  // tokens
  double cost = 0;
  std::string currency;
};
Usage parse_usage(std::string_view data);

// "status" of a tool call's data.
std::string tool_status(std::string_view data);
// The member `name` of an object, as JSON text; empty if there is none.
std::string member(std::string_view json, const char* name);
// `{"options": …}` from a backend: the bare array.
std::string array_member(std::string_view json, const char* name);

struct StateFacts {
  SessionView view;
  std::uint64_t running_turn = 0;
  std::vector<std::uint64_t> waiting_turns;
  std::string commands;  // JSON array, or empty
  std::string options;   // JSON array, or empty
};
std::string state_change(Cursor cursor, const StateFacts& facts);
std::string reset_change(Cursor cursor, std::uint64_t first);
std::string entry_change(Cursor cursor, const store::Entry& entry);
std::string delta_change(Cursor cursor, std::uint64_t entry, std::uint64_t offset,
                         std::string_view text, bool complete);
std::string live_change(Cursor cursor);

// What user_message_data and error_json wrote.
Principal parse_author(std::string_view json);
std::optional<Error> parse_error(std::string_view json);
void answer_decided(const PermissionState& state, Done<PermissionAnswer> done);
// The first line of a message, shortened: what a session without a title is called.
std::string title_from(std::string_view text);

void as_words(store::Entry& entry);  // of a content; any other stays as it is
// A JSON array; contents are texts in it.
std::string transcript(const std::vector<store::Entry>& entries);

}  // namespace viaduct::sessions
