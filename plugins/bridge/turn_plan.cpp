#include "plugins/bridge/turn_plan.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::bridge {
namespace {

constexpr std::size_t kBytesOfToken = 4;
constexpr unsigned kMostOverflows = 4;

std::size_t size_of(const std::vector<Message>& messages) {
  std::size_t bytes = 0;
  for (const Message& message : messages) bytes += message.size();
  return bytes;
}

}  // namespace

std::uint64_t Conversation::estimated_tokens() const {
  std::size_t uncounted = 0;
  const std::size_t from = tokens > 0 ? std::min(counted, messages.size()) : 0;
  for (std::size_t i = from; i < messages.size(); ++i) uncounted += messages[i].size();
  return tokens + uncounted / kBytesOfToken;
}

bool TurnPlan::due() const {
  if (llm_.compact_after > 0 && conversation_.turns >= llm_.compact_after) return true;
  if (llm_.context_tokens == 0) return false;
  const auto limit = static_cast<std::uint64_t>(llm_.context_tokens);
  const auto answer = static_cast<std::uint64_t>(llm_.max_tokens.value_or(llm_.context_tokens / 4));
  return conversation_.estimated_tokens() + std::min(answer, limit / 2) > limit;
}

TurnPlan::Step TurnPlan::answer() {
  if (due() && conversation_.messages.size() > 1) return begin_compaction(Why::kDue, {});
  return request();
}

TurnPlan::Step TurnPlan::compact() {
  return begin_compaction(Why::kAsked, {});
}

TurnPlan::Step TurnPlan::request() {
  const bool shown = phase_ == Phase::kAnswer;
  return {.kind = Step::Kind::kRequest,
          .body = shown ? request_body(llm_, conversation_.messages)
                        : summary_body(llm_, compaction_->request()),
          .shown = shown};
}

TurnPlan::Step TurnPlan::requested(Outcome outcome) {
  if (outcome.failure && !outcome.failure->overflow &&
      (!outcome.said || phase_ == Phase::kSummary)) {
    if (const auto wait = retry_.next(*outcome.failure, random_()))
      return {.kind = Step::Kind::kWait, .wait = *wait};
  }
  if (phase_ == Phase::kSummary) return summarised(std::move(outcome));
  if (!outcome.failure) return {};
  if (outcome.failure->overflow && !outcome.said && ++overflows_ < kMostOverflows)
    return begin_compaction(Why::kOverflow, *outcome.failure);
  return {.kind = Step::Kind::kFail, .failure = *std::move(outcome.failure)};
}

TurnPlan::Step TurnPlan::waited() {
  return request();
}

// Keeps less each time that it does not suffice: a quarter, a sixteenth, … of what there is.
TurnPlan::Step TurnPlan::begin_compaction(Why why, const Failure& cause) {
  why_ = why;
  cause_ = cause;
  std::size_t keep = size_of(conversation_.messages) / 4;
  for (unsigned i = 1; i < overflows_; ++i) keep /= 4;
  compaction_.emplace(conversation_.messages, keep);
  if (compaction_->impossible()) {
    if (why == Why::kOverflow) return {.kind = Step::Kind::kFail, .failure = cause};
    return why == Why::kAsked ? Step{} : request();
  }
  phase_ = Phase::kSummary;
  retry_ = Retry(llm_.retry);
  return request();
}

TurnPlan::Step TurnPlan::summarised(Outcome outcome) {
  if (outcome.failure && outcome.failure->overflow && compaction_->too_long()) return request();
  if (!outcome.failure && outcome.text.empty())
    outcome.failure =
        broken(llm_, "gave no summary of the conversation, which has become too long");
  if (outcome.failure) {
    phase_ = Phase::kAnswer;
    retry_ = Retry(llm_.retry);
    // It was only time to: perhaps the answer succeeds all the same.
    if (why_ == Why::kDue) return request();
    return {.kind = Step::Kind::kFail, .failure = *std::move(outcome.failure)};
  }
  retry_ = Retry(llm_.retry);
  compaction_->summary(std::move(outcome.text));
  if (!compaction_->done()) return request();
  conversation_.messages = compaction_->result();
  conversation_.tokens = 0;
  conversation_.turns = 0;
  return after_compaction((why_ == Why::kOverflow ? "The conversation no longer fits the model"
                           : why_ == Why::kAsked  ? "The conversation was compacted"
                                                  : "The conversation has become long") +
                          std::string(": the agent now knows its older part (") +
                          std::to_string(compaction_->summarised()) +
                          " messages) by a summary. The log is complete.");
}

TurnPlan::Step TurnPlan::after_compaction(std::string notice) {
  phase_ = Phase::kAnswer;
  Step next = why_ == Why::kAsked ? Step{} : request();
  next.notice = std::move(notice);
  return next;
}

}  // namespace viaduct::bridge
