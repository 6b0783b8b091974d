// The streamed answer of a model server, event by event: what it says, why it ends, what it cost.
// One for each request; any thread, one at a time.
#pragma once

#include "plugins/bridge/config.hpp"
#include "plugins/bridge/failure.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::bridge {

struct Piece {
  enum class Kind { kText, kThought };
  Kind kind = Kind::kText;
  std::string text;
};

enum class Stop { kEndTurn, kMaxTokens, kRefusal };

struct Usage {
  std::optional<std::uint64_t> input, output, thought, cached_read, cached_write;
  std::optional<double> cost;  // in US dollars

  // As ACP names it; empty when nothing is known. `input` has what came from a cache in it.
  std::string json() const;
  // What came since `before`, which was counted in the same way.
  Usage since(const Usage& before) const;
};

// Models that think aloud do it between <think> and </think>, at the beginning of their answer.
class ThinkTags {
 public:
  void feed(std::string_view text, std::vector<Piece>& out);
  void end(std::vector<Piece>& out);

 private:
  enum class State { kBeginning, kThinking, kTalking };
  State state_ = State::kBeginning;
  std::string held_;  // what may be the beginning of a tag
};

class Answer {
 public:
  // More than this is no answer.
  static constexpr std::size_t kMost = std::size_t{8} << 20;

  explicit Answer(const Llm& llm) : llm_(llm) {}

  // The data of one event; what it says is appended to `out`. Nothing happens once it is over.
  void event(std::string_view data, std::vector<Piece>& out);
  // Instead: an answer that was not streamed, or is none; its type by the header.
  void whole(std::string_view body, std::string_view content_type, std::vector<Piece>& out);
  // The stream has ended; `why` is empty where the server ended it properly.
  void closed(std::string_view why, std::vector<Piece>& out);

  bool over() const { return over_; }
  const std::optional<Failure>& failure() const { return failure_; }  // once it is over
  bool said() const { return size_ > 0; }
  Stop stop() const { return stop_; }
  const Usage& usage() const { return usage_; }
  // A tool that the model wanted, though it was offered none.
  const std::string& wanted_tool() const { return wanted_tool_; }

 private:
  struct Json;  // knows the library
  void say(Piece::Kind kind, std::string_view text, std::vector<Piece>& out);
  void content(std::string_view text, std::vector<Piece>& out);
  void finish(std::vector<Piece>& out);
  void fail(Failure failure);

  const Llm& llm_;
  ThinkTags think_;
  bool over_ = false;
  bool has_reason_ = false;  // why the model stopped
  std::size_t size_ = 0;
  std::optional<Failure> failure_;
  Stop stop_ = Stop::kEndTurn;
  Usage usage_;
  std::string wanted_tool_;
};

}  // namespace viaduct::bridge
