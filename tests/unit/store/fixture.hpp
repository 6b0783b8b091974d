// A store in a folder of its own, and answers that can be waited for.
#pragma once

#include "host/loop.hpp"
#include "host/store/sqlite.hpp"
#include "host/telemetry/log.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace viaduct::store {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "viaduct-store-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class RecordingSink final : public LogSink {
 public:
  void write(Level level, std::string_view, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(level, message);
  }
  bool enabled(Level) const override { return true; }
  std::vector<std::string> lines(Level level) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const auto& [at, line] : lines_)
      if (at == level) found.push_back(line);
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<Level, std::string>> lines_;
};

class StoreTest : public testing::Test {
 protected:
  std::filesystem::path file() const { return folder.path() / "viaduct.db"; }

  Result<> try_open(std::uint32_t max_pages = 0) {
    auto opened =
        open_sqlite(loop, {.path = file(), .max_pages = max_pages}, Logger(sink, "store"));
    if (!opened) return std::unexpected(opened.error());
    store = std::move(*opened);
    return {};
  }
  void open(std::uint32_t max_pages = 0) {
    const auto opened = try_open(max_pages);
    if (!opened) throw std::runtime_error(opened.error().message);
  }
  void reopen() {
    store.reset();
    open();
  }

  // Runs the loop until everything that was asked is answered.
  void settle() {
    loop.context().restart();
    loop.run();
  }
  template <class T = void, class Ask>
  Result<T> answer(Ask ask) {
    std::optional<Result<T>> result;
    ask([&](Result<T> given) {
      if (result) throw std::logic_error("answered twice");
      result = std::move(given);
    });
    settle();
    if (!result) throw std::logic_error("not answered");
    return std::move(*result);
  }

  Result<> write(std::vector<Write> writes) {
    return answer([&](Done<> done) { store->write(std::move(writes), std::move(done)); });
  }
  Result<Session> session(std::string id) {
    return answer<Session>([&](auto done) { store->session(std::move(id), std::move(done)); });
  }
  Result<SessionPage> sessions(SessionQuery query) {
    return answer<SessionPage>(
        [&](auto done) { store->sessions(std::move(query), std::move(done)); });
  }
  Result<EntryPage> entries(std::string id, std::uint64_t before = 0, std::uint32_t limit = 1000,
                            std::size_t max_bytes = SIZE_MAX) {
    return answer<EntryPage>([&](auto done) {
      store->entries(std::move(id), before, limit, max_bytes, std::move(done));
    });
  }
  Result<std::vector<Turn>> open_turns(std::string id = {}) {
    return answer<std::vector<Turn>>(
        [&](auto done) { store->open_turns(std::move(id), std::move(done)); });
  }

  TemporaryFolder folder;
  RecordingSink sink;
  Loop loop;
  std::unique_ptr<Store> store;
};

inline Session a_session(std::string id, std::string owner = "owner", Micros last_active = 1) {
  Session session;
  session.id = std::move(id);
  session.owner = std::move(owner);
  session.last_active = last_active;
  return session;
}

inline Entry an_entry(std::string session, std::uint64_t number, std::string text = {},
                      bool complete = true) {
  Entry entry;
  entry.session_id = std::move(session);
  entry.number = number;
  entry.seq = number;
  entry.type = "text";
  entry.complete = complete;
  entry.text = std::move(text);
  return entry;
}

inline Turn a_turn(std::string session, std::uint64_t number, std::string key = {},
                   TurnState state = TurnState::queued) {
  Turn turn;
  turn.session_id = std::move(session);
  turn.number = number;
  turn.key = std::move(key);
  turn.state = state;
  return turn;
}

}  // namespace viaduct::store
