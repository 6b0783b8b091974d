// The transcript folders that other tools of this ecosystem read, beside the host's log, which
// stays the truth: `<home>/projects/<encoded working folder>/sessions/<id>/` with transcript.jsonl
// (one message a line, in OpenAI's form), session-info.json and metadata.json. Files only:
// everything here blocks and knows neither the SDK nor sockets. Any thread; what writes or removes,
// one at a time.
#pragma once

#include "plugins/bridge/transcript_lines.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::bridge {

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
  explicit TranscriptFolders(std::filesystem::path home, TranscriptLimits limits = {})
      : home_(std::move(home)), limits_(limits) {}
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

  // Removes the session's folder wherever it is. None: fine. Asks before each: a disk may have
  // hung for so long that whoever asked for it has given up.
  FolderResult<> remove(
      std::string_view id, const std::function<bool()>& still_wanted = [] { return true; }) const;

 private:
  FolderResult<Reading> read_folder(std::string_view id) const;

  std::filesystem::path home_;
  TranscriptLimits limits_;
};

}  // namespace viaduct::bridge
