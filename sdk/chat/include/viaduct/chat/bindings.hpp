// Which conversation each thread belongs to, and which it belonged to before: a session that made
// room for another one is found again. Durable: a change is on disk when put() or update() is done.
// On the loop's thread; owned by the plugin.
#pragma once

#include <viaduct/chat/place.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/host.hpp>

namespace viaduct::chat {

struct Binding {
  Place place;
  std::string session;      // the host's id
  std::string owner_place;  // of the session's principal; empty: `user` owns it
  std::string user;         // who began or connected it
  std::string working_dir;
  std::string description;
  std::string backend;
  std::string created_at;  // RFC 3339
  bool active = true;
  // The last turn and the last entry of the session's log that have been shown for good, and
  // whether there may be something behind them.
  std::uint64_t shown_turn = 0;
  std::uint64_t shown_entry = 0;
  bool owes = false;
  std::uint64_t from_turn = 0;  // up to this one it was said elsewhere, maybe among fewer people
  // Of one that is no longer active: the last turn that is still shown there, 0 while nobody knows;
  // and whether whoever went on there has heard what has become of the session.
  std::uint64_t last_turn = 0;
  bool told = false;
  // Where the answer of a turn was cut to go on in a new message (sections()): it is cut there
  // again after a restart.
  std::uint64_t cut_turn = 0;
  std::vector<std::uint64_t> cuts;

  bool operator==(const Binding&) const = default;
};

// The JSON of one document.
std::string binding_json(const Binding& binding);
// False: it is none.
bool parse_binding(std::string_view json, Binding& binding);

// What documents.scan answers.
struct BindingPage {
  std::vector<Binding> bindings;
  std::vector<std::string> unreadable;  // keys
  std::string last_key;
  bool more = false;
};
std::optional<BindingPage> parse_bindings(std::string_view json);

class Bindings {
 public:
  explicit Bindings(const sdk::Host& host) : documents_(host), log_(host) {}

  // Reads all of them. Before anything else.
  net::Task<net::Result<>> load();

  // Valid until the next put(). Null: nothing is bound there, or it is no longer active.
  const Binding* active(const Place& place) const;
  const Binding* find(const Place& place) const;  // also one that is not active
  // In the order of their making; of a session that is in several places, each.
  // The active ones, each session once.
  std::vector<Binding> active_of(std::string_view team, std::string_view user) const;
  std::vector<Binding> of_person(std::string_view team, std::string_view user) const;
  std::vector<Binding> of_session(std::string_view session) const;
  std::vector<Binding> all_active() const;
  std::vector<Binding> owing() const;  // active or not

  // The place belongs to this session from now on, and that is on disk when it is done; taken back
  // if it cannot be written. What it belonged to before is kept as no longer active.
  net::Task<net::Result<>> put(Binding binding);
  // News of a session that the place belongs or belonged to; never takes the place from another.
  net::Task<net::Result<>> update(Binding binding);

 private:
  using Map = std::map<std::string, Binding, std::less<>>;

  template <class Wanted>
  std::vector<Binding> where(Wanted wanted) const;
  net::Task<net::Result<>> read(std::string_view prefix, std::string_view behind);
  net::Task<net::Result<>> write(Map& map, std::string key, std::string_view prefix,
                                 Binding binding);

  sdk::Documents documents_;
  sdk::Log log_;
  Map by_place_;  // Place::key()
  Map past_;      // and the session's id
};

}  // namespace viaduct::chat
