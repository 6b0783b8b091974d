// Look-ups in JSON that anybody may have written, for the *_json.cpp of the transcripts: nothing
// throws, and what is not there is null or empty. Templates, so that no header needs the library.
#pragma once

#include <string>
#include <string_view>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {

// Discarded: it is no JSON, or more of it than anything sane has.
template <class Json>
Json read(std::string_view text, int deepest = net::kDeepestJson) {
  if (net::too_complex(text, net::kMostJsonValues, deepest)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

template <class Json>
std::string dump(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

template <class Json>
const Json& member(const Json& object, const char* name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

template <class Json>
std::string string_in(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_string() ? value.template get<std::string>() : std::string();
}

}  // namespace viaduct::bridge
