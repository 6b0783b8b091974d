// What came in over somebody else's network and what is to go out, for surfaces: the part of the
// store that the delivery service stands on. `space` is the instance's name. Calls and answers as
// in store.hpp.
#pragma once

#include "host/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::store {

using Micros = std::int64_t;  // microseconds since 1970 in UTC

struct InboxEvent {
  std::uint64_t number = 0;  // greater than that of any event before
  std::string key;           // the first of its keys
  std::string payload;
  Micros at = 0;
};
struct InboxPage {
  std::vector<InboxEvent> events; /* oldest first */
  bool more = false;
};

enum class ParcelState { ready, sending, sent, ambiguous, failed, expired };
inline constexpr ParcelState kParcelStates[] = {ParcelState::ready,  ParcelState::sending,
                                                ParcelState::sent,   ParcelState::ambiguous,
                                                ParcelState::failed, ParcelState::expired};
std::string_view name(ParcelState state);  // "ready" …

struct Parcel {
  std::uint64_t number = 0;  // never used again
  std::string space;
  std::string key;  // unique in the space
  std::string target;
  bool edit = false;    // idempotent: a later one with its key takes its place
  std::string payload;  // gone once it is sent
  ParcelState state = ParcelState::ready;
  std::string result;  // JSON, once it is sent
  std::string reason;  // why it is as it is, for a person
  std::uint64_t attempt = 0;
  Micros posted_at = 0;
  Micros due_at = 0;      // ready: not before
  Micros expires_at = 0;  // not sent later
  Micros changed_at = 0;
  std::string host;  // the host that sends it, and its fencing epoch
  std::uint64_t host_epoch = 0;
};

struct Posted {
  bool fresh = false;  // it will be sent; else its key was known
  ParcelState state = ParcelState::ready;
  std::string result;
};

// The first parcel of a target that is not done with.
struct NextParcel {
  // Of state sending: it is this host's to send. Expired: it is done with, and the next one is to
  // be asked for.
  std::optional<Parcel> parcel;
  bool interrupted = false;  // somebody began to send it before: find out what became of it
  Micros due = 0;            // without a parcel: when to ask again; 0: there is none
};

// What became of a sending. `ready`: not before due_at, in its place.
struct ParcelOutcome {
  std::uint64_t number = 0;
  ParcelState state = ParcelState::sent;
  std::string result;
  std::string reason;
  Micros due_at = 0;
  Micros now = 0;
};

struct ParcelQuery {
  std::string space;                // empty: of all
  std::vector<ParcelState> states;  // empty: ambiguous, failed and expired
  std::uint64_t before = 0;         // below this number; 0: from the newest
  std::uint32_t limit = 50;
};

struct MailCounts {
  struct Waiting {
    std::string space;
    std::string state;  // "unhandled", or of parcels all but "sent"
    std::uint64_t count = 0;
    Micros oldest = 0;
  };
  std::vector<Waiting> waiting;
};

class Mail {
 public:
  virtual ~Mail() = default;

  // ---- inbox. Keys are known for at least 48 h.
  // True: it is new, and on disk now. Otherwise one of its keys is known; then all of them are.
  virtual void receive(std::string space, std::vector<std::string> keys, std::string payload,
                       Micros at, Done<bool> done) = 0;
  // It is no longer among the unhandled. not_found: no event has such a key.
  virtual void handled(std::string space, std::string key, Done<> done) = 0;
  virtual void unhandled(std::string space, std::uint64_t after, std::uint32_t limit,
                         std::size_t max_bytes, Done<InboxPage> done) = 0;

  // ---- outbox. A parcel's key is known until 48 h after it was done with.
  // Takes number, state, attempt, result, reason and owner for themselves. conflict: an edit that
  // is not yet sent has its key and another target.
  virtual void post(Parcel parcel, Done<Posted> done) = 0;
  virtual void find(std::string space, std::string key, Done<Parcel> done) = 0;  // or not_found
  // Targets with something that is not done with, in the order of their names.
  virtual void open_targets(std::string space, std::string after, std::uint32_t limit,
                            Done<std::vector<std::string>> done) = 0;
  // Claims what is to be sent next, so that it is "sending" on disk when this has answered.
  virtual void next(std::string space, std::string target, Micros now, Done<NextParcel> done) = 0;
  // The state that it has then: an edit that was replaced meanwhile is ready. conflict: it is no
  // longer this host's.
  virtual void settle(ParcelOutcome outcome, Done<ParcelState> done) = 0;

  // ---- for people
  virtual void parcels(ParcelQuery query, Done<std::vector<Parcel>> done) = 0;  // newest first
  // Has it sent once more, in its old place. failed_precondition unless it is ambiguous, failed or
  // expired; not_found.
  virtual void retry(std::uint64_t number, Micros now, Micros expires_at, Done<Parcel> done) = 0;
  // It is failed for good, and no longer shown. failed_precondition while it is being sent, and
  // when it is sent.
  virtual void drop(std::uint64_t number, Micros now, Done<Parcel> done) = 0;
  virtual void counts(Done<MailCounts> done) = 0;

  // Forgets what need not be known any longer, in small steps; once an hour, say.
  virtual void tidy(Micros now, Done<> done) = 0;
};

}  // namespace viaduct::store
