#include "scripted_backend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace viaduct::sessions::testing {
namespace {

class Quiet final : public LogSink {
 public:
  void write(Level, std::string_view, std::string_view) override {}
  bool enabled(Level) const override { return false; }
};

// Hands everything on to `disk`, but for the writes that shall fail.
class FaultyDisk final : public store::Store {
 public:
  FaultyDisk(std::unique_ptr<store::Store> disk, World& world)
      : loop_(*world.loop), disk_(std::move(disk)), world_(world) {}

  std::uint64_t epoch() const override { return disk_->epoch(); }
  void write(std::vector<store::Write> writes, Done<> done) override {
    if (!world_.held_writes.empty() || (world_.disk_waits && world_.disk_waits(writes)))
      return world_.held_writes.push_back(
          [this, writes = std::move(writes), done = std::move(done)]() mutable {
            disk_->write(std::move(writes), std::move(done));
          });
    if (!world_.disk_fails || !world_.disk_fails(writes))
      return disk_->write(std::move(writes), std::move(done));
    loop_.post(
        [done = std::move(done)]() mutable { done(fail(Errc::unavailable, "the disk is full")); });
  }
  void session(std::string id, Done<store::Session> d) override {
    disk_->session(id, std::move(d));
  }
  void session_by_key(std::string o, std::string k, Done<store::Session> d) override {
    disk_->session_by_key(o, k, std::move(d));
  }
  void sessions(store::SessionQuery q, Done<store::SessionPage> d) override {
    disk_->sessions(q, std::move(d));
  }
  void sessions_by_prefix(std::string owner, std::string prefix, std::uint32_t limit,
                          Done<std::vector<store::Session>> d) override {
    disk_->sessions_by_prefix(owner, prefix, limit, std::move(d));
  }
  void known_ids(std::string backend, std::string key_prefix, std::vector<std::string> ids,
                 Done<std::map<std::string, std::string>> d) override {
    disk_->known_ids(backend, key_prefix, ids, std::move(d));
  }
  void rival(std::string backend, std::string native_id, std::string id,
             Done<std::string> d) override {
    disk_->rival(backend, native_id, id, std::move(d));
  }
  void session_bytes(std::string id, Done<std::uint64_t> d) override {
    disk_->session_bytes(id, std::move(d));
  }
  void purge(std::string id, std::optional<store::AuditRecord> record, Done<> d) override {
    disk_->purge(id, std::move(record), std::move(d));
  }
  void entries(std::string id, std::uint64_t before, std::uint32_t limit, std::size_t bytes,
               Done<store::EntryPage> d) override {
    disk_->entries(id, before, limit, bytes, std::move(d));
  }
  void turn_by_key(std::string id, std::string key, Done<store::Turn> d) override {
    disk_->turn_by_key(id, key, std::move(d));
  }
  void turn(std::string id, std::uint64_t number, Done<store::Turn> d) override {
    disk_->turn(id, number, std::move(d));
  }
  void open_turns(std::string id, Done<std::vector<store::Turn>> d) override {
    disk_->open_turns(id, std::move(d));
  }
  void audit(std::string id, std::uint32_t n, Done<std::vector<store::AuditRecord>> d) override {
    disk_->audit(id, n, std::move(d));
  }
  void counts(Done<store::Counts> d) override { disk_->counts(std::move(d)); }
  store::Mail& mail() override { return disk_->mail(); }
  // What follows is not the sessions service's.
  void get_document(std::string, std::string, Done<store::Document>) override {}
  void put_document(std::string, std::string, std::string, std::uint64_t,
                    Done<std::uint64_t>) override {}
  void remove_document(std::string, std::string, std::uint64_t, Done<>) override {}
  void scan_documents(std::string, std::string, std::string, std::uint32_t,
                      Done<store::DocumentPage>) override {}
  void add_memory(std::string, store::Memory, Done<store::Memory>) override {}
  void find_memories(std::string, std::string, std::uint32_t,
                     Done<std::vector<store::Memory>>) override {}
  void work_log(std::string, Done<std::string>) override {}
  void set_work_log(std::string, std::string, Done<>) override {}
  void close() override { disk_->close(); }

 private:
  Loop& loop_;
  const std::unique_ptr<store::Store> disk_;
  World& world_;
};

}  // namespace

void ScriptedBackend::take(std::string what, Handle session, std::uint64_t turn, std::string text,
                           Done<BackendAnswer> done) {
  calls.push_back({std::move(what), session, turn, std::move(text), std::move(done)});
  const auto rule = rules.find(calls.back().what);
  if (rule == rules.end() || !calls.back().done) return;
  auto answer = rule->second(calls.back());
  reply(calls.back(), std::move(answer));
}

std::size_t ScriptedBackend::count(const std::string& what) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(calls, [&](const Call& call) { return call.what == what; }));
}

ScriptedBackend::Call& ScriptedBackend::last(const std::string& what) {
  for (auto call = calls.rbegin(); call != calls.rend(); ++call)
    if (call->what == what) return *call;
  throw std::runtime_error("the backend was not asked to " + what);
}

void ScriptedBackend::reply(Call& call, Result<BackendAnswer> answer) {
  loop_.post([done = std::move(call.done), answer = std::move(answer)]() mutable {
    if (done) done(std::move(answer));
  });
  call.done = nullptr;
}

void ScriptedBackend::end_turn(std::string native_id) {
  reply(last("prompt"), BackendAnswer{std::move(native_id), "end_turn", "{}"});
}

std::map<std::uint64_t, std::string> Recorder::texts() const {
  std::map<std::uint64_t, std::string> seen;
  for (const ChangePtr& change : changes) {
    if (change->kind == ChangeKind::reset) seen.clear();
    if (change->kind == ChangeKind::entry) {
      const auto at = change->json.find("\"text\":\"") + 8;
      seen[change->entry] = change->json.substr(at, change->json.find('"', at) - at);
    }
    if (change->kind == ChangeKind::delta) {
      EXPECT_EQ(seen[change->entry].size(), change->offset)
          << "a delta does not fit: " << change->json;
      seen[change->entry] += change->text;
    }
  }
  return seen;
}

std::vector<std::string> Recorder::kinds() const {
  std::vector<std::string> out;
  for (const ChangePtr& change : changes) {
    switch (change->kind) {
      case ChangeKind::state: out.push_back("state"); break;
      case ChangeKind::reset: out.push_back("reset"); break;
      case ChangeKind::entry: out.push_back("entry"); break;
      case ChangeKind::delta: out.push_back("delta"); break;
      case ChangeKind::live: out.push_back("live"); break;
    }
  }
  return out;
}

World::World() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sessions-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
  folder = pattern;
  start();
}

World::~World() {
  kill();
  std::filesystem::remove_all(folder);
}

void World::start() {
  loop = std::make_unique<Loop>();
  sink = std::make_unique<Quiet>();
  log_ = std::make_unique<Logger>(*sink, "sessions");
  metrics = std::make_unique<Metrics>();
  auto opened = store::open_sqlite(*loop, {folder / "viaduct.db"}, *log_);
  if (!opened) throw std::runtime_error(opened.error().message);
  store = std::make_unique<FaultyDisk>(std::move(*opened), *this);
  backend = std::make_unique<ScriptedBackend>(*loop);
  for (const char* what : {"open", "restore", "inject", "resumed", "close", "cancel", "answer"})
    backend->rules[what] = [](const ScriptedBackend::Call& call) {
      return BackendAnswer{call.what == "restore" ? call.text : "n" + std::to_string(call.session),
                           "", "{}"};
    };
  sessions = std::make_unique<Sessions>(*loop, *store, *metrics, *log_, limits);
  sessions->add_backend("agent", *backend);
  sessions->set_surface("web", {"agent", {"agent"}});
  if (before_recovery) before_recovery();
  ASSERT_TRUE(wait<void>([&](Done<> done) { sessions->recover(std::move(done)); }));
}

void World::release_writes() {
  disk_waits = nullptr;
  for (auto& write : std::exchange(held_writes, {})) write();
}

void World::kill() {
  if (!loop) return;
  held_writes.clear();
  sessions = nullptr;
  backend = nullptr;
  store->close();
  store = nullptr;
  loop = nullptr;
}

void World::until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  auto& context = loop->context();
  context.restart();
  const auto work = boost::asio::make_work_guard(context);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "the condition did not come true";
      return;
    }
    context.run_one_for(std::chrono::milliseconds(100));
  }
}

SessionView World::create(const Principal& who, const std::string& key) {
  auto created = wait<SessionView>([&](Done<SessionView> done) {
    sessions->create(who, {"", "~", "test", key}, std::move(done));
  });
  EXPECT_TRUE(created) << created.error().message;
  return created ? *created : SessionView{};
}

Result<SendAnswer> World::send(const std::string& id, const std::string& text,
                               const std::string& key) {
  return wait<SendAnswer>([&](Done<SendAnswer> done) {
    sessions->send(alice, id, {key, text, "", ""}, std::move(done));
  });
}

std::vector<store::Entry> World::log(const std::string& id) {
  auto page = wait<HistoryAnswer>(
      [&](Done<HistoryAnswer> done) { sessions->history(alice, id, 0, 500, std::move(done)); });
  EXPECT_TRUE(page);
  return page ? page->entries : std::vector<store::Entry>{};
}

std::vector<std::string> World::types(const std::string& id) {
  std::vector<std::string> out;
  for (const auto& entry : log(id)) out.push_back(entry.type);
  return out;
}

}  // namespace viaduct::sessions::testing
