// The transcript folders of a backend's sessions: written at each turn's end and purged on a thread
// of their own, listed and read on another one, so that no disk stalls the loop and no listing a
// turn's end. Owned by the plugin, shared
// with its driver; all functions are for the loop's thread. That a folder cannot be written is
// logged and counted and fails nothing.
#pragma once

#include "plugins/bridge/transcript_folders.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/backend.hpp>

namespace viaduct::bridge {

class Transcripts {
 public:
  // `home` empty: $VIADUCT_HOME, else ~/.viaduct. `write` false: folders of others are still found.
  // `loop` outlives it.
  Transcripts(const sdk::Host& host, net::Loop& loop, std::string_view home, bool write);
  Transcripts(const Transcripts&) = delete;
  Transcripts& operator=(const Transcripts&) = delete;
  ~Transcripts();  // waits for what is being written

  // From the driver, before anything else: what makes its native ids. `shares_folders`: its program
  // writes these folders itself, so nothing is written here, and a folder's id is a native id.
  void belongs_to(std::string agent_type, bool shares_folders);

  bool writes() const;  // any folders at all; once it is known to whom they belong

  // A turn is over, however it ended: `done` follows on the loop when its lines are on disk, could
  // not be written, or take too long; at once where nothing is written. It must not be lost: let it
  // end the turn. `native_id`: as it is now, empty where none outlives the process.
  void record(std::string_view session_id, std::string_view working_dir, std::string_view native_id,
              TurnRecord turn, std::function<void()> done);
  // The session was had back with this log: the folder is written anew if it is behind.
  void catch_up(std::string_view session_id, std::string_view working_dir,
                std::string_view native_id, std::string_view entries_json);
  // Answers on the loop after everything that was asked for before (the ends of turns, too; when
  // stopping also what is read), or after a limit.
  void settle(sdk::Reply reply);
  // What was asked for and has not begun is answered as unavailable, but for the ends of turns.
  void stopping();

  // As sdk::Backend has them.
  void discover(std::string_view working_dir, sdk::Reply reply);
  void read(std::string_view native_id, sdk::Reply reply);
  void purge(const sdk::Open& open, sdk::Reply reply);

 private:
  struct Shared;

  FolderSession session_of(std::string_view session_id, std::string_view working_dir,
                           std::string_view native_id) const;

  std::unique_ptr<Shared> shared_;
};

}  // namespace viaduct::bridge
