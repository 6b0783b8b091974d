#include "plugins/bridge/answer.hpp"

#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {

using nlohmann::json;

// Discarded, too, when it is nested or long as nothing sane is.
json read(std::string_view text) {
  if (net::too_complex(text)) return json(json::value_t::discarded);
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

std::string member(const json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found == object.end() || !found->is_string() ? std::string() : found->get<std::string>();
}
const json& value_in(const json& object, const char* name) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}
std::optional<std::uint64_t> count_in(const json& object, const char* name) {
  const json& value = value_in(object, name);
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<std::uint64_t>();
}
void add(std::vector<Piece>& out, Piece::Kind kind, std::string_view text) {
  if (text.empty()) return;
  if (!out.empty() && out.back().kind == kind)
    out.back().text += text;
  else
    out.push_back({kind, std::string(text)});
}

// How much of the end of `text` could be the beginning of `tag`.
std::size_t could_begin(std::string_view text, std::string_view tag) {
  for (std::size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n)
    if (text.ends_with(tag.substr(0, n))) return n;
  return 0;
}

std::string sample(std::string_view data) {
  return "\"" + net::one_line(net::prefix(data, 400), 100) + "\"";
}

}  // namespace

Usage Usage::since(const Usage& before) const {
  const auto less = [](auto now, const auto& then) {
    if (now && then) now = *now < *then ? std::nullopt : decltype(now)(*now - *then);
    return now;
  };
  return {less(input, before.input),
          less(output, before.output),
          less(thought, before.thought),
          less(cached_read, before.cached_read),
          less(cached_write, before.cached_write),
          less(cost, before.cost)};
}

std::string Usage::json() const {
  nlohmann::json usage = nlohmann::json::object();
  if (input) usage["inputTokens"] = *input;
  if (output) usage["outputTokens"] = *output;
  if (input && output) usage["totalTokens"] = *input + *output;
  if (thought) usage["thoughtTokens"] = *thought;
  if (cached_read) usage["cachedReadTokens"] = *cached_read;
  if (cached_write) usage["cachedWriteTokens"] = *cached_write;
  if (cost) usage["cost"] = {{"amount", *cost}, {"currency", "USD"}};
  return usage.empty() ? "" : usage.dump();
}

void ThinkTags::feed(std::string_view text, std::vector<Piece>& out) {
  if (state_ == State::kTalking) return add(out, Piece::Kind::kText, text);
  held_ += text;
  if (state_ == State::kBeginning) {
    const std::size_t start = held_.find_first_not_of(" \t\r\n");
    if (start == std::string::npos) return;
    const std::string_view rest = std::string_view(held_).substr(start);
    if (rest.starts_with(kOpen)) {
      held_.erase(0, start + kOpen.size());
      state_ = State::kThinking;
    } else if (kOpen.starts_with(rest)) {
      return;
    } else {
      state_ = State::kTalking;
      add(out, Piece::Kind::kText, std::exchange(held_, {}));
      return;
    }
  }
  if (const std::size_t end = held_.find(kClose); end != std::string::npos) {
    add(out, Piece::Kind::kThought, std::string_view(held_).substr(0, end));
    std::string rest = held_.substr(end + kClose.size());
    rest.erase(0, std::min(rest.find_first_not_of("\r\n"), rest.size()));
    held_.clear();
    state_ = State::kTalking;
    return add(out, Piece::Kind::kText, rest);
  }
  const std::size_t keep = could_begin(held_, kClose);
  add(out, Piece::Kind::kThought, std::string_view(held_).substr(0, held_.size() - keep));
  held_.erase(0, held_.size() - keep);
}

void ThinkTags::end(std::vector<Piece>& out) {
  add(out, state_ == State::kThinking ? Piece::Kind::kThought : Piece::Kind::kText, held_);
  held_.clear();
}

struct Answer::Json {
  Answer& answer;
  std::vector<Piece>& out;

  // ---------------------------------------------------------------- openai
  // A text, or a list of parts (Mistral).
  void openai_content(const json& content, bool thought) {
    if (content.is_string()) {
      if (thought)
        answer.say(Piece::Kind::kThought, content.get_ref<const std::string&>(), out);
      else
        answer.content(content.get_ref<const std::string&>(), out);
    } else if (content.is_array()) {
      for (const json& part : content) {
        const std::string type = member(part, "type");
        if (type == "text") openai_content(value_in(part, "text"), thought);
        if (type == "thinking") openai_content(value_in(part, "thinking"), true);
      }
    }
  }
  void openai_message(const json& message) {
    // Two names of the same; servers that know both send both.
    const json& reasoning = value_in(message, "reasoning_content");
    openai_content(reasoning.is_string() ? reasoning : value_in(message, "reasoning"), true);
    openai_content(value_in(message, "content"), false);
    if (const json& refusal = value_in(message, "refusal"); refusal.is_string()) {
      openai_content(refusal, false);
      answer.stop_ = Stop::kRefusal;
    }
    if (const json& calls = value_in(message, "tool_calls"); calls.is_array() && !calls.empty())
      if (const std::string name = member(value_in(calls.front(), "function"), "name");
          !name.empty())
        answer.wanted_tool_ = name;
  }
  void openai_reason(const json& given) {
    if (!given.is_string()) return;
    const auto& reason = given.get_ref<const std::string&>();
    if (reason.empty()) return;
    answer.has_reason_ = true;
    if (reason == "length") answer.stop_ = Stop::kMaxTokens;
    if (reason == "content_filter") answer.stop_ = Stop::kRefusal;
  }
  void openai_usage(const json& usage) {
    if (!usage.is_object()) return;
    Usage& known = answer.usage_;
    if (const auto n = count_in(usage, "prompt_tokens")) known.input = n;
    if (const auto n = count_in(usage, "completion_tokens")) known.output = n;
    if (const auto n = count_in(value_in(usage, "prompt_tokens_details"), "cached_tokens"))
      known.cached_read = n;
    if (const auto n = count_in(value_in(usage, "completion_tokens_details"), "reasoning_tokens"))
      known.thought = n;
    if (const json& cost = value_in(usage, "cost"); cost.is_number())
      known.cost = cost.get<double>();
  }
  void openai(const json& chunk, const char* part) {
    const json& choices = value_in(chunk, "choices");
    if (choices.is_array() && !choices.empty()) {
      openai_message(value_in(choices.front(), part));
      openai_reason(value_in(choices.front(), "finish_reason"));
    }
    openai_usage(value_in(chunk, "usage"));
  }

  // ---------------------------------------------------------------- anthropic
  void anthropic_usage(const json& usage) {
    Usage& known = answer.usage_;
    if (const auto n = count_in(usage, "cache_read_input_tokens")) known.cached_read = n;
    if (const auto n = count_in(usage, "cache_creation_input_tokens")) known.cached_write = n;
    if (const auto n = count_in(usage, "input_tokens"))
      known.input = *n + known.cached_read.value_or(0) + known.cached_write.value_or(0);
    if (const auto n = count_in(usage, "output_tokens")) known.output = n;
  }
  void anthropic_reason(const json& given) {
    if (!given.is_string()) return;
    const auto& reason = given.get_ref<const std::string&>();
    answer.has_reason_ = true;
    if (reason == "max_tokens" || reason == "model_context_window_exceeded")
      answer.stop_ = Stop::kMaxTokens;
    if (reason == "refusal") answer.stop_ = Stop::kRefusal;
  }
  void anthropic_block(const json& block) {
    const std::string type = member(block, "type");
    if (type == "text") answer.say(Piece::Kind::kText, member(block, "text"), out);
    if (type == "thinking") answer.say(Piece::Kind::kThought, member(block, "thinking"), out);
    if (type == "tool_use") answer.wanted_tool_ = member(block, "name");
  }
  void anthropic(const json& event) {
    const std::string type = member(event, "type");
    if (type == "message_start") {
      anthropic_usage(value_in(value_in(event, "message"), "usage"));
    } else if (type == "content_block_start") {
      anthropic_block(value_in(event, "content_block"));
    } else if (type == "content_block_delta") {
      const json& delta = value_in(event, "delta");
      const std::string kind = member(delta, "type");
      if (kind == "text_delta") answer.say(Piece::Kind::kText, member(delta, "text"), out);
      if (kind == "thinking_delta")
        answer.say(Piece::Kind::kThought, member(delta, "thinking"), out);
    } else if (type == "message_delta") {
      anthropic_reason(value_in(value_in(event, "delta"), "stop_reason"));
      anthropic_usage(value_in(event, "usage"));
    } else if (type == "message_stop") {
      answer.finish(out);
    }
  }
};

void Answer::say(Piece::Kind kind, std::string_view text, std::vector<Piece>& out) {
  size_ += text.size();
  add(out, kind, text);
}

void Answer::content(std::string_view text, std::vector<Piece>& out) {
  size_ += text.size();
  think_.feed(text, out);
}

void Answer::finish(std::vector<Piece>& out) {
  think_.end(out);
  over_ = true;
}

void Answer::fail(Failure failure) {
  failure_ = std::move(failure);
  over_ = true;
}

void Answer::event(std::string_view data, std::vector<Piece>& out) {
  if (over_) return;
  if (llm_.api == Api::kOpenAi && data == "[DONE]") {
    if (!has_reason_ && size_ == 0 && wanted_tool_.empty())
      return fail(broken(llm_, "ended its answer before it began"));
    return finish(out);
  }
  if (data.find_first_not_of(" \t\r\n") == std::string_view::npos) return;
  const json event = read(data);
  if (!event.is_object()) {
    think_.end(out);
    return fail(broken(llm_, "sent something that is no event: " + sample(data)));
  }
  if (const json& error = value_in(event, "error");
      !error.is_null() || member(event, "type") == "error") {
    think_.end(out);
    return fail(error_event(llm_, data));
  }
  Json reader{*this, out};
  if (llm_.api == Api::kAnthropic)
    reader.anthropic(event);
  else
    reader.openai(event, "delta");
  if (size_ > kMost) {
    Failure failure = broken(llm_, "sends an answer without an end");
    failure.transient = false;
    fail(std::move(failure));
  }
}

void Answer::whole(std::string_view body, std::string_view content_type, std::vector<Piece>& out) {
  if (over_) return;
  const json answer = read(body);
  const json& error = value_in(answer, "error");
  if (answer.is_object() && !error.is_null()) return fail(error_event(llm_, body));
  Json reader{*this, out};
  if (llm_.api == Api::kAnthropic && value_in(answer, "content").is_array()) {
    for (const json& block : answer["content"]) reader.anthropic_block(block);
    reader.anthropic_reason(value_in(answer, "stop_reason"));
    reader.anthropic_usage(value_in(answer, "usage"));
    return finish(out);
  }
  if (llm_.api == Api::kOpenAi && value_in(answer, "choices").is_array()) {
    reader.openai(answer, "message");
    return finish(out);
  }
  fail(refused(llm_, {200, {}, {}, {}}, {}));
  failure_->message +=
      " (it sent " + net::one_line(net::redacted(std::string(content_type), llm_.secrets()), 100) +
      ")";
}

void Answer::closed(std::string_view why, std::vector<Piece>& out) {
  if (over_) return;
  think_.end(out);
  // Some servers close where others say [DONE].
  if (why.empty() && has_reason_ && llm_.api == Api::kOpenAi) {
    over_ = true;
    return;
  }
  std::string what = size_ > 0 ? "broke off in the middle of its answer"
                               : "closed the connection without an answer";
  if (!why.empty()) what.append(" (").append(why).append(")");
  fail(broken(llm_, what));
}

}  // namespace viaduct::bridge
