#include "host/sessions/sessions.hpp"

#include "host/sessions/content_json.hpp"
#include "host/sessions/conversation.hpp"
#include "host/sessions/discovery.hpp"
#include "host/sessions/purge.hpp"
#include "host/sessions/sessions_json.hpp"
#include "host/sessions/within.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

namespace viaduct::sessions {
namespace {

constexpr std::uint32_t kNewest = 100;  // entries loaded with a session
constexpr std::size_t kNewestBytes = 1 << 20;
constexpr std::chrono::milliseconds kLookAgain{20};
// Somebody who asks for an unknown id again and again is answered from the last listing.
constexpr std::chrono::milliseconds kListingIsGood{3000};
constexpr std::size_t kCandidates = 5;  // named when the beginning of an id is ambiguous

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t kMintedSize = 28;

std::string no_such_backend(const Principal& who, const std::string& name,
                            const std::vector<std::string>& there) {
  std::string message = "The surface " + who.surface + " has no backend named " + name;
  for (const std::string& one : there)
    message += (&one == &there.front() ? "; there is " : ", ") + one;
  return message;
}

// 128 random bits, never reused: "s_" and 26 characters of base 32.
std::string mint_id() {
  std::array<unsigned char, kMintedSize - 2> bytes{};
  [[maybe_unused]] const auto got = ::getrandom(bytes.data(), bytes.size(), 0);
  std::string id = "s_";
  for (const unsigned char byte : bytes) id += kAlphabet[byte % 32];
  return id;
}

bool is_minted(std::string_view id) {
  return id.size() == kMintedSize && id.starts_with("s_") &&
         id.substr(2).find_first_not_of(kAlphabet) == std::string_view::npos;
}

std::string project_of(const std::string& working_dir) {
  auto path = std::filesystem::path(expand_home(working_dir)).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = path.filename().string();
  return name.empty() ? "/" : name;
}

Error not_found() {
  return {Errc::not_found, "There is no such session"};
}

Result<> check(const Message& message, const Limits& limits) {
  if (message.text.find_first_not_of(" \t\r\n") == std::string::npos && message.blocks.empty())
    return fail(Errc::invalid_argument, "The message is empty");
  if (message.key.empty() || message.key.size() > 200)
    return fail(Errc::invalid_argument, "The message needs a key of 1 to 200 bytes");
  if (message.blocks.size() > limits.attached_bytes)
    return fail(Errc::invalid_argument, "What is attached to the message is larger than " +
                                            std::to_string(limits.attached_bytes) + " bytes");
  if (message.text.size() + message.context.size() > limits.message_bytes)
    return fail(Errc::invalid_argument,
                "The message is longer than " + std::to_string(limits.message_bytes) + " bytes");
  return {};
}

}  // namespace

class Sessions::Impl {
 public:
  using ConversationPtr = std::shared_ptr<Conversation>;

  Impl(Loop& loop, store::Store& store, Metrics& metrics, Logger& log, Limits limits)
      : kept_(std::make_shared<Shared>(Shared{loop, store, metrics, log, limits})),
        shared_(*kept_),
        discovery_(shared_,
                   [this](const Principal& who, const std::string& backend,
                          const std::string& working_dir) {
                     return new_record(who, backend, working_dir);
                   }),
        sinks_(loop, [this](Handle handle) { wake(handle); }) {
    shared_.sinks = &sinks_;
    shared_.epoch = store.epoch();
    shared_.backend = [this](const std::string& name) -> Backend* {
      const auto found = backends_.find(name);
      return found == backends_.end() ? nullptr : found->second;
    };
    shared_.no_backend = [this, usual = shared_.no_backend](const std::string& name) {
      const bool configured = std::ranges::any_of(surfaces_, [&](const auto& surface) {
        return std::ranges::find(surface.second.backends, name) != surface.second.backends.end();
      });
      if (configured) return usual(name);
      return Error{Errc::failed_precondition,
                   "The backend " + name +
                       " is not configured any more: list it in the configuration again and run "
                       "`viaduct reload`, or begin a new session with another one"};
    };
    shared_.route_handle = [this](Handle handle, std::weak_ptr<Conversation> conversation) {
      handles_[handle] = std::move(conversation);
    };
    shared_.forget_handle = [this](Handle handle) { handles_.erase(handle); };
    shared_.forget_subscription = [this](SubscriptionId id) { subscriptions_.erase(id); };
    shared_.with_session = [this](const std::string& id, auto use) {
      load(id, [use = std::move(use)](Result<ConversationPtr> found) mutable {
        if (found) use(**found);
      });
    };
  }

  ~Impl() {
    shared_.backend = [](const std::string&) -> Backend* { return nullptr; };
    shared_.no_backend = [](const std::string&) {
      return Error{Errc::unavailable, "The host is stopping; try again soon"};
    };
    shared_.route_handle = [](Handle, std::weak_ptr<Conversation>) {};
    shared_.forget_handle = [](Handle) {};
    shared_.forget_subscription = [](SubscriptionId) {};
    shared_.with_session = [](const std::string&, auto) {};
  }

  void wake(Handle handle) {
    const auto found = handles_.find(handle);
    if (found == handles_.end()) return;
    if (const ConversationPtr conversation = found->second.lock()) conversation->wake(handle);
  }

  // Has the session in memory and hands it to `use`; never inside the call, and not before what an
  // earlier host left open is taken up.
  void load(const std::string& id, Done<ConversationPtr> use) {
    if (recovered_) return load(id, kNewest, kNewestBytes, std::move(use));
    before_recovery_.push_back(
        [this, id, use = std::move(use)]() mutable { load(id, std::move(use)); });
  }

  void load(const std::string& id, std::uint32_t newest, std::size_t bytes,
            Done<ConversationPtr> use) {
    if (purging_.contains(id))  // it stays if its backend fails
      return shared_.loop.post([use = std::move(use)]() mutable {
        use(fail(Errc::unavailable, "The session is about to be deleted"));
      });
    if (const auto found = conversations_.find(id); found != conversations_.end()) {
      return shared_.loop.post([conversation = found->second, use = std::move(use)]() mutable {
        use(std::move(conversation));
      });
    }
    auto& waiting = loading_[id];
    waiting.push_back(std::move(use));
    if (waiting.size() > 1) return;
    shared_.store.session(id, [this, id, newest, bytes](Result<store::Session> record) {
      if (!record) return loaded(id, std::unexpected(record.error()));
      shared_.store.entries(
          id, 0, newest, bytes,
          [this, id, record = std::move(*record)](Result<store::EntryPage> page) mutable {
            if (!page) return loaded(id, std::unexpected(page.error()));
            make_room();
            auto conversation = std::make_shared<Conversation>(
                kept_, std::move(record), std::move(page->entries), !page->more);
            conversations_[id] = conversation;
            loaded(id, std::move(conversation));
          });
    });
  }

  void loaded(const std::string& id, Result<ConversationPtr> conversation) {
    auto waiting = std::move(loading_[id]);
    loading_.erase(id);
    if (!conversation && conversation.error().code == Errc::not_found)
      conversation = std::unexpected(not_found());
    for (auto& use : waiting) use(conversation);
  }

  void make_room() {
    if (conversations_.size() < shared_.limits.resident_sessions) return;
    int looked_at = 0;
    for (auto item = conversations_.begin(); item != conversations_.end() && looked_at < 64;
         ++looked_at) {
      if (item->second->idle() && item->second.use_count() == 1) {
        item->second->release();
        item = conversations_.erase(item);
      } else {
        ++item;
      }
    }
  }

  // The session, if it is the principal's.
  void with(const Principal& who, std::string id, Done<ConversationPtr> use) {
    load(id, [owner = who.owner(), use = std::move(use)](Result<ConversationPtr> found) mutable {
      if (found && (*found)->record().owner != owner) found = std::unexpected(not_found());
      use(std::move(found));
    });
  }

  template <class Answer, class Use>
  void with_or_fail(const Principal& who, std::string id, Done<Answer> done, Use use) {
    with(who, std::move(id),
         [done = std::move(done), use = std::move(use)](Result<ConversationPtr> found) mutable {
           if (!found) return done(std::unexpected(found.error()));
           use(**found, std::move(done));
         });
  }

  SessionView view(store::Session record) {
    const auto found = conversations_.find(record.id);
    return found == conversations_.end() ? SessionView{std::move(record)} : found->second->view();
  }

  store::Session new_record(const Principal& who, const std::string& backend,
                            const std::string& working_dir) const;
  void create(Principal who, CreateOptions options, Done<SessionView> done);
  void resume(Principal who, std::string id, Done<ResumeAnswer> done);
  void resume_unknown(Principal who, std::string id, Done<ResumeAnswer> done);
  void adopt_unknown(Principal who, std::string id, std::vector<std::string> names,
                     Done<ResumeAnswer> done);
  void discover(std::string backend, std::uint32_t limit, Done<DiscoverAnswer> done);
  void discover(Principal who, DiscoverQuery query, Done<DiscoverAnswer> done);
  Result<std::vector<std::string>> discovering(const Principal& who,
                                               const std::string& backend) const;
  void adopt(Principal who, std::string id, std::string backend, Done<AdoptAnswer> done);
  void purge(PurgeQuery query, Done<PurgeAnswer> done);
  bool may_go(const std::string& id, store::Micros inactive_since) const;
  std::pair<OpenRequest, Done<BackendAnswer>> opening(store::Session record,
                                                      std::vector<store::Entry> log,
                                                      const char* what, Done<SessionView> done);
  void keep(Handle handle, std::shared_ptr<Sink> sink, store::Session record,
            std::vector<store::Entry> log, Done<SessionView> done);
  void let_go(Handle handle, const std::string& backend);
  void fork(Principal who, std::string id, Done<SessionView> done);
  void list(store::SessionQuery query, Done<ListAnswer> done);
  void recover(Done<> done);
  void stop(Done<> done);
  void stop_when_quiet(std::chrono::steady_clock::time_point limit, Done<> done);

  const std::shared_ptr<Shared> kept_;
  Shared& shared_;
  std::map<std::string, Backend*> backends_;
  std::map<std::string, SurfaceBackends> surfaces_;
  std::unordered_map<Handle, std::weak_ptr<Conversation>> handles_;
  std::unordered_map<SubscriptionId, std::weak_ptr<Conversation>> subscriptions_;
  std::unordered_map<std::string, std::vector<Done<ConversationPtr>>> loading_;
  std::unordered_map<std::string, ConversationPtr> conversations_;
  std::unordered_map<std::string, ConversationPtr> purging_;  // nobody gets these; may be null
  bool purge_runs_ = false;
  Discovery discovery_;
  bool recovered_ = false;
  std::vector<std::move_only_function<void()>> before_recovery_;
  Sinks sinks_;  // last: what is posted finds it gone before the rest
};

store::Session Sessions::Impl::new_record(const Principal& who, const std::string& backend,
                                          const std::string& working_dir) const {
  store::Session record;
  record.id = mint_id();
  record.owner = who.owner();
  record.surface = who.surface;
  record.user_id = who.user_id;
  record.backend = backend;
  if (const Backend* from = shared_.backend(backend)) record.agent_type = from->info().agent_type;
  record.working_dir = working_dir;
  record.project_id = project_of(working_dir);
  record.folder_id = folder_id(working_dir);
  record.created_at = record.last_active = now();
  record.host_epoch = shared_.epoch;
  return record;
}

void Sessions::Impl::create(Principal who, CreateOptions options, Done<SessionView> done) {
  const auto later = [&](Error error) {
    shared_.loop.post([done = std::move(done), error = std::move(error)]() mutable {
      done(std::unexpected(std::move(error)));
    });
  };
  if (shared_.stopping) return later({Errc::unavailable, "The host is stopping; try again soon"});
  const SurfaceBackends& allowed = surfaces_[who.surface];
  const std::string& name = options.backend.empty() ? allowed.default_backend : options.backend;
  if (name.empty())
    return later({Errc::failed_precondition,
                  "The surface " + who.surface +
                      " has no backend; add `backend: NAME` to it in the configuration"});
  if (std::ranges::find(allowed.backends, name) == allowed.backends.end())
    return later({Errc::invalid_argument, no_such_backend(who, name, allowed.backends)});
  Backend* backend = shared_.backend(name);
  if (!backend) return later({Errc::unavailable, "The backend " + name + " is not running"});

  store::Session record = new_record(who, name, options.working_dir);
  record.create_key = options.key;
  record.description = options.description;
  auto [request, opened] = opening(std::move(record), {}, "Opening the session", std::move(done));
  backend->open(std::move(request), std::move(opened));
}

// What to ask a backend for a new session with, and what takes its answer. What the backend says
// until the session is stored waits in the sink.
auto Sessions::Impl::opening(store::Session record, std::vector<store::Entry> log, const char* what,
                             Done<SessionView> done)
    -> std::pair<OpenRequest, Done<BackendAnswer>> {
  const Handle handle = shared_.next_handle++;
  OpenRequest request{handle, record.id, record.working_dir, "", "", record.options};
  return {std::move(request),
          within<BackendAnswer>(
              shared_.loop, kOpenLimit, what,
              [this, handle, sink = sinks_.open(handle), record = std::move(record),
               log = std::move(log), done = std::move(done)](Result<BackendAnswer> answer) mutable {
                if (!answer) {
                  let_go(handle, record.backend);
                  return done(std::unexpected(answer.error()));
                }
                record.native_id = answer->native_id;
                record.native_at = now();
                keep(handle, std::move(sink), std::move(record), std::move(log), std::move(done));
              })};
}

void Sessions::Impl::let_go(Handle handle, const std::string& backend) {
  sinks_.close(handle);
  if (Backend* held_by = shared_.backend(backend))
    held_by->close(handle, false, [](Result<BackendAnswer>) {});
}

// Stores a new session whose handle is open; only then is it there for anybody.
void Sessions::Impl::keep(Handle handle, std::shared_ptr<Sink> sink, store::Session record,
                          std::vector<store::Entry> log, Done<SessionView> done) {
  std::vector<store::Write> writes{store::PutSession{record},
                                   store::AddAudit{{now(), record.id, "created", "{}"}}};
  for (const store::Entry& entry : log) writes.push_back(store::AddEntry{entry});
  shared_.store.write(
      std::move(writes), [this, handle, sink = std::move(sink), record, log = std::move(log),
                          done = std::move(done)](Result<> stored) mutable {
        if (!stored) {
          let_go(handle, record.backend);
          if (stored.error().code != Errc::conflict || record.create_key.empty())
            return done(std::unexpected(stored.error()));
          return shared_.store.session_by_key(
              record.owner, record.create_key,
              [this, done = std::move(done)](Result<store::Session> first) mutable {
                if (!first) return done(std::unexpected(first.error()));
                done(view(std::move(*first)));
              });
        }
        shared_.metrics.count("viaduct_sessions_created_total", {{"backend", record.backend}});
        shared_.log.info("session created session={} surface={} backend={}", record.id,
                         record.surface, record.backend);
        make_room();
        auto conversation = std::make_shared<Conversation>(kept_, record, std::move(log), true);
        conversation->adopt(handle, std::move(sink));
        conversations_[record.id] = conversation;
        done(conversation->view());
      });
}

void Sessions::Impl::fork(Principal who, std::string id, Done<SessionView> done) {
  with_or_fail(
      who, std::move(id), std::move(done), [this](Conversation& found, Done<SessionView> answered) {
        const ConversationPtr source = found.shared_from_this();
        Backend* backend = shared_.backend(source->record().backend);
        if (!backend)
          return answered(std::unexpected(shared_.no_backend(source->record().backend)));
        const std::uint64_t can = backend->info().can;
        if (!(can & (VIADUCT_CAN_FORK | VIADUCT_CAN_INJECT)))
          return answered(fail(Errc::unsupported, "The backend cannot copy a session"));
        source->prepare_fork(
            [this, source, answered = std::move(answered)](Result<Handle> from) mutable {
              if (!from) return answered(std::unexpected(from.error()));
              source->whole_log(
                  0, {}, shared_.limits.content_bytes,
                  [this, source, from = *from,
                   answered = std::move(answered)](Result<std::vector<store::Entry>> log) mutable {
                    Backend* to = shared_.backend(source->record().backend);
                    if (!log || !to)
                      return answered(log ? fail(Errc::unavailable, "The backend is not running")
                                          : std::unexpected(log.error()));
                    store::Session copy = source->record();
                    copy.id = mint_id();
                    copy.create_key.clear();
                    copy.previous_native_id.clear();
                    copy.created_at = copy.last_active = now();
                    copy.ended = false;
                    copy.failures = 0;
                    const std::uint64_t open_turn = source->first_open_turn();
                    std::erase_if(
                        *log, [&](const store::Entry& entry) { return entry.turn >= open_turn; });
                    copy.last_turn = open_turn - 1;
                    copy.last_entry = 0;
                    for (store::Entry& entry : *log) {
                      entry.session_id = copy.id;
                      entry.number = ++copy.last_entry;
                      entry.complete = true;
                    }
                    const bool forks = to->info().can & VIADUCT_CAN_FORK;
                    std::string said = forks ? "" : transcript(*log);
                    auto [request, opened] = opening(std::move(copy), std::move(*log),
                                                     "Copying the session", std::move(answered));
                    if (forks) return to->fork(from, std::move(request), std::move(opened));
                    request.transcript = std::move(said);
                    to->inject(std::move(request), std::move(opened));
                  });
            });
      });
}

// ---------------------------------------------------------------- resume, adopt

void Sessions::Impl::resume(Principal who, std::string id, Done<ResumeAnswer> done) {
  with(who, id, [this, who, id, done = std::move(done)](Result<ConversationPtr> found) mutable {
    if (found) return (*found)->resume(std::move(done));
    if (found.error().code != Errc::not_found || id.size() < kShortestPrefix)
      return done(std::unexpected(found.error()));
    shared_.store.sessions_by_prefix(
        who.owner(), id, kCandidates + 1,
        [this, who, id, done = std::move(done)](Result<std::vector<store::Session>> own) mutable {
          if (!own) return done(std::unexpected(own.error()));
          if (own->empty()) return resume_unknown(std::move(who), std::move(id), std::move(done));
          if (own->size() > 1) {
            std::string message = "Several of your sessions begin with " + id + ":";
            for (std::size_t i = 0; i < own->size() && i < kCandidates; ++i)
              message += "\n  " + (*own)[i].id + "  " + (*own)[i].project_id + "  " +
                         rfc3339((*own)[i].last_active).substr(0, 10);
            if (own->size() > kCandidates) message += "\n  …";
            return done(fail(Errc::invalid_argument, std::move(message)));
          }
          with_or_fail(who, own->front().id, std::move(done),
                       [](Conversation& one, Done<ResumeAnswer> answered) {
                         one.resume(std::move(answered));
                       });
        });
  });
}

// Whoever is not the local principal is not told what lies on this machine.
void Sessions::Impl::resume_unknown(Principal who, std::string id, Done<ResumeAnswer> done) {
  const auto names = discovering(who, "");
  if (!who.is_local() || !names || names->empty() || id.size() > kLongestId)
    return done(std::unexpected(not_found()));
  if (!is_minted(id)) return adopt_unknown(std::move(who), std::move(id), *names, std::move(done));
  // One that was made here, or for somebody else, is no other program's.
  shared_.store.audit(
      id, 1,
      [this, who, id, names = *names,
       done = std::move(done)](Result<std::vector<store::AuditRecord>> own) mutable {
        if (!own) return done(std::unexpected(own.error()));
        if (!own->empty()) return done(std::unexpected(not_found()));
        adopt_unknown(std::move(who), std::move(id), std::move(names), std::move(done));
      });
}

void Sessions::Impl::adopt_unknown(Principal who, std::string id, std::vector<std::string> names,
                                   Done<ResumeAnswer> done) {
  discovery_.adopt(who, std::move(id), std::move(names), kListingIsGood,
                   [this, who, done = std::move(done)](Result<Discovered> adopted) mutable {
                     if (!adopted) {
                       const Errc code = adopted.error().code;
                       if (code == Errc::not_found || code == Errc::conflict)
                         return done(std::unexpected(not_found()));
                       return done(std::unexpected(adopted.error()));
                     }
                     with_or_fail(who, adopted->session_id, std::move(done),
                                  [](Conversation& one, Done<ResumeAnswer> answered) {
                                    one.resume(std::move(answered));
                                  });
                   });
}

// The backends of the surface that can discover, its default first; or the one by this name.
Result<std::vector<std::string>> Sessions::Impl::discovering(const Principal& who,
                                                             const std::string& backend) const {
  const auto surface = surfaces_.find(who.surface);
  std::vector<std::string> names;
  if (surface != surfaces_.end()) {
    names = surface->second.backends;
    const auto first = std::ranges::find(names, surface->second.default_backend);
    if (first != names.end()) std::rotate(names.begin(), first, first + 1);
  }
  if (!backend.empty()) {
    if (std::ranges::find(names, backend) == names.end())
      return fail(Errc::invalid_argument, no_such_backend(who, backend, names));
    names = {backend};
  }
  // One that does not run may be able to: only who names it is told so.
  std::erase_if(names, [&](const std::string& name) {
    const Backend* found = shared_.backend(name);
    return found ? !(found->info().can & VIADUCT_CAN_DISCOVER) : backend.empty();
  });
  return names;
}

namespace {

Error for_operators() {
  return {Errc::permission_denied,
          "What other programs left on this machine is for operators of the bot alone"};
}

Done<DiscoverAnswer> at_most(std::uint32_t limit, Done<DiscoverAnswer> done) {
  return [limit, done = std::move(done)](Result<DiscoverAnswer> found) mutable {
    if (found && found->sessions.size() > limit) {
      found->left_out = found->sessions.size() - limit;
      found->sessions.resize(limit);
    }
    done(std::move(found));
  };
}

}  // namespace

void Sessions::Impl::discover(std::string backend, std::uint32_t limit, Done<DiscoverAnswer> done) {
  std::vector<std::string> names;
  for (const auto& [name, one] : backends_)
    if (backend.empty() ? (one->info().can & VIADUCT_CAN_DISCOVER) != 0 : name == backend)
      names.push_back(name);
  if (!backend.empty()) {
    const auto refused =
        names.empty()
            ? std::optional(Error{Errc::not_found, "There is no backend named " + backend +
                                                       ", or it is not running"})
        : backends_[backend]->info().can & VIADUCT_CAN_DISCOVER
            ? std::nullopt
            : std::optional(Error{Errc::unsupported, "The backend " + backend +
                                                         " finds no sessions of other programs"});
    if (refused)
      return shared_.loop.post([done = std::move(done), error = *refused]() mutable {
        done(std::unexpected(std::move(error)));
      });
  }
  discovery_.discover(std::move(names), at_most(limit, std::move(done)));
}

void Sessions::Impl::discover(Principal who, DiscoverQuery query, Done<DiscoverAnswer> done) {
  auto names = discovering(who, query.backend);
  if (names && !query.backend.empty() && names->empty())
    names = fail(Errc::unsupported,
                 "The backend " + query.backend + " finds no sessions of other programs");
  if (!who.is_operator) names = std::unexpected(for_operators());
  if (!names)
    return shared_.loop.post([done = std::move(done), error = names.error()]() mutable {
      done(std::unexpected(std::move(error)));
    });
  discovery_.discover(std::move(*names), at_most(query.limit, std::move(done)));
}

void Sessions::Impl::adopt(Principal who, std::string id, std::string backend,
                           Done<AdoptAnswer> done) {
  auto names = discovering(who, backend);
  if (names && names->empty())
    names = fail(Errc::unsupported,
                 "No backend of the surface " + who.surface + " finds sessions of other programs");
  if (id.empty()) names = fail(Errc::invalid_argument, "The id is empty");
  if (shared_.stopping) names = fail(Errc::unavailable, "The host is stopping");
  if (!who.is_operator) names = std::unexpected(for_operators());
  if (!names)
    return shared_.loop.post([done = std::move(done), error = names.error()]() mutable {
      done(std::unexpected(std::move(error)));
    });
  discovery_.adopt(
      who, std::move(id), *names, {},
      [this, who, done = std::move(done)](Result<Discovered> adopted) mutable {
        if (!adopted) return done(std::unexpected(adopted.error()));
        with(who, adopted->session_id,
             [from = *adopted, done = std::move(done)](Result<ConversationPtr> found) mutable {
               if (!found) return done(std::unexpected(found.error()));
               const ConversationPtr one = *found;
               one->resume([one, from = std::move(from),
                            done = std::move(done)](Result<ResumeAnswer> resumed) mutable {
                 AdoptAnswer answer{one->view(), std::move(from), "", std::nullopt};
                 if (resumed)
                   answer.context = resumed->context;
                 else
                   answer.not_resumed = resumed.error();
                 done(std::move(answer));
               });
             });
      });
}

// ---------------------------------------------------------------- purge

bool Sessions::Impl::may_go(const std::string& id, store::Micros inactive_since) const {
  if (loading_.contains(id) || purging_.contains(id)) return false;
  const auto found = conversations_.find(id);
  return found == conversations_.end() ||
         (found->second.use_count() == 1 && found->second->settled() &&
          found->second->record().last_active < inactive_since);
}

void Sessions::Impl::purge(PurgeQuery query, Done<PurgeAnswer> done) {
  const auto later = [&](Error error) {
    shared_.loop.post([done = std::move(done), error = std::move(error)]() mutable {
      done(std::unexpected(std::move(error)));
    });
  };
  if (!recovered_ || shared_.stopping)
    return later({Errc::unavailable, "The host is starting or stopping; try again soon"});
  if (purge_runs_) return later({Errc::busy, "Another purge is under way"});
  purge_runs_ = true;
  Purge::Access access{
      [this](const std::string& id, store::Micros since) { return may_go(id, since); },
      [this](const std::string& id) {
        ConversationPtr& held = purging_[id];
        if (const auto found = conversations_.find(id); found != conversations_.end()) {
          held = std::move(found->second);
          held->release();
          conversations_.erase(found);
        }
      },
      [this](const std::string& id, bool deleted) {
        auto held = purging_.extract(id);
        if (!held || !held.mapped()) return;
        if (deleted)
          held.mapped()->remove();
        else
          conversations_[id] = std::move(held.mapped());
      }};
  std::make_shared<Purge>(kept_, std::move(access), query,
                          [this, done = std::move(done)](Result<PurgeAnswer> answer) mutable {
                            purge_runs_ = false;
                            done(std::move(answer));
                          })
      ->begin();
}

void Sessions::Impl::list(store::SessionQuery query, Done<ListAnswer> done) {
  shared_.store.sessions(std::move(query),
                         [this, done = std::move(done)](Result<store::SessionPage> page) mutable {
                           if (!page) return done(std::unexpected(page.error()));
                           ListAnswer answer{{}, std::move(page->next)};
                           for (store::Session& record : page->sessions)
                             answer.sessions.push_back(view(std::move(record)));
                           done(std::move(answer));
                         });
}

void Sessions::Impl::recover(Done<> done) {
  shared_.store.open_turns(
      "", [this, done = std::move(done)](Result<std::vector<store::Turn>> open) mutable {
        if (!open) return done(std::unexpected(open.error()));
        std::map<std::string, std::vector<store::Turn>> by_session;
        for (store::Turn& turn : *open) by_session[turn.session_id].push_back(std::move(turn));
        auto left = std::make_shared<std::size_t>(by_session.size() + 1);
        const auto one = [this, left, all = std::make_shared<Done<>>(std::move(done))] {
          if (--*left > 0) return;
          recovered_ = true;
          for (auto& waiting : std::exchange(before_recovery_, {})) waiting();
          (*all)({});
        };
        for (auto& [session_id, open_turns] : by_session) {
          const std::string id = session_id;
          auto turns = std::move(open_turns);
          shared_.log.warn("session was interrupted session={} turns={}", id, turns.size());
          // As far back as the first open turn began.
          shared_.store.session(id, [this, id, turns = std::move(turns),
                                     one](Result<store::Session> record) mutable {
            std::uint64_t first = UINT64_MAX;
            for (const store::Turn& turn : turns) first = std::min(first, turn.message_entry);
            const std::uint64_t count =
                record && record->last_entry >= first ? record->last_entry - first + 1 : 0;
            load(id, static_cast<std::uint32_t>(std::max<std::uint64_t>(count, kNewest)), SIZE_MAX,
                 [this, id, turns = std::move(turns), one](Result<ConversationPtr> found) mutable {
                   if (found)
                     (*found)->take_up(std::move(turns));
                   else
                     shared_.log.error("session not taken up session={} reason={}", id,
                                       found.error().message);
                   one();
                 });
          });
        }
        one();
      });
}

void Sessions::Impl::stop(Done<> done) {
  shared_.stopping = true;
  stop_when_quiet(std::chrono::steady_clock::now() + shared_.limits.drain, std::move(done));
}

void Sessions::Impl::stop_when_quiet(std::chrono::steady_clock::time_point limit, Done<> done) {
  const bool quiet =
      std::ranges::none_of(conversations_, [](const auto& item) { return item.second->busy(); });
  if (!quiet && std::chrono::steady_clock::now() < limit) {
    auto timer = std::make_shared<boost::asio::steady_timer>(shared_.loop.context(), kLookAgain);
    return timer->async_wait(
        [this, timer, limit, done = std::move(done)](boost::system::error_code) mutable {
          stop_when_quiet(limit, std::move(done));
        });
  }
  auto left = std::make_shared<std::size_t>(conversations_.size() + purging_.size() + 1);
  auto all = std::make_shared<Done<>>(std::move(done));
  const auto one = [left, all](Result<>) {
    if (--*left == 0) (*all)({});
  };
  for (const auto& item : conversations_) item.second->stop(one);
  for (const auto& [id, conversation] : purging_)
    conversation ? conversation->stop(one) : shared_.loop.post([one] { one({}); });
  shared_.loop.post([one] { one({}); });
}

// ---------------------------------------------------------------- the service

Sessions::Sessions(Loop& loop, store::Store& store, Metrics& metrics, Logger& log, Limits limits)
    : impl_(std::make_unique<Impl>(loop, store, metrics, log, limits)) {}
Sessions::~Sessions() = default;

void Sessions::recover(Done<> done) {
  impl_->recover(std::move(done));
}

void Sessions::add_backend(std::string name, Backend& backend) {
  impl_->backends_[name] = &backend;
  for (const auto& [id, conversation] : impl_->conversations_)
    if (conversation->record().backend == name) conversation->backend_back();
}

void Sessions::remove_backend(std::string name, Done<> done) {
  for (const auto& [id, conversation] : impl_->conversations_)
    if (conversation->record().backend == name)
      conversation->backend_gone("The backend " + name + " was stopped");
  impl_->backends_.erase(name);
  impl_->shared_.loop.post([done = std::move(done)]() mutable { done({}); });
}

void Sessions::set_surface(std::string surface, SurfaceBackends backends) {
  impl_->surfaces_[std::move(surface)] = std::move(backends);
}

viaduct_flow Sessions::emit(Handle session, BackendEvent event) {
  // Here and not on the loop: it may be megabytes.
  if (event.kind == VIADUCT_EVENT_CONTENT) event = checked_content(std::move(event));
  return impl_->sinks_.emit(session, std::move(event));
}

void Sessions::create(Principal who, CreateOptions options, Done<SessionView> done) {
  impl_->create(std::move(who), std::move(options), std::move(done));
}

void Sessions::send(Principal who, std::string session_id, Message message, Done<SendAnswer> done) {
  if (const auto fine = check(message, impl_->shared_.limits); !fine)
    return impl_->shared_.loop.post([done = std::move(done), error = fine.error()]() mutable {
      done(std::unexpected(std::move(error)));
    });
  impl_->with_or_fail(
      who, std::move(session_id), std::move(done),
      [who, message = std::move(message)](Conversation& found, Done<SendAnswer> answered) mutable {
        found.send(std::move(who), std::move(message), std::move(answered), nullptr);
      });
}

void Sessions::ask(Principal who, std::string session_id, Message message, Done<AskAnswer> done) {
  if (const auto fine = check(message, impl_->shared_.limits); !fine)
    return impl_->shared_.loop.post([done = std::move(done), error = fine.error()]() mutable {
      done(std::unexpected(std::move(error)));
    });
  impl_->with_or_fail(
      who, std::move(session_id), std::move(done),
      [who, message = std::move(message)](Conversation& found, Done<AskAnswer> answered) mutable {
        found.send(std::move(who), std::move(message), nullptr, std::move(answered));
      });
}

void Sessions::cancel(Principal who, std::string session_id, std::uint64_t turn, Done<> done) {
  impl_->with_or_fail(
      who, std::move(session_id), std::move(done),
      [turn](Conversation& found, Done<> answered) { found.cancel(turn, std::move(answered)); });
}

void Sessions::answer(Principal who, std::string session_id, std::uint64_t entry,
                      std::string option, Done<PermissionAnswer> done) {
  impl_->with_or_fail(who, std::move(session_id), std::move(done),
                      [who, entry, option = std::move(option)](
                          Conversation& found, Done<PermissionAnswer> answered) mutable {
                        found.answer(std::move(who), entry, std::move(option), std::move(answered));
                      });
}

void Sessions::resume(Principal who, std::string session_id, Done<ResumeAnswer> done) {
  impl_->resume(std::move(who), std::move(session_id), std::move(done));
}

void Sessions::end(Principal who, std::string session_id, Done<> done) {
  impl_->with_or_fail(who, std::move(session_id), std::move(done),
                      [](Conversation& found, Done<> answered) { found.end(std::move(answered)); });
}

void Sessions::list(Principal who, ListQuery query, Done<ListAnswer> done) {
  impl_->list({who.owner(), std::move(query.before), query.limit, query.active}, std::move(done));
}

void Sessions::get(Principal who, std::string session_id, Done<SessionView> done) {
  impl_->with_or_fail(
      who, std::move(session_id), std::move(done),
      [](Conversation& found, Done<SessionView> answered) { answered(found.view()); });
}

void Sessions::history(Principal who, std::string session_id, std::uint64_t before,
                       std::uint32_t limit, Done<HistoryAnswer> done) {
  impl_->with_or_fail(who, std::move(session_id), std::move(done),
                      [before, limit](Conversation& found, Done<HistoryAnswer> answered) {
                        found.history(before, limit, std::move(answered));
                      });
}

void Sessions::rename(Principal who, std::string session_id, std::string title,
                      Done<SessionView> done) {
  impl_->with_or_fail(
      who, std::move(session_id), std::move(done),
      [title = std::move(title)](Conversation& found, Done<SessionView> answered) mutable {
        found.rename(std::move(title), std::move(answered));
      });
}

void Sessions::compact(Principal who, std::string session_id, Done<> done) {
  impl_->with_or_fail(
      who, std::move(session_id), std::move(done),
      [](Conversation& found, Done<> answered) { found.compact(std::move(answered)); });
}

void Sessions::fork(Principal who, std::string session_id, Done<SessionView> done) {
  impl_->fork(std::move(who), std::move(session_id), std::move(done));
}

void Sessions::set_option(Principal who, std::string session_id, std::string option,
                          std::string value, Done<std::string> done) {
  impl_->with_or_fail(who, std::move(session_id), std::move(done),
                      [option = std::move(option), value = std::move(value)](
                          Conversation& found, Done<std::string> answered) mutable {
                        found.set_option(std::move(option), std::move(value), std::move(answered));
                      });
}

void Sessions::subscribe(Principal who, std::string session_id, Cursor cursor,
                         Subscriber& subscriber, Done<SubscriptionId> done) {
  impl_->with_or_fail(
      who, std::move(session_id), std::move(done),
      [this, cursor, &subscriber](Conversation& found, Done<SubscriptionId> answered) {
        const SubscriptionId id = impl_->shared_.next_subscription++;
        impl_->subscriptions_[id] = found.weak_from_this();
        found.subscribe(id, cursor, subscriber, std::move(answered));
      });
}

void Sessions::unsubscribe(SubscriptionId subscription) {
  const auto found = impl_->subscriptions_.find(subscription);
  if (found == impl_->subscriptions_.end()) return;
  if (const auto conversation = found->second.lock()) conversation->unsubscribe(subscription);
  impl_->subscriptions_.erase(subscription);
}

void Sessions::list_all(ListQuery query, Done<ListAnswer> done) {
  impl_->list({"", std::move(query.before), query.limit, query.active}, std::move(done));
}

void Sessions::end_any(std::string session_id, Done<> done) {
  impl_->load(session_id, [done = std::move(done)](Result<Impl::ConversationPtr> found) mutable {
    if (!found) return done(std::unexpected(found.error()));
    (*found)->end(std::move(done));
  });
}

void Sessions::get_any(std::string session_id, Done<SessionView> done) {
  impl_->load(session_id, [done = std::move(done)](Result<Impl::ConversationPtr> found) mutable {
    if (!found) return done(std::unexpected(found.error()));
    done((*found)->view());
  });
}

void Sessions::history_any(std::string session_id, std::uint64_t before, std::uint32_t limit,
                           Done<HistoryAnswer> done) {
  impl_->load(session_id,
              [before, limit, done = std::move(done)](Result<Impl::ConversationPtr> found) mutable {
                if (!found) return done(std::unexpected(found.error()));
                (*found)->history(before, limit, std::move(done));
              });
}

void Sessions::audit_any(std::string session_id, std::uint32_t limit,
                         Done<std::vector<store::AuditRecord>> done) {
  impl_->shared_.store.audit(
      session_id, limit,
      [done = std::move(done)](Result<std::vector<store::AuditRecord>> found) mutable {
        if (found && found->empty()) found = std::unexpected(not_found());
        done(std::move(found));
      });
}

void Sessions::discover(std::string backend, std::uint32_t limit, Done<DiscoverAnswer> done) {
  impl_->discover(std::move(backend), limit, std::move(done));
}

void Sessions::discover(Principal who, DiscoverQuery query, Done<DiscoverAnswer> done) {
  impl_->discover(std::move(who), std::move(query), std::move(done));
}

void Sessions::adopt(Principal who, std::string id, std::string backend, Done<AdoptAnswer> done) {
  impl_->adopt(std::move(who), std::move(id), std::move(backend), std::move(done));
}

void Sessions::purge(PurgeQuery query, Done<PurgeAnswer> done) {
  impl_->purge(query, std::move(done));
}

void Sessions::stop(Done<> done) {
  impl_->stop(std::move(done));
}

}  // namespace viaduct::sessions
