#include "host/sessions/content_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace viaduct::sessions {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 4096;  // of a URI or a media type

std::string text_of(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  });
}

// Printable, so that nobody who writes it into a header or a page is surprised.
std::string media_type(const json& object, const char* otherwise) {
  std::string type = text_of(object, "mimeType");
  const bool usable = !type.empty() && type.size() <= kLongestName &&
                      type.find('/') != std::string::npos &&
                      std::ranges::all_of(type, [](char c) { return c >= ' ' && c <= '~'; });
  return usable ? type : otherwise;
}

std::string uri_of(const json& object) {
  std::string uri = text_of(object, "uri");
  return uri.size() <= kLongestName && !uri.starts_with("data:") ? uri : "";
}

// What of `block` is kept; `why` there is nothing, where there is none.
json kept(const json& block, const char*& why) {
  const std::string type = text_of(block, "type");
  const bool is_image = type == "image";
  json out{{"type", type}};
  const auto take = [&](const json& from, json& to, const char* name) {
    std::string data = text_of(from, name);
    if (data.empty())
      why = "it is empty";
    else if (std::string_view(name) != "text" && !is_base64(data))
      why = "what the agent sent of it is broken";
    to[name] = std::move(data);
  };
  if (is_image || type == "audio") {
    take(block, out, "data");
    out["mimeType"] = media_type(block, is_image ? "image/png" : "audio/wav");
    if (std::string uri = uri_of(block); !uri.empty()) out["uri"] = std::move(uri);
  } else if (const auto from = block.is_object() ? block.find("resource") : block.end();
             type == "resource" && from != block.end() && from->is_object()) {
    json resource{{"uri", uri_of(*from)}};
    if (std::string known = media_type(*from, ""); !known.empty())
      resource["mimeType"] = std::move(known);
    take(*from, resource, text_of(*from, "blob").empty() ? "text" : "blob");
    out["resource"] = std::move(resource);
  } else {
    why = "what the agent sent of it is broken";
  }
  return out;
}

}  // namespace

std::string only_words(std::string_view words, std::string_view why) {
  return std::string(words) + " (" + std::string(why) + ")";
}

BackendEvent checked_content(BackendEvent event) {
  const std::string given = std::exchange(event.json, "");
  const char* why = nullptr;
  json block;
  if (given.size() > kLargestContent) {
    why = "it is larger than 8 MiB";
  } else {
    // A block is not deep: what is deeper is left out before it is made.
    const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= 3; };
    block = kept(json::parse(given, shallow, false), why);
  }
  if (event.text.empty()) {
    const std::string type = text_of(block, "type");
    event.text = type == "image" ? "[an image]" : type == "audio" ? "[a sound]" : "[a file]";
  }
  if (why != nullptr)
    event.text = only_words(event.text, why);
  else
    event.json = block.dump(-1, ' ', false, json::error_handler_t::replace);
  return event;
}

}  // namespace viaduct::sessions
