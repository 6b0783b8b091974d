#include <viaduct/chat/memory.hpp>

#include <viaduct/chat/value.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::chat {
namespace {

constexpr std::size_t kLongestMemory = 1500;
constexpr std::size_t kLongestLine = 300;

}  // namespace

std::string remembered_words(const Network& network, std::string_view answer) {
  const Value memory = Value::parsed(answer);
  std::string tags;
  for (const Value& tag : memory.at("tags").items())
    if (tag.text() != memory.text("category")) tags += (tags.empty() ? "" : ", ") + tag.text();
  const bool is_filed = memory.text("category") != "general" || !tags.empty();
  return "Remembered" +
         (is_filed ? " as " + network.escaped(memory.text("category")) : std::string()) +
         (tags.empty() ? "" : " (" + network.escaped(tags) + ")") + ", " +
         network.code(memory.text("id")) + ":\n> " +
         network.escaped(net::one_line(memory.text("content"), kLongestMemory));
}

std::string recalled_words(const Network& network, std::string_view answer,
                           std::string_view query) {
  const auto matches = Value::parsed(answer).at("matches").items();
  if (matches.empty())
    return network.italic("No memories found matching") + " " + network.code(query);
  std::string words = network.bold("Found " + std::to_string(matches.size()) +
                                   (matches.size() == 1 ? " memory" : " memories") + ":") +
                      "\n";
  for (const Value& one : matches)
    words += "\n- " + network.escaped(net::one_line(one.text("content"), kLongestLine)) + " (" +
             network.escaped(one.text("category")) + ", " + network.code(one.text("id")) + ")";
  return words;
}

std::string work_words(const Network& network, std::string_view answer) {
  const auto items = Value::parsed(answer).at("items").items();
  if (items.empty()) return network.italic("No work log entries.");
  std::string words = network.bold("Work log:") + "\n";
  for (const Value& one : items)
    words += "\n- [" + network.escaped(one.text("status")) + "] " +
             network.escaped(net::one_line(one.text("task"), kLongestLine));
  return words;
}

}  // namespace viaduct::chat
