// The transcript folders that other tools of this ecosystem read, beside the host's log, which
// stays the truth: `<home>/projects/<encoded working folder>/sessions/<id>/` with transcript.jsonl
// (one message a line, in OpenAI's form), session-info.json and metadata.json. Files only:
// everything here blocks, is for any one thread at a time, and knows neither the SDK nor sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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

// What the lines of a transcript say, as entries of a log: user_message, text, thought, and
// tool_call with its result. Nothing of it is cut: what is left out is counted.
struct TranscriptEntries {
  std::vector<std::string> entries;  // JSON objects: type, text, data, and `at` where it is known
  std::string first;                 // the first text of a user
  std::size_t messages = 0;
  std::size_t skipped = 0;   // lines that are no messages, a torn last one among them
  std::size_t too_long = 0;  // lines over the limit
  std::size_t dropped = 0;   // tool results at the beginning, unanswered tool calls at the end
  bool torn = false;         // the last line ends in the middle
};

// Gets a transcript piece by piece, as it comes from the file.
class TranscriptReader {
 public:
  static constexpr std::size_t kLongestLine = std::size_t{64} << 20;

  explicit TranscriptReader(std::size_t longest_line = kLongestLine);
  ~TranscriptReader();
  void feed(std::string_view piece);
  // Once, at the end of the file.
  TranscriptEntries finish();

 private:
  struct State;
  void line(std::string_view line, bool is_last);

  const std::size_t longest_;
  std::string rest_;
  bool overlong_ = false;  // the line that has begun is thrown away
  std::unique_ptr<State> state_;
};

// What is known of a session but its messages; readers take what is there.
struct FolderFacts {
  std::string working_dir;  // absolute
  std::string title;        // name, else description
  std::string session_id;   // the host's, of a folder that a Viaduct wrote
  std::string agent_type;
  std::string native_id;
  bool is_sub_session = false;
};
FolderFacts parse_facts(std::string_view session_info_json, std::string_view metadata_json);

// `path` with ~ for the user's home, absolute and resolved as far as it exists.
std::string resolved(std::string_view path);
std::string encode_folder(std::string_view resolved);
// A name that encode_folder made, back. Which "-" were slashes is looked up: an existing folder is
// preferred, with the longest names from the root on; where nothing exists all are.
std::string decode_folder(std::string_view name);
bool is_plain_id(std::string_view id);  // [A-Za-z0-9_-]+, so that it is no path

// One session, as a bridge writes it.
struct FolderSession {
  std::string session_id;   // the host's
  std::string working_dir;  // as the user gave it
  std::string agent_type;
  std::string native_id;
};
// The name of its folder: the host's id without "_", by which others tell sub-sessions.
std::string folder_id(std::string_view session_id);

// The files beside the transcript. `old`: the metadata so far, whose other members stay. `lines`
// are all of the transcript, or those that were added to it.
std::string session_info_json(std::string_view working_dir, std::string_view now);
std::string metadata_json(std::string_view old, const FolderSession& session,
                          std::string_view working_dir, std::string_view now,
                          std::string_view lines, bool are_all);

// One that was found.
struct FoundSession {
  std::string id;  // the folder's name, or the host's id of one that a Viaduct wrote
  std::string working_dir;
  std::string title;
  std::string updated_at;  // RFC 3339
};

class TranscriptFolders {
 public:
  // Nothing is made before something is written.
  explicit TranscriptFolders(std::filesystem::path home) : home_(std::move(home)) {}
  const std::filesystem::path& home() const { return home_; }

  // Adds whole lines. The files are replaced by new ones: after a crash they are the old or the
  // new.
  FolderResult<> append(const FolderSession& session, std::string_view lines) const;
  // Of all lines, adds the turns that are not on disk, or writes all anew where something else is
  // missing. Never fewer than there are. True when it wrote.
  FolderResult<bool> catch_up(const FolderSession& session, std::string_view lines) const;

  // All sessions (of one folder, if given), newest first, without sub-sessions. Folders that cannot
  // be read are left out and counted.
  struct Listing {
    std::vector<FoundSession> sessions;
    std::size_t unreadable = 0;
    std::size_t older = 0;  // that are too many
  };
  FolderResult<Listing> list(std::string_view working_dir = {}) const;

  struct Reading {
    TranscriptEntries said;
    FolderFacts facts;
  };
  // By the folder's name or, as the list has it, the host's id.
  FolderResult<Reading> read(std::string_view id) const;

  // Removes the session's folder wherever it is. None: fine.
  FolderResult<> remove(std::string_view id) const;

 private:
  FolderResult<Reading> read_folder(std::string_view id) const;

  std::filesystem::path home_;
};

}  // namespace viaduct::bridge
