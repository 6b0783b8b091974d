// Sessions that other programs left on this machine: what the backends find of them, and how one
// becomes a session of the host. Loop only, but for a thread of its own that takes long answers
// apart; the service owns it and outlives what it asks.
#pragma once

#include "host/sessions/conversation.hpp"

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::sessions {

struct LeftBehind;

class Discovery {
 public:
  // A new session of this principal at that backend, not stored yet.
  using NewRecord = std::function<store::Session(const Principal& who, const std::string& backend,
                                                 const std::string& working_dir)>;
  Discovery(Shared& shared, NewRecord new_record)
      : shared_(shared), new_record_(std::move(new_record)) {}

  // Of these backends, all that they find, newest first. Sessions of the host's own, which it would
  // find in its own folders, are left out; one that is adopted is there once.
  void discover(std::vector<std::string> backends, Done<DiscoverAnswer> done);
  // What it was and, in session_id, which session of `who` it is now. Where several backends know
  // the same id, the first of them has it. conflict: it is somebody else's. A listing that is not
  // older than `as_of` will do.
  void adopt(Principal who, std::string id, std::vector<std::string> backends,
             std::chrono::milliseconds as_of, Done<Discovered> done);

 private:
  struct Adoption;
  using Found = std::shared_ptr<const std::vector<Discovered>>;
  // Of one backend. Who asks while it is asked gets the same answer.
  struct Listing {
    std::vector<Done<Found>> waiting{};
    Found last{};
    std::chrono::steady_clock::time_point at{};
  };
  void list(const std::string& backend, std::chrono::milliseconds as_of, Done<Found> done);
  void listed(const std::string& backend, Result<std::vector<Discovered>> sessions);
  // Those whose id begins so, in no order.
  void collect(std::vector<std::string> backends, std::string prefix,
               std::chrono::milliseconds as_of, Done<DiscoverAnswer> done);
  void mark_known(std::shared_ptr<DiscoverAnswer> found, std::vector<std::string> backends,
                  Done<DiscoverAnswer> done);
  // Does `work` on the other thread and hands what it gives to `then` on the loop.
  template <class Work, class Then>
  void off_loop(Work work, Then then);
  void look_up(std::shared_ptr<Adoption> adoption, std::size_t next);
  void choose(std::shared_ptr<Adoption> adoption, DiscoverAnswer found);
  void already(const std::shared_ptr<Adoption>& adoption, const store::Session& record);
  void read(std::shared_ptr<Adoption> adoption);
  void has_read(std::shared_ptr<Adoption> adoption, Result<LeftBehind> left);
  void write(std::shared_ptr<Adoption> adoption, std::size_t from);
  void give_up(std::shared_ptr<Adoption> adoption, Error error);

  Shared& shared_;
  const NewRecord new_record_;
  std::map<std::string, Listing> listings_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
  boost::asio::thread_pool thread_{1};  // last: it ends before what its work is for
};

// discovery_json.cpp
inline constexpr std::size_t kMostDiscovered = 10'000;  // of one backend
inline constexpr std::size_t kMostEntries = 100'000;    // of one session
inline constexpr std::size_t kLargestEntry = 8 << 20;   // bytes
inline constexpr std::size_t kShortestPrefix = 4;       // of an id
inline constexpr std::size_t kLongestId = 512;

Result<std::vector<Discovered>> parse_discovered(std::string_view json, const std::string& backend);
// What read answered, as a log: numbered, every turn with its one end, said by `who`. Never there
// as a whole as JSON.
struct LeftBehind {
  std::string native_id;
  std::string working_dir;
  std::string title;
  std::string first_words;  // a title made of the first message
  std::vector<store::Entry> entries;
  std::uint64_t turns = 0;
};
Result<LeftBehind> parse_left_behind(std::string_view json, const Principal& who);
std::optional<store::Micros> parse_rfc3339(std::string_view text);
std::string adopted_audit(const Discovered& from, std::size_t entries);
std::string purged_audit(const store::Session& record, std::int64_t age_ms, std::uint64_t bytes);

}  // namespace viaduct::sessions
