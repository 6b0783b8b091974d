// Sessions that other programs left on this machine: what the backends find of them, and how one
// becomes a session of the host. Loop only; the service owns it and outlives what it asks.
#pragma once

#include "host/sessions/conversation.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::sessions {

class Discovery {
 public:
  // A new session of this principal at that backend, not stored yet.
  using NewRecord = std::function<store::Session(const Principal& who, const std::string& backend,
                                                 const std::string& working_dir)>;
  Discovery(Shared& shared, NewRecord new_record)
      : shared_(shared), new_record_(std::move(new_record)) {}

  // Of these backends, all that they find, newest first.
  void discover(std::vector<std::string> backends, Done<DiscoverAnswer> done);
  // What it was and, in session_id, which session of `who` it is now. Where several backends know
  // the same id, the first of them has it. conflict: it is somebody else's.
  void adopt(Principal who, std::string id, std::vector<std::string> backends,
             Done<Discovered> done);

 private:
  struct Adoption;
  void mark_known(std::shared_ptr<DiscoverAnswer> found, std::vector<std::string> backends,
                  Done<DiscoverAnswer> done);
  void look_up(std::shared_ptr<Adoption> adoption, std::size_t next);
  void choose(std::shared_ptr<Adoption> adoption, DiscoverAnswer found);
  void read(std::shared_ptr<Adoption> adoption);
  void write(std::shared_ptr<Adoption> adoption, std::size_t from);
  void give_up(std::shared_ptr<Adoption> adoption, Error error);

  Shared& shared_;
  const NewRecord new_record_;
};

// discovery_json.cpp
inline constexpr std::size_t kMostDiscovered = 10'000;  // of one backend
inline constexpr std::size_t kMostEntries = 100'000;    // of one session
inline constexpr std::size_t kLargestEntry = 8 << 20;   // bytes
inline constexpr std::size_t kShortestPrefix = 4;       // of an id

Result<std::vector<Discovered>> parse_discovered(std::string_view json, const std::string& backend);
// What read answered, as a log: numbered, every turn with its one end, said by `who`.
struct LeftBehind {
  std::string native_id;
  std::string working_dir;
  std::string title;
  std::vector<store::Entry> entries;
  std::uint64_t turns = 0;
};
Result<LeftBehind> parse_left_behind(std::string_view json, const Principal& who);
std::optional<store::Micros> parse_rfc3339(std::string_view text);
std::string adopted_audit(const Discovered& from, std::size_t entries);
std::string purged_audit(const store::Session& record, std::int64_t age_ms, std::uint64_t bytes);

}  // namespace viaduct::sessions
