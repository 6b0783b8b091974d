// The JSON that crosses the ABI, where the host has to look into it. Any thread.
#pragma once

#include "host/error.hpp"
#include "host/plugins/plugins.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::plugins {

bool is_json(std::string_view text);
bool is_json_object(std::string_view text);
bool is_json_array(std::string_view text);

// A JSON string, quoted.
std::string json_quoted(std::string_view text);
std::string json_array(const std::vector<std::string>& texts);

// internal for what is no JSON object; empty text counts as {}.
Result<sessions::BackendAnswer> parse_backend_answer(std::string json);

// An object of strings; empty text means none.
Result<std::map<std::string, std::string>> parse_labels(std::string_view json);

std::string to_json(const store::Document& document);  // {"version":n,"value":…}
std::string to_json(const store::DocumentPage& page);
std::string version_json(std::uint64_t version);

// `overview` (an object) with "instances" put in; it replaces what is there by that name.
std::string with_instances(std::string_view overview, const std::vector<InstanceStatus>& instances);

// What an instance's doctor answered, with what viaduct.overview/1 tells of it and no more, and
// without known secrets.
std::string shown_checks(std::string_view answer, const Redactor& redactor);

}  // namespace viaduct::plugins
