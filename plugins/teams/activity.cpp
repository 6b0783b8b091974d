#include "plugins/teams/activity.hpp"

#include <viaduct/chat/text.hpp>

#include "plugins/teams/percent.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace viaduct::teams {
namespace {

constexpr std::string_view kRoot = ";messageid=";

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? digit(text[i + 1]) : -1;
    const int low = high >= 0 ? digit(text[i + 2]) : -1;
    if (low < 0) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

chat::Place place_of(const Activity& activity) {
  const ConversationRef& of = activity.conversation;
  return {percent_encoded(of.tenant), percent_encoded(of.base), percent_encoded(of.root)};
}

std::string base_conversation_of(const chat::Place& place) {
  return decoded(place.channel);
}

std::string conversation_id_of(const chat::Place& place) {
  std::string id = base_conversation_of(place);
  if (!place.thread.empty()) id += std::string(kRoot) + decoded(place.thread);
  return id;
}

chat::Place thread_of(const chat::Place& place, std::string_view root) {
  return {place.team, place.channel, percent_encoded(root)};
}

Ignored why_ignored(const Activity& activity, const Message& message) {
  if (activity.is_own()) return Ignored::kOwn;
  if (activity.from.is_bot) return Ignored::kOtherBot;
  if (activity.conversation.base.empty() || activity.id.empty()) return Ignored::kNoPlace;
  if (activity.from.id.empty()) return Ignored::kNobody;
  const bool is_empty = chat::trimmed(message.text).empty() && message.html.empty() &&
                        message.files.empty() && message.value.empty() && message.quotes.empty();
  return is_empty ? Ignored::kEmpty : Ignored::kNot;
}

std::string_view words(Ignored why) {
  switch (why) {
    case Ignored::kNot: return "a person's message";
    case Ignored::kOwn: return "its own message";
    case Ignored::kOtherBot: return "another bot's message";
    case Ignored::kNoPlace: return "a message without conversation or id";
    case Ignored::kNobody: return "a message of nobody";
    case Ignored::kEmpty: return "a message without content";
  }
  return "";
}

std::string_view type_of_extension(std::string_view extension) {
  using Type = std::pair<std::string_view, std::string_view>;
  static constexpr auto kTypes = std::to_array<Type>({
      {"bmp", "image/bmp"},         {"c", "text/plain"},
      {"cpp", "text/plain"},        {"cs", "text/plain"},
      {"css", "text/css"},          {"csv", "text/csv"},
      {"gif", "image/gif"},         {"go", "text/plain"},
      {"h", "text/plain"},          {"hpp", "text/plain"},
      {"htm", "text/html"},         {"html", "text/html"},
      {"ini", "text/plain"},        {"java", "text/plain"},
      {"jpeg", "image/jpeg"},       {"jpg", "image/jpeg"},
      {"js", "text/javascript"},    {"json", "application/json"},
      {"log", "text/plain"},        {"m4a", "audio/mp4"},
      {"md", "text/markdown"},      {"mp3", "audio/mpeg"},
      {"patch", "text/plain"},      {"pdf", "application/pdf"},
      {"diff", "text/plain"},       {"png", "image/png"},
      {"ps1", "text/plain"},        {"py", "text/plain"},
      {"rb", "text/plain"},         {"rs", "text/plain"},
      {"sh", "text/plain"},         {"sql", "text/plain"},
      {"svg", "image/svg+xml"},     {"toml", "text/plain"},
      {"ts", "text/plain"},         {"tsv", "text/tab-separated-values"},
      {"txt", "text/plain"},        {"wav", "audio/wav"},
      {"webp", "image/webp"},       {"xml", "application/xml"},
      {"yaml", "application/yaml"}, {"yml", "application/yaml"},
      {"zip", "application/zip"},
  });
  const std::string name = chat::lower(extension);
  const auto found = std::ranges::find(kTypes, name, &Type::first);
  return found == kTypes.end() ? std::string_view() : found->second;
}

}  // namespace viaduct::teams
