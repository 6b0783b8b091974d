// How much of transcripts waits for the disk, and which sessions had no room. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>

namespace viaduct::bridge {

// Where a disk hangs, turns end all the same: what no longer fits is not written, nor anything else
// of that session, so that its transcript has no hole. It is whole again when the session is
// restored and all of it is written anew.
class TranscriptBacklog {
 public:
  static constexpr std::size_t kMost = std::size_t{64} << 20;  // bytes
  explicit TranscriptBacklog(std::size_t most = kMost) : most_(most) {}

  // A turn of so many bytes; `finished` with as many is owed for it. False: it is left out.
  bool take_turn(const std::string& session, std::size_t bytes) {
    if (!left_out_.contains(session) && take(bytes)) return true;
    left_out_.insert(session);
    return false;
  }
  // The same, with all that was said in the session.
  bool take_all(const std::string& session, std::size_t bytes) {
    if (!take(bytes)) {
      left_out_.insert(session);
      return false;
    }
    left_out_.erase(session);
    return true;
  }
  void finished(std::size_t bytes) { waiting_ -= bytes; }
  void forget(const std::string& session) { left_out_.erase(session); }

 private:
  bool take(std::size_t bytes) {
    if (waiting_ > 0 && waiting_ + bytes > most_) return false;  // alone, anything may be written
    waiting_ += bytes;
    return true;
  }

  const std::size_t most_;
  std::size_t waiting_ = 0;
  std::unordered_set<std::string> left_out_;
};

}  // namespace viaduct::bridge
