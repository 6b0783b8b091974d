// What an agent program says on its output, line by line, as the rules of its preset have it. One
// for each start of the program; any thread, one at a time.
#pragma once

#include "plugins/bridge/answer.hpp"
#include "plugins/bridge/preset.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace viaduct::bridge {

// One thing for the session, in order.
struct Said {
  enum class Kind { kText, kThought, kTool, kPlan, kNotice, kSession };
  Kind kind = Kind::kText;
  std::string text{};  // kTool, kPlan: JSON as the sink takes it; kSession: the native id
  std::string id{};    // kTool
};

class CliOutput {
 public:
  static constexpr std::size_t kMostOfATool = 256 << 10;  // of its input, and of its output
  static constexpr std::size_t kMostOfDeltas = 8 << 20;   // that a whole text is compared with
  static constexpr std::size_t kMostOfABlock = 16 << 20;  // an object over several lines

  // `preset` outlives it.
  explicit CliOutput(const Preset& preset) : preset_(preset) {}

  // One line, an object for itself or a part of one: from a lone "{" to a lone "}", indented
  // between.
  void line(std::string_view text, std::vector<Said>& out);

  bool said() const { return said_; }  // anything of the answer
  bool done() const { return done_; }
  const std::optional<std::string>& error() const { return error_; }
  const std::string& stop() const { return stop_; }        // a stop reason of ACP, or empty
  const std::string& session() const { return session_; }  // the newest native id, or empty
  const Usage& usage() const { return usage_; }
  bool usage_is_total() const { return usage_is_total_; }            // of the whole session so far
  std::size_t skipped() const { return skipped_; }                   // lines that are no JSON
  std::string noise(const std::vector<std::string>& secrets) const;  // the last of them

 private:
  struct Json;  // knows the library
  struct Stream {
    std::string deltas;  // that no whole text has had in it
    bool overflown = false;
    bool closed = false;  // what comes next is another text
  };

  void object(std::string_view text, std::vector<Said>& out);
  void say(Said::Kind kind, std::string text, bool new_block, std::vector<Said>& out);
  void delta(Said::Kind kind, std::string text, std::vector<Said>& out);
  void whole(Said::Kind kind, std::string text, std::vector<Said>& out);

  const Preset& preset_;
  Stream text_, thought_;
  std::optional<Said::Kind> last_;
  bool said_ = false;
  bool said_text_ = false;
  bool done_ = false;
  std::optional<std::string> error_;
  std::string stop_, session_;
  Usage usage_;
  bool usage_is_total_ = false;
  std::string block_;  // the lines of an object that is not over
  std::unordered_set<std::string> tools_;
  std::size_t skipped_ = 0;
  std::deque<std::string> noise_;
};

// A native id that may stand on a command line: no option, no control characters, no path.
bool is_safe_id(std::string_view id);

}  // namespace viaduct::bridge
