#include "host/memory/memory.hpp"

#include "host/memory/memory_json.hpp"
#include "host/store/words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace viaduct::memory {
namespace {

constexpr std::uint32_t kMatches = 50;

store::Micros now() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

// A memory belongs to its user, also when the session belongs to a place.
std::string owner_of(const Principal& who) {
  return Principal{.surface = who.surface,
                   .tenant = who.tenant,
                   .user_id = who.user_id,
                   .display_name = {},
                   .place = {}}
      .owner();
}

store::Memory memory_of(std::string text) {
  auto [category, tags] = categorize(text);
  return {.id = {},
          .at = now(),
          .category = std::move(category),
          .content = std::move(text),
          .tags = std::move(tags)};
}

// The words that say what is looked for; all of them where there are no others.
std::string telling_words(std::string_view query) {
  static constexpr std::string_view kFiller[] = {
      "a",   "about", "an",   "and",   "are",   "at",   "by",  "did",  "do",  "does",
      "for", "from",  "how",  "i",     "in",    "is",   "it",  "me",   "my",  "of",
      "on",  "or",    "our",  "s",     "t",     "that", "the", "this", "to",  "was",
      "we",  "what",  "when", "where", "which", "who",  "why", "with", "you", "your"};
  std::string telling;
  std::size_t position = 0;
  for (auto word = store::next_word(query, position); !word.empty();
       word = store::next_word(query, position))
    if (std::ranges::find(kFiller, store::lower(word)) == std::end(kFiller))
      telling.append(telling.empty() ? "" : " ").append(word);
  return telling.empty() ? std::string(query) : telling;
}

std::string remembered(const store::Memory& memory) {
  return fmt::format("Remembered! Stored as {} (category: {}, tags: {})", memory.id,
                     memory.category, fmt::join(memory.tags, ", "));
}

std::string recalled(std::string_view query, const std::vector<store::Memory>& matches) {
  if (matches.empty()) return fmt::format("No memories found matching '{}'.", query);
  std::string text = fmt::format("Found {} memory(ies):\n", matches.size());
  for (const auto& memory : matches)
    text += fmt::format("\n- [{}] ({}) {}", memory.id, memory.category, memory.content);
  return text;
}

}  // namespace

MemoryService::MemoryService(store::Store& store) : store_(store) {}

void MemoryService::message(const Principal& who, std::string text, Done<std::string> done) {
  auto wish = intent(text);
  if (!wish) return done("{}");
  if (wish->action == Action::remember)
    return store_.add_memory(
        owner_of(who), memory_of(std::move(wish->text)),
        [done = std::move(done)](Result<store::Memory> memory) mutable {
          if (!memory) return done(std::unexpected(memory.error()));
          done(reply_json(remembered(*memory), Action::remember, memory_json(*memory)));
        });
  auto words = telling_words(wish->text);
  store_.find_memories(
      owner_of(who), std::move(words), kMatches,
      [query = std::move(wish->text),
       done = std::move(done)](Result<std::vector<store::Memory>> matches) mutable {
        if (!matches) return done(std::unexpected(matches.error()));
        done(reply_json(recalled(query, *matches), Action::recall, matches_json(*matches)));
      });
}

void MemoryService::remember(const Principal& who, std::string text, Done<std::string> done) {
  const auto content = store::trim(text);
  if (content.empty()) return done(fail(Errc::invalid_argument, "text is required"));
  store_.add_memory(owner_of(who), memory_of(std::string(content)),
                    [done = std::move(done)](Result<store::Memory> memory) mutable {
                      if (!memory) return done(std::unexpected(memory.error()));
                      done(memory_json(*memory));
                    });
}

void MemoryService::recall(const Principal& who, std::string query, Done<std::string> done) {
  if (store::trim(query).empty())
    return done(fail(Errc::invalid_argument, "q query parameter is required"));
  store_.find_memories(owner_of(who), telling_words(query), kMatches,
                       [done = std::move(done)](Result<std::vector<store::Memory>> found) mutable {
                         if (!found) return done(std::unexpected(found.error()));
                         done(matches_json(*found));
                       });
}

void MemoryService::work_status(const Principal& who, Done<std::string> done) {
  store_.work_log(owner_of(who), [done = std::move(done)](Result<std::string> items) mutable {
    if (!items) return done(std::unexpected(items.error()));
    done(items_json(*items));
  });
}

void MemoryService::work_log(const Principal& who, std::string items, Done<std::string> done) {
  auto log = parse_work_log(items, now());
  if (!log) return done(std::unexpected(log.error()));
  store_.set_work_log(owner_of(who), *log,
                      [done = std::move(done), log = *log](Result<> set) mutable {
                        if (!set) return done(std::unexpected(set.error()));
                        done(items_json(log));
                      });
}

}  // namespace viaduct::memory
