#include "host/sessions/discovery.hpp"

#include "host/sessions/sessions_json.hpp"
#include "host/sessions/within.hpp"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

namespace viaduct::sessions {
namespace {

constexpr std::chrono::seconds kDiscoverLimit{30};
constexpr std::chrono::seconds kReadLimit{120};
constexpr std::size_t kAtOnce = 500;           // entries of one write, …
constexpr std::size_t kBytesAtOnce = 2 << 20;  // … which others wait for
constexpr std::size_t kCandidates = 5;         // named when an id is ambiguous

std::string key_prefix(const std::string& backend) {
  return "discovered:" + backend + ":";
}

std::string date_of(const Discovered& session) {
  return session.updated_at == 0 ? "" : rfc3339(session.updated_at).substr(0, 10);
}

Error ambiguous(const std::string& id, const std::vector<Discovered>& candidates) {
  std::string message = "Several sessions begin with " + id + "; give more of the id:";
  for (std::size_t i = 0; i < candidates.size() && i < kCandidates; ++i) {
    const Discovered& one = candidates[i];
    message += "\n  " + one.native_id + "  " + one.working_dir + "  " + date_of(one);
  }
  if (candidates.size() > kCandidates)
    message += "\n  and " + std::to_string(candidates.size() - kCandidates) + " more";
  return {Errc::invalid_argument, std::move(message)};
}

}  // namespace

template <class Work, class Then>
void Discovery::off_loop(Work work, Then then) {
  boost::asio::post(thread_, [&loop = shared_.loop, alive = std::weak_ptr(alive_),
                              work = std::move(work), then = std::move(then)]() mutable {
    loop.post([alive, result = work(), then = std::move(then)]() mutable {
      if (!alive.expired()) then(std::move(result));
    });
  });
}

// ---------------------------------------------------------------- discover

void Discovery::list(const std::string& name, std::chrono::milliseconds as_of, Done<Found> done) {
  Listing& listing = listings_[name];
  if (listing.waiting.empty() && listing.last &&
      std::chrono::steady_clock::now() - listing.at < as_of)
    return shared_.loop.post(
        [found = listing.last, done = std::move(done)]() mutable { done(std::move(found)); });
  listing.waiting.push_back(std::move(done));
  if (listing.waiting.size() > 1) return;
  listing.last = nullptr;
  Backend* backend = shared_.backend(name);
  if (!backend)
    return shared_.loop.post([this, alive = std::weak_ptr(alive_), name] {
      if (!alive.expired())
        listed(name, fail(Errc::unavailable, "The backend " + name + " is not running"));
    });
  backend->discover(
      "", within<BackendAnswer>(shared_.loop, kDiscoverLimit, "Looking for sessions",
                                [this, name](Result<BackendAnswer> answer) {
                                  if (!answer) return listed(name, std::unexpected(answer.error()));
                                  off_loop(
                                      [name, json = std::move(answer->json)] {
                                        return parse_discovered(json, name);
                                      },
                                      [this, name](Result<std::vector<Discovered>> sessions) {
                                        listed(name, std::move(sessions));
                                      });
                                }));
}

void Discovery::listed(const std::string& name, Result<std::vector<Discovered>> sessions) {
  Listing& listing = listings_[name];
  if (sessions) {
    listing.last = std::make_shared<const std::vector<Discovered>>(std::move(*sessions));
    listing.at = std::chrono::steady_clock::now();
  }
  const Result<Found> found =
      sessions ? Result<Found>(listing.last) : std::unexpected(sessions.error());
  for (Done<Found>& done : std::exchange(listing.waiting, {})) done(found);
}

void Discovery::collect(std::vector<std::string> backends, std::string prefix,
                        std::chrono::milliseconds as_of, Done<DiscoverAnswer> done) {
  struct Round {
    std::shared_ptr<DiscoverAnswer> found = std::make_shared<DiscoverAnswer>();
    std::string prefix;
    std::size_t left = 0;
    Done<DiscoverAnswer> done;
  };
  auto round = std::make_shared<Round>();
  round->prefix = std::move(prefix);
  round->left = backends.size() + 1;
  round->done = std::move(done);
  const auto one = [this, round, backends] {
    if (--round->left > 0) return;
    mark_known(round->found, backends, std::move(round->done));
  };
  for (const std::string& name : backends)
    list(name, as_of, [round, name, one](Result<Found> listing) {
      if (!listing)
        round->found->failures.push_back({name, std::move(listing.error())});
      else
        std::ranges::copy_if(**listing, std::back_inserter(round->found->sessions),
                             [&](const Discovered& session) {
                               return session.native_id.starts_with(round->prefix);
                             });
      one();
    });
  shared_.loop.post(one);
}

void Discovery::discover(std::vector<std::string> backends, Done<DiscoverAnswer> done) {
  collect(std::move(backends), "", {},
          [done = std::move(done)](Result<DiscoverAnswer> found) mutable {
            if (!found) return done(std::move(found));
            auto& sessions = found->sessions;
            std::erase_if(sessions,
                          [](const Discovered& one) { return one.session_id == one.native_id; });
            std::set<std::pair<std::string, std::string>> shown;
            const auto place = [](const Discovered& one) {
              return std::pair(one.native_id, one.working_dir);
            };
            std::erase_if(sessions, [&](const Discovered& one) {
              return !one.session_id.empty() && !shown.insert(place(one)).second;
            });
            std::erase_if(sessions, [&](const Discovered& one) {
              return one.session_id.empty() && shown.contains(place(one));
            });
            std::ranges::sort(sessions, [](const Discovered& a, const Discovered& b) {
              return std::tie(b.updated_at, a.native_id, a.backend) <
                     std::tie(a.updated_at, b.native_id, b.backend);
            });
            done(std::move(found));
          });
}

// Which of them are sessions of the host.
void Discovery::mark_known(std::shared_ptr<DiscoverAnswer> found, std::vector<std::string> backends,
                           Done<DiscoverAnswer> done) {
  if (backends.empty()) return done(std::move(*found));
  const std::string name = std::move(backends.back());
  backends.pop_back();
  std::vector<std::string> ids;
  for (const Discovered& session : found->sessions)
    if (session.backend == name) ids.push_back(session.native_id);
  if (ids.empty()) return mark_known(std::move(found), std::move(backends), std::move(done));
  shared_.store.known_ids(
      name, key_prefix(name), std::move(ids),
      [this, name, found = std::move(found), backends = std::move(backends),
       done = std::move(done)](Result<std::map<std::string, std::string>> known) mutable {
        if (!known) return done(std::unexpected(known.error()));
        for (Discovered& session : found->sessions)
          if (const auto at = known->find(session.native_id);
              session.backend == name && at != known->end())
            session.session_id = at->second;
        mark_known(std::move(found), std::move(backends), std::move(done));
      });
}

// ---------------------------------------------------------------- adopt

struct Discovery::Adoption {
  Principal who;
  std::string id;
  std::vector<std::string> backends;
  std::chrono::milliseconds as_of;
  Done<Discovered> done;
  Discovered from{};
  store::Session record{};
  std::vector<store::Entry> entries{};
};

void Discovery::adopt(Principal who, std::string id, std::vector<std::string> backends,
                      std::chrono::milliseconds as_of, Done<Discovered> done) {
  const auto adoption = std::make_shared<Adoption>(Adoption{.who = std::move(who),
                                                            .id = std::move(id),
                                                            .backends = std::move(backends),
                                                            .as_of = as_of,
                                                            .done = std::move(done)});
  // What a Viaduct left may be a session of this one.
  shared_.store.session(adoption->id, [this, adoption](Result<store::Session> own) {
    if (!own && own.error().code != Errc::not_found)
      return adoption->done(std::unexpected(own.error()));
    if (!own) return look_up(adoption, 0);
    adoption->from = {own->backend, own->id, own->working_dir, own->title, 0, own->id};
    already(adoption, *own);
  });
}

// It is a session of the host, of whomever.
void Discovery::already(const std::shared_ptr<Adoption>& adoption, const store::Session& record) {
  if (record.owner != adoption->who.owner())
    return adoption->done(fail(Errc::conflict, "The session " + adoption->from.native_id + " is " +
                                                   record.id + " of somebody else"));
  adoption->done(std::move(adoption->from));
}

// It may be theirs already, also where the program that left it has removed it since.
void Discovery::look_up(std::shared_ptr<Adoption> adoption, std::size_t next) {
  if (next == adoption->backends.size())
    return collect(adoption->backends, adoption->id, adoption->as_of,
                   [this, adoption](Result<DiscoverAnswer> found) {
                     if (!found) return adoption->done(std::unexpected(found.error()));
                     choose(adoption, std::move(*found));
                   });
  const std::string& name = adoption->backends[next];
  shared_.store.session_by_key(
      adoption->who.owner(), key_prefix(name) + adoption->id,
      [this, adoption, next](Result<store::Session> found) {
        if (found)
          return adoption->done(Discovered{found->backend, adoption->id, found->working_dir,
                                           found->title, 0, found->id});
        if (found.error().code != Errc::not_found)
          return adoption->done(std::unexpected(found.error()));
        look_up(adoption, next + 1);
      });
}

void Discovery::choose(std::shared_ptr<Adoption> adoption, DiscoverAnswer found) {
  const std::string& id = adoption->id;
  // Who has it already, has it; else the first of the backends.
  const auto rank = [&](const Discovered& session) {
    return session.session_id.empty()
               ? std::ranges::find(adoption->backends, session.backend) - adoption->backends.begin()
               : -1;
  };
  auto& all = found.sessions;
  std::ranges::sort(all, [&](const Discovered& a, const Discovered& b) {
    return a.native_id != b.native_id ? a.native_id < b.native_id : rank(a) < rank(b);
  });
  const auto doubled = std::ranges::unique(all, {}, &Discovered::native_id);
  all.erase(doubled.begin(), doubled.end());
  std::vector<Discovered> fitting;
  if (!all.empty() && all.front().native_id == id)
    fitting.push_back(std::move(all.front()));  // all begin so
  else if (id.size() >= kShortestPrefix)
    fitting = std::move(all);
  std::ranges::sort(fitting, std::ranges::greater{}, &Discovered::updated_at);
  if (fitting.size() > 1) return adoption->done(std::unexpected(ambiguous(id, fitting)));
  if (fitting.empty()) {
    if (id.size() < kShortestPrefix && !all.empty())
      return adoption->done(fail(
          Errc::invalid_argument,
          fmt::format("{} is too short; give at least {} letters of the id", id, kShortestPrefix)));
    Error none{Errc::not_found, "No program has left a session " + id};
    for (const BackendFailure& failure : found.failures) {
      none.message += "; " + failure.backend + " could not be asked: " + failure.error.message;
      if (is_transient(failure.error.code)) none.code = Errc::unavailable;  // it may be there
    }
    return adoption->done(std::unexpected(std::move(none)));
  }
  adoption->from = std::move(fitting.front());
  if (adoption->from.session_id.empty()) return read(adoption);
  shared_.store.session(adoption->from.session_id, [this, adoption](Result<store::Session> record) {
    if (!record) return adoption->done(std::unexpected(record.error()));
    already(adoption, *record);
  });
}

void Discovery::read(std::shared_ptr<Adoption> adoption) {
  Backend* backend = shared_.backend(adoption->from.backend);
  if (!backend)
    return adoption->done(
        fail(Errc::unavailable, "The backend " + adoption->from.backend + " is not running"));
  backend->read(adoption->from.native_id,
                within<BackendAnswer>(shared_.loop, kReadLimit, "Reading the session",
                                      [this, adoption](Result<BackendAnswer> answer) {
                                        if (!answer)
                                          return adoption->done(std::unexpected(answer.error()));
                                        off_loop(
                                            [who = adoption->who, json = std::move(answer->json)] {
                                              return parse_left_behind(json, who);
                                            },
                                            [this, adoption](Result<LeftBehind> left) {
                                              has_read(adoption, std::move(left));
                                            });
                                      }));
}

void Discovery::has_read(std::shared_ptr<Adoption> adoption, Result<LeftBehind> left) {
  const std::string& name = adoption->from.backend;
  if (!left) return adoption->done(fail(left.error().code, name + ": " + left.error().message));
  if (!shared_.backend(name))
    return adoption->done(fail(Errc::unavailable, name + ": is not running"));
  adoption->record = new_record_(adoption->who, name, left->working_dir);
  store::Session& record = adoption->record;
  record.create_key = key_prefix(record.backend) + adoption->from.native_id;
  record.native_id = left->native_id;
  record.native_at = adoption->from.updated_at;
  if (record.native_at == 0)
    record.native_at = left->entries.empty() ? now() : left->entries.back().at;
  record.title = title_from(left->title.empty() ? adoption->from.title : left->title);
  if (record.title.empty()) record.title = left->first_words;
  record.last_turn = left->turns;
  record.last_entry = record.last_seq = left->entries.size();
  adoption->entries = std::move(left->entries);
  write(adoption, 0);
}

// The log in parts that do not keep others waiting; with the last one the session is there.
void Discovery::write(std::shared_ptr<Adoption> adoption, std::size_t from) {
  const store::Session& record = adoption->record;
  std::vector<store::Write> writes;
  if (from == 0) writes.push_back(store::BeginSession{record.id});
  std::size_t bytes = 0;
  std::size_t to = from;
  for (; to < adoption->entries.size() && to - from < kAtOnce && bytes < kBytesAtOnce; ++to) {
    store::Entry& entry = adoption->entries[to];
    entry.session_id = record.id;
    bytes += entry.text.size() + entry.data.size();
    writes.push_back(store::AddEntry{std::move(entry)});
  }
  const bool last = to == adoption->entries.size();
  if (last) {
    writes.push_back(store::PutSession{record});
    writes.push_back(store::FinishSession{record.id});
    writes.push_back(store::AddAudit{
        {now(), record.id, "adopted", adopted_audit(adoption->from, adoption->entries.size())}});
  }
  shared_.store.write(std::move(writes), [this, adoption, to, last](Result<> stored) {
    if (!stored) return give_up(adoption, stored.error());
    if (!last) return write(adoption, to);
    const store::Session& made = adoption->record;
    shared_.metrics.count("viaduct_sessions_adopted_total", {{"backend", made.backend}});
    shared_.log.info("session adopted session={} backend={} entries={}", made.id, made.backend,
                     adoption->entries.size());
    adoption->from.session_id = made.id;
    adoption->done(std::move(adoption->from));
  });
}

// Nothing of it stays; somebody may have been faster.
void Discovery::give_up(std::shared_ptr<Adoption> adoption, Error error) {
  shared_.store.purge(adoption->record.id, std::nullopt, [](Result<>) {});
  if (error.code != Errc::conflict) return adoption->done(std::unexpected(std::move(error)));
  shared_.store.session_by_key(adoption->record.owner, adoption->record.create_key,
                               [adoption](Result<store::Session> first) {
                                 if (!first) return adoption->done(std::unexpected(first.error()));
                                 adoption->from.session_id = first->id;
                                 adoption->done(std::move(adoption->from));
                               });
}

}  // namespace viaduct::sessions
