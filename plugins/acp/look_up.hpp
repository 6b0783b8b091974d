// Look-ups in JSON values that anybody may have written, for the *_json.cpp of this plugin: nothing
// throws, and what is not there is null or empty. Templates, so that no header needs the library.
#pragma once

#include <string>
#include <string_view>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {

template <class Json>
std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What is no JSON, or nested without end, is discarded.
template <class Json>
Json read(std::string_view text) {
  if (net::too_complex(text)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

template <class Json>
const Json& in(const Json& object, const char* name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

template <class Json>
std::string text_in(const Json& object, const char* name) {
  const Json& value = in(object, name);
  return value.is_string() ? value.template get<std::string>() : std::string();
}

// `_meta` as JSON text; empty: none, or nothing in it.
template <class Json>
std::string meta_of(const Json& object) {
  const Json& meta = in(object, "_meta");
  return meta.is_object() && !meta.empty() ? dump(meta) : std::string();
}
template <class Json>
void put_meta(Json& object, std::string_view meta) {
  if (!meta.empty()) object["_meta"] = Json::parse(meta, nullptr, /*allow_exceptions=*/false);
}

}  // namespace viaduct::acp
