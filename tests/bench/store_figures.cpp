// Fills a store, and reads from it without a host. Prints one line of JSON.
//   viaduct_store_figures sessions STORE COUNT        so many sessions of the web chat's user
//   viaduct_store_figures turns STORE SESSION TURNS [BACKEND AGENT]   one with so many turns
//   viaduct_store_figures list STORE SECONDS          the first page of 50, again and again
//   viaduct_store_figures entries STORE SESSION       the whole log of a session, once
#include "host/loop.hpp"
#include "host/principal.hpp"
#include "host/store/sqlite.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace {

using namespace viaduct;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kPage = 50;
constexpr std::uint32_t kLogPage = 500;  // as the host reads it
constexpr std::size_t kLogPageBytes = 8 << 20;
constexpr store::Micros kSecond = 1'000'000;
constexpr std::size_t kBatch = 2000;  // writes in one transaction

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "viaduct_store_figures: %s\n", why.c_str());
  std::exit(1);
}

// A store whose answers are waited for.
class Open {
 public:
  explicit Open(const std::string& path) : sink_(make_log_sink({Level::warn}, redactor_)) {
    auto store = store::open_sqlite(loop_, {path}, Logger(*sink_, "store"));
    if (!store) give_up(store.error().message);
    store_ = std::move(*store);
  }
  ~Open() { store_->close(); }

  void write(std::vector<store::Write> writes) {
    wait<void>([&](Done<> done) { store_->write(std::move(writes), std::move(done)); });
  }
  store::EntryPage entries(const std::string& session, std::uint64_t before) {
    return *wait<store::EntryPage>([&](auto done) {
      store_->entries(session, before, kLogPage, kLogPageBytes, std::move(done));
    });
  }
  store::SessionPage list(const std::string& owner) {
    return *wait<store::SessionPage>(
        [&](auto done) { store_->sessions({owner, {}, kPage, {}}, std::move(done)); });
  }

 private:
  template <class T, class Call>
  Result<T> wait(Call call) {
    std::optional<Result<T>> answer;
    call(Done<T>([&](Result<T> result) { answer = std::move(result); }));
    loop_.context().restart();
    while (!answer) loop_.context().run_one();
    if (!*answer) give_up(answer->error().message);
    return std::move(*answer);
  }

  Redactor redactor_;
  std::unique_ptr<LogSink> sink_;
  Loop loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{
      loop_.context().get_executor()};
  std::unique_ptr<store::Store> store_;
};

Principal user() {
  Principal local;
  local.surface = "chat-0";
  local.user_id = "local";
  return local;
}

store::Micros now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

store::Session session(std::string id, store::Micros at) {
  store::Session one;
  one.id = std::move(id);
  one.owner = user().owner();
  one.surface = user().surface;
  one.user_id = user().user_id;
  one.backend = "stamp";
  one.agent_type = "stamp";
  one.native_id = "stamp-" + one.id;
  one.native_at = at;
  one.working_dir = "~";
  one.title = "What was said on day " + std::to_string(at / kSecond / 86400);
  one.created_at = one.last_active = at;
  return one;
}

void fill_sessions(Open& open, std::size_t count) {
  const store::Micros last = now();
  std::vector<store::Write> writes;
  for (std::size_t i = 0; i < count; ++i) {
    char id[32];
    std::snprintf(id, sizeof id, "s_bench%09zu", i);
    writes.push_back(
        store::PutSession{session(id, last - static_cast<store::Micros>(count - i) * kSecond)});
    if (writes.size() == kBatch || i + 1 == count) open.write(std::exchange(writes, {}));
  }
}

void fill_turns(Open& open, const std::string& id, std::uint64_t turns, const std::string& backend,
                const std::string& agent) {
  const store::Micros begin = now() - static_cast<store::Micros>(turns + 60) * kSecond;
  std::string text;
  while (text.size() < 600) text += "An answer with **Markdown** of a usual length. ";
  store::Session one = session(id, begin);
  one.backend = backend;
  one.agent_type = agent;
  open.write({store::PutSession{one}});
  std::vector<store::Write> writes;
  std::uint64_t number = 0;
  for (std::uint64_t turn = 1; turn <= turns; ++turn) {
    const store::Micros at = begin + static_cast<store::Micros>(turn) * kSecond;
    const auto add = [&](const char* type, std::string said, std::string data) {
      ++number;
      writes.push_back(store::AddEntry{
          {id, number, number, turn, type, true, at, std::move(said), std::move(data)}});
      return number;
    };
    const std::string key = "key-" + std::to_string(turn);
    const auto message =
        add("user_message", "Question " + std::to_string(turn) + ", and what follows from it?",
            R"({"author":{"user_id":"local","display_name":"","surface":"chat-0"},"key":")" + key +
                "\"}");
    add("text", "Answer " + std::to_string(turn) + ". " + text, "");
    add("usage", "", R"({"inputTokens":900,"outputTokens":150})");
    add("turn_end", "", R"({"stop_reason":"end_turn","duration_ms":900})");
    writes.push_back(
        store::PutTurn{{id, turn, key, message, store::TurnState::ended, "end_turn", ""}});
    if (writes.size() >= kBatch) open.write(std::exchange(writes, {}));
  }
  one.last_active = one.native_at = now();
  one.last_seq = one.last_entry = number;
  one.last_turn = turns;
  writes.push_back(store::PutSession{one});
  open.write(std::move(writes));
}

void list(Open& open, double seconds) {
  std::vector<double> took;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  const auto first_begin = Clock::now();
  std::size_t found = open.list(user().owner()).sessions.size();
  const double first =
      std::chrono::duration<double, std::micro>(Clock::now() - first_begin).count();
  if (found != kPage) give_up("the page has " + std::to_string(found) + " sessions");
  while (Clock::now() < until) {
    const auto begin = Clock::now();
    open.list(user().owner());
    took.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  std::ranges::sort(took);
  const auto quantile = [&](double q) {
    return took[static_cast<std::size_t>(q * static_cast<double>(took.size() - 1))];
  };
  std::printf("{\"first_us\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f}\n", first, quantile(0.5),
              quantile(0.99));
}

void read_entries(Open& open, const std::string& id) {
  const auto begin = Clock::now();
  std::size_t found = 0;
  std::uint64_t before = 0;
  for (bool more = true; more;) {
    const store::EntryPage page = open.entries(id, before);
    found += page.entries.size();
    more = page.more && !page.entries.empty();
    if (more) before = page.entries.front().number;
  }
  std::printf("{\"ms\":%.3f,\"entries\":%zu}\n",
              std::chrono::duration<double, std::milli>(Clock::now() - begin).count(), found);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const std::string what = args.empty() ? "" : args[0];
  const auto begin = Clock::now();
  if (what == "list" && args.size() == 3) {
    Open open(args[1]);
    list(open, std::stod(args[2]));
    return 0;
  }
  if (what == "entries" && args.size() == 3) {
    Open open(args[1]);
    read_entries(open, args[2]);
    return 0;
  }
  if (what == "sessions" && args.size() == 3) {
    Open open(args[1]);
    fill_sessions(open, std::stoul(args[2]));
  } else if (what == "turns" && (args.size() == 4 || args.size() == 6)) {
    Open open(args[1]);
    fill_turns(open, args[2], std::stoul(args[3]), args.size() == 6 ? args[4] : "stamp",
               args.size() == 6 ? args[5] : "stamp");
  } else {
    std::fputs(
        "usage: viaduct_store_figures sessions STORE COUNT | turns STORE SESSION TURNS "
        "[BACKEND AGENT] | list STORE SECONDS | entries STORE SESSION\n",
        stderr);
    return 2;
  }
  std::printf("{\"seconds\":%.1f}\n", std::chrono::duration<double>(Clock::now() - begin).count());
}
