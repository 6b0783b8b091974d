#include <viaduct/chat/turn_view.hpp>

#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::chat {
namespace {

constexpr std::size_t kMostTools = 8;       // of which lines are shown, the newest
constexpr std::size_t kMostSteps = 20;      // of a plan
constexpr std::size_t kLongestTitle = 150;  // bytes

std::string_view mark(std::string_view status) {
  if (status == "completed") return "✓";
  if (status == "failed") return "✗";
  if (status == "in_progress") return "▸";
  return "·";
}

std::string line(std::string_view status, std::string_view words) {
  return std::string(mark(status)) + " " + net::one_line(words, kLongestTitle) + "\n";
}

}  // namespace

void TurnView::take(Entry entry) {
  const bool is_text = entry.type == EntryType::kText;
  const bool ends = entry.type == EntryType::kTurnEnd;
  entries_.insert_or_assign(entry.number, std::move(entry));
  if (is_text || ends) join();
}

bool TurnView::append(std::uint64_t number, std::uint64_t offset, std::string_view text,
                      bool complete) {
  const auto found = entries_.find(number);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (offset > entry.text.size()) return false;
  const bool only_grows = offset == entry.text.size() && number == last_joined_;
  entry.text.resize(offset);
  entry.text += text;
  entry.complete = entry.complete || complete;
  if (entry.type != EntryType::kText) return true;
  if (only_grows && !entry.complete)
    answer_ += text;
  else
    join();
  return true;
}

void TurnView::join() {
  const bool ended = end() != nullptr;
  answer_.clear();
  last_joined_ = 0;
  for (const auto& [number, entry] : entries_) {
    if (entry.type != EntryType::kText) continue;
    if (!answer_.empty() && !entry.text.empty()) answer_ += answer_.ends_with('\n') ? "\n" : "\n\n";
    answer_ += entry.text;
    last_joined_ = entry.text.empty() ? 0 : number;
    if (!entry.complete && !ended) break;
  }
}

std::string TurnView::work() const {
  std::vector<const Entry*> tools;
  const Entry* plan = nullptr;
  for (const auto& [number, entry] : entries_) {
    if (entry.type == EntryType::kToolCall) tools.push_back(&entry);
    if (entry.type == EntryType::kPlan) plan = &entry;
  }
  std::string text;
  if (plan != nullptr) {
    std::size_t shown = 0;
    for (const PlanStep& step : plan->plan) {
      if (++shown > kMostSteps) break;
      text += line(step.status, step.content);
    }
    if (plan->plan.size() > kMostSteps)
      text += "… " + std::to_string(plan->plan.size() - kMostSteps) + " more\n";
  }
  if (!text.empty() && !tools.empty()) text += "\n";
  const std::size_t hidden = tools.size() > kMostTools ? tools.size() - kMostTools : 0;
  if (hidden > 0) text += "… " + std::to_string(hidden) + " earlier\n";
  for (std::size_t i = hidden; i < tools.size(); ++i)
    text += line(tools[i]->status, tools[i]->title.empty() ? "a tool" : tools[i]->title);
  return text;
}

std::vector<const Entry*> TurnView::permissions() const {
  return all_of(EntryType::kPermission, EntryType::kPermission);
}

std::vector<const Entry*> TurnView::notices() const {
  return all_of(EntryType::kNotice, EntryType::kContextRestored);
}

std::vector<const Entry*> TurnView::contents() const {
  return all_of(EntryType::kContent, EntryType::kContent);
}

bool TurnView::is_complete() const {
  for (const auto& [number, entry] : entries_)
    if (entry.type == EntryType::kText && !entry.complete) return false;
  return true;
}

const Entry* TurnView::first_of(EntryType type) const {
  for (const auto& [number, entry] : entries_)
    if (entry.type == type) return &entry;
  return nullptr;
}

std::vector<const Entry*> TurnView::all_of(EntryType type, EntryType other) const {
  std::vector<const Entry*> found;
  for (const auto& [number, entry] : entries_)
    if (entry.type == type || entry.type == other) found.push_back(&entry);
  return found;
}

}  // namespace viaduct::chat
