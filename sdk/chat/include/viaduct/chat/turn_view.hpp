// One turn of a session as a surface shows it: the answer as Markdown that only grows, the work
// (tools and plan) as one short message, what is asked, and how it ended. Holds the turn's entries;
// knows no clock and no network. For one thread.
#pragma once

#include <viaduct/chat/session.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::chat {

class TurnView {
 public:
  // An entry, whole: it replaces what is held by its number.
  void take(Entry entry);
  // Appends to an entry's text. False: it does not fit to what is held, which a new subscription
  // mends.
  bool append(std::uint64_t number, std::uint64_t offset, std::string_view text, bool complete);

  // The answer as far as it can only grow: its texts in order, up to the first that is not
  // complete. All of it once the turn has ended.
  const std::string& answer() const { return answer_; }
  // Tools and plan, Markdown, bounded; empty: none.
  std::string work() const;
  // In their order.
  std::vector<const Entry*> permissions() const;
  // Lines that are not the agent's.
  std::vector<const Entry*> notices() const;
  // Images and files.
  std::vector<const Entry*> contents() const;
  // None of its texts can grow any more.
  bool is_complete() const;
  const Entry* question() const { return first_of(EntryType::kUserMessage); }
  const Entry* end() const { return first_of(EntryType::kTurnEnd); }

 private:
  const Entry* first_of(EntryType type) const;
  std::vector<const Entry*> all_of(EntryType type, EntryType other) const;
  void join();

  std::map<std::uint64_t, Entry> entries_;
  std::string answer_;
  std::uint64_t last_joined_ = 0;  // whose text answer_ ends with; 0: none
};

}  // namespace viaduct::chat
