// Transcripts as lines, one message each in OpenAI's form: what a turn says becomes lines, and
// lines become entries of a log. No files, no sockets; each object is for one thread at a time.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::bridge {

struct FolderError {
  enum class Kind {
    kRefused,      // a bad id, or something in the way that must not be touched
    kNotFound,     // there is none
    kUnavailable,  // it could not be read or written now; this never means that it is gone
  };
  Kind kind = Kind::kUnavailable;
  std::string message;
  bool lines_written = false;  // what failed came after the lines themselves
};
template <class T = void>
using FolderResult = std::expected<T, FolderError>;

// What was said in one turn, on its way to become lines.
class TurnRecord {
 public:
  // In bytes; what is more is left out, and a line says so.
  static constexpr std::size_t kMost = std::size_t{32} << 20;
  TurnRecord() = default;
  explicit TurnRecord(std::size_t most) : most_(most) {}
  // As viaduct_prompt has them.
  void user(std::string_view text, std::string_view blocks_json, std::string_view context_json);
  // Appended to what was said last.
  void text(std::string_view piece);
  // ACP ToolCall or ToolCallUpdate, merged by field.
  void tool_call(std::string_view id, std::string_view json);
  // Whole lines, each with its end. Tool calls that got no answer are answered as interrupted.
  std::string lines() const;
  std::size_t size() const { return size_; }  // of what was taken, in bytes

 private:
  struct Piece {
    enum class Kind { kUser, kText, kTool };
    Kind kind = Kind::kText;
    std::string text;  // of a tool: its id
    std::string json;  // of a tool: the merged ToolCall; of a user: the data of an entry
  };
  bool fits(std::size_t size);

  std::size_t most_ = kMost;
  std::vector<Piece> pieces_;
  std::size_t size_ = 0;
  bool full_ = false;
};

// The lines of a log (a JSON array of entries, sdk/SESSION-JSON.md). Thoughts are no messages.
FolderResult<std::string> lines_of(std::string_view entries_json);

// What begins the result of a call that failed.
inline constexpr std::string_view kFailedTool = "[failed]";

// Of whole lines as they are written here.
struct LineCount {
  std::size_t all = 0;
  std::vector<std::string_view> users;  // those that a user said
};
LineCount count_lines(std::string_view lines);

// What the lines of a transcript say, as entries of a log: user_message, text, thought, and
// tool_call with its result. Nothing of it is cut: what is left out is counted.
struct TranscriptEntries {
  std::vector<std::string> entries;  // JSON objects: type, text, data, and `at` where it is known
  std::size_t bytes = 0;             // of all of them
  std::string too_much;              // the limit that was passed, in words: reading stopped there
  std::string first;                 // the first text of a user
  std::size_t messages = 0;
  std::size_t skipped = 0;   // lines that are no messages, a torn last one among them
  std::size_t too_long = 0;  // lines over the limit
  std::size_t dropped = 0;   // tool results at the beginning, unanswered tool calls at the end
  bool torn = false;         // the last line ends in the middle
};

// What the host takes of a session, and a line that is skipped for its length.
struct TranscriptLimits {
  std::size_t entries = 100'000;
  std::size_t bytes = std::size_t{63} << 20;  // the answer has more than the entries
  std::size_t line = std::size_t{64} << 20;
};

// Gets a transcript piece by piece, as it comes from the file. Holds the entries as text, and one
// line as what it says.
class TranscriptReader {
 public:
  explicit TranscriptReader(TranscriptLimits limits = {});
  ~TranscriptReader();
  // False: there is too much of it, and more need not be read.
  bool feed(std::string_view piece);
  // Once, at the end of the file.
  TranscriptEntries finish();

 private:
  struct State;
  void line(std::string_view line, bool is_last);

  std::string rest_;
  bool overlong_ = false;  // the line that has begun is thrown away
  std::unique_ptr<State> state_;
};

}  // namespace viaduct::bridge
