// Writes turns to a store for as long as it lives, and says on standard output what was
// acknowledged: "e <session> <entry>" for an entry, "t <session> <bytes>" for a growing text. The
// crash test kills it.
#include "host/loop.hpp"
#include "host/store/sqlite.hpp"
#include "host/telemetry/log.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

namespace viaduct::store {
namespace {

constexpr int kCallers = 8;

class StandardError final : public LogSink {
 public:
  void write(Level, std::string_view, std::string_view message) override {
    fmt::print(stderr, "{}\n", message);
  }
  bool enabled(Level level) const override { return level >= Level::warn; }
};

void say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(3);
}

// One session: entry after entry, each with its turn; entry 1 is a text that grows meanwhile.
class Caller {
 public:
  Caller(Store& store, std::string id) : store_(store) { session_.id = std::move(id); }

  void begin() {
    store_.session(session_.id, [this](Result<Session> found) {
      if (found) {
        session_ = *found;
        store_.entries(session_.id, 2, 1, SIZE_MAX, [this](Result<EntryPage> page) {
          bytes_ = page.value().entries.at(0).text.size();
          next();
        });
        return;
      }
      session_.owner = "owner";
      session_.last_entry = 1;
      Entry growing;
      growing.session_id = session_.id;
      growing.number = 1;
      growing.type = "text";
      growing.complete = false;
      store_.write({PutSession{session_}, AddEntry{growing}}, [this](Result<> done) {
        if (!done) std::_Exit(4);
        next();
      });
    });
  }

 private:
  void next() {
    Entry entry;
    entry.session_id = session_.id;
    entry.number = ++session_.last_entry;
    entry.seq = ++session_.last_seq;
    entry.type = "user_message";
    entry.text = fmt::format("message {}", entry.number);
    Turn turn;
    turn.session_id = session_.id;
    turn.number = ++session_.last_turn;
    turn.key = fmt::format("key {}", turn.number);
    turn.message_entry = entry.number;
    const auto offset = bytes_;
    std::string piece;  // each byte tells its place
    for (const auto end = bytes_ + 100 + entry.number % 100; bytes_ < end; ++bytes_)
      piece += static_cast<char>('a' + bytes_ % 26);
    const auto bytes = bytes_;
    store_.write({AddEntry{entry}, PutTurn{turn}, PutSession{session_}},
                 [this, number = entry.number](Result<> done) {
                   if (!done) std::_Exit(4);
                   say(fmt::format("e {} {}\n", session_.id, number));
                 });
    store_.write({AppendText{session_.id, 1, ++session_.last_seq, offset, piece}},
                 [this, bytes](Result<> done) {
                   if (!done) std::_Exit(4);
                   say(fmt::format("t {} {}\n", session_.id, bytes));
                   next();
                 });
  }

  Store& store_;
  Session session_;
  std::size_t bytes_ = 0;
};

int run(const char* path) {
  StandardError sink;
  Loop loop;
  auto store = open_sqlite(loop, {.path = path}, Logger(sink, "store"));
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return 1;
  }
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.push_back(std::make_unique<Caller>(**store, fmt::format("s{}", i)));
    callers.back()->begin();
  }
  loop.run();
  return 0;
}

}  // namespace
}  // namespace viaduct::store

int main(int count, char** arguments) {
  return count == 2 ? viaduct::store::run(arguments[1]) : 2;
}
