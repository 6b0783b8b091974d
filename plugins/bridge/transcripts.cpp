#include "plugins/bridge/transcripts.hpp"

#include "plugins/bridge/transcript_backlog.hpp"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdlib>
#include <exception>
#include <future>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace viaduct::bridge {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kLongestWait{5};  // of a turn's end for its lines
// Of a purge to begin: the host waits for a minute, and keeps the session if nothing has come.
constexpr std::chrono::seconds kLatestPurge{30};
constexpr std::size_t kMostBehind = 16 << 20;  // bytes of lines that could not be written yet

std::string home_or_default(std::string_view home) {
  if (!home.empty()) return resolved(home);
  const char* viaduct = std::getenv("VIADUCT_HOME");
  return resolved(viaduct != nullptr && *viaduct != '\0' ? viaduct : "~/.viaduct");
}

sdk::Status status_of(const FolderError& why) {
  switch (why.kind) {
    case FolderError::Kind::kRefused: return {sdk::Code::kInvalidArgument, why.message};
    case FolderError::Kind::kNotFound: return {sdk::Code::kNotFound, why.message};
    case FolderError::Kind::kUnavailable: break;
  }
  return {sdk::Code::kUnavailable, why.message};
}

std::string member(std::string_view name, std::string_view text) {
  return sdk::json_string(name) + ":" + sdk::json_string(text);
}

}  // namespace

struct Transcripts::Shared {
  Shared(const sdk::Host& host, net::Loop& the_loop, std::string home, bool write)
      : log(host), metrics(host), loop(the_loop), folders(std::move(home)), writes(write) {}

  // Does it on the writing thread, and then `done` on the loop's.
  void run(std::function<void()> work, std::function<void()> done, std::size_t bytes = 0) {
    struct Waiting {
      std::function<void()> done;
      asio::steady_timer limit;
    };
    auto waiting = std::make_shared<Waiting>(std::move(done), asio::steady_timer(loop.context()));
    waiting->limit.expires_after(kLongestWait);
    waiting->limit.async_wait([this, waiting](boost::system::error_code cancelled) {
      if (cancelled || !waiting->done) return;
      log.warn("writing a transcript takes too long folder=" + folders.home().string());
      std::exchange(waiting->done, {})();
    });
    write(std::move(work), [this, waiting = std::move(waiting), bytes] {
      backlog.finished(bytes);
      waiting->limit.cancel();
      if (waiting->done) std::exchange(waiting->done, {})();
    });
  }
  void write(std::function<void()> work, std::function<void()> written) {
    asio::post(writing_thread,
               [this, work = std::move(work), written = std::move(written)]() mutable {
                 guarded(work);
                 work = nullptr;  // what it holds goes before it counts as finished
                 asio::post(loop.context(), std::move(written));
               });
  }
  void left_out(const FolderSession& session) {
    metrics.count("bridge_transcript_failures_total");
    log.warn(
        "transcript left out until the session is restored: too much waits for the disk session=" +
        session.session_id);
  }

  // Does it on one of the other threads and answers with its result, or with what it throws.
  void answer(asio::thread_pool& thread, sdk::Reply reply,
              std::function<FolderResult<std::string>()> work) {
    auto kept = std::make_shared<sdk::Reply>(std::move(reply));
    asio::post(thread, [this, kept, work = std::move(work)] {
      if (stopping) return kept->fail(sdk::Code::kUnavailable, "The backend is stopping");
      guarded([&] {
        const auto result = work();
        if (result)
          kept->ok(*result);
        else
          kept->fail(status_of(result.error()));
      });
      if (*kept)
        kept->fail(sdk::Code::kInternal, "the transcript folders: an exception, see the log");
    });
  }

  // ---- on the other threads
  void guarded(const std::function<void()>& work) {
    try {
      work();
    } catch (const std::exception& error) {
      log.error("exception in the transcript folders what=" + std::string(error.what()));
    }
  }
  void failed(const FolderSession& session, const FolderError& why) {
    metrics.count("bridge_transcript_failures_total");
    log.warn("transcript not written session=" + session.session_id + " reason=" + why.message);
  }

  // ---- on the writing thread
  void append(const FolderSession& session, std::string lines) {
    const std::string id = folder_id(session.session_id);
    if (given_up.contains(id)) return;
    if (const auto found = behind.find(id); found != behind.end()) {
      lines.insert(0, found->second);
      forget(id);
    }
    if (lines.empty()) return;
    const auto written = folders.append(session, lines);
    if (written) return;
    failed(session, written.error());
    if (written.error().lines_written) return;
    // Kept for the next time, so that the file never has a hole.
    if (behind_bytes + lines.size() > kMostBehind) {
      log.warn("transcript given up until the session is restored session=" + session.session_id);
      given_up.insert(id);
      return;
    }
    behind_bytes += lines.size();
    behind[id] = std::move(lines);
  }
  void catch_up(const FolderSession& session, const std::string& entries) {
    const auto lines = lines_of(entries);
    if (!lines) return failed(session, lines.error());
    if (lines->empty()) return;
    forget(folder_id(session.session_id));
    if (const auto written = folders.catch_up(session, *lines)) {
      given_up.erase(folder_id(session.session_id));
    } else {
      failed(session, written.error());
      if (!written.error().lines_written) given_up.insert(folder_id(session.session_id));
    }
  }
  void forget(const std::string& id) {
    const auto found = behind.find(id);
    if (found == behind.end()) return;
    behind_bytes -= found->second.size();
    behind.erase(found);
  }

  // The folder that was written here. One that a program keeps itself stays: it may be older than
  // the session of the host.
  FolderResult<std::string> purge(const FolderSession& session,
                                  std::chrono::steady_clock::time_point latest) {
    const std::string id = folder_id(session.session_id);
    const auto removed =
        folders.remove(id, [latest] { return std::chrono::steady_clock::now() < latest; });
    if (!removed) return std::unexpected(removed.error());
    forget(id);
    given_up.erase(id);
    return "{}";
  }

  // ---- on the reading thread
  FolderResult<std::string> discover(const std::string& working_dir) {
    const auto listing = folders.list(working_dir);
    if (!listing) return std::unexpected(listing.error());
    if (listing->unreadable > 0)
      log.warn("folders of sessions that cannot be read count=" +
               std::to_string(listing->unreadable));
    if (listing->older > 0)
      log.warn("too many sessions to list, the oldest are left out count=" +
               std::to_string(listing->older));
    std::string json;
    for (const FoundSession& one : listing->sessions) {
      json += json.empty() ? "{" : ",{";
      json += member("native_id", one.id) + "," + member("working_dir", one.working_dir) + "," +
              member("title", one.title) + "," + member("updated_at", one.updated_at) + "}";
    }
    return R"({"sessions":[)" + json + "]}";
  }

  FolderResult<std::string> read(const std::string& id) {
    auto reading = folders.read(id);
    if (!reading) return std::unexpected(reading.error());
    TranscriptEntries& said = reading->said;
    if (said.skipped + said.too_long > 0)
      log.warn("lines of a transcript skipped id=" + id + " lines=" + std::to_string(said.skipped) +
               " too_long=" + std::to_string(said.too_long) + (said.torn ? " torn=true" : ""));
    std::string json = "{";
    const FolderFacts& facts = reading->facts;
    if (shares_folders)
      json += member("native_id", id) + ",";
    else if (facts.agent_type == agent_type && !facts.native_id.empty())
      json += member("native_id", facts.native_id) + ",";
    json += member("working_dir", facts.working_dir) + "," + member("title", facts.title) +
            R"(,"entries":[)";
    json.reserve(json.size() + said.bytes + said.entries.size() + 2);
    for (std::string& entry : said.entries) {
      json.append(&entry == said.entries.data() ? "" : ",").append(entry);
      entry = {};  // so that it is there once
    }
    return json + "]}";
  }

  sdk::Log log;
  sdk::Metrics metrics;
  net::Loop& loop;
  const TranscriptFolders folders;
  const bool writes;
  std::string agent_type;  // both set before anything is asked for
  bool shares_folders = false;

  std::atomic<bool> stopping = false;
  TranscriptBacklog backlog;  // of the loop's thread

  // Of the writing thread: the lines that are not on disk yet, by folder, and the sessions that
  // have too many of them.
  std::unordered_map<std::string, std::string> behind;
  std::size_t behind_bytes = 0;
  std::unordered_set<std::string> given_up;

  // A listing or a long transcript is read while turns end.
  asio::thread_pool writing_thread{1};
  asio::thread_pool reading_thread{1};
};

Transcripts::Transcripts(const sdk::Host& host, net::Loop& loop, std::string_view home, bool write)
    : shared_(std::make_unique<Shared>(host, loop, home_or_default(home), write)) {}

Transcripts::~Transcripts() {
  shared_->reading_thread.join();
  shared_->writing_thread.join();
}

void Transcripts::belongs_to(std::string agent_type, bool shares_folders) {
  shared_->agent_type = std::move(agent_type);
  shared_->shares_folders = shares_folders;
}

void Transcripts::record(std::string_view session_id, std::string_view working_dir,
                         std::string_view native_id, TurnRecord turn, std::function<void()> done) {
  if (!writes()) return done();
  FolderSession session = session_of(session_id, working_dir, native_id);
  const std::size_t bytes = turn.size();
  if (!shared_->backlog.take_turn(session.session_id, bytes)) {
    shared_->left_out(session);
    return done();
  }
  shared_->run([shared = shared_.get(), session = std::move(session),
                turn = std::move(turn)] { shared->append(session, turn.lines()); },
               std::move(done), bytes);
}

void Transcripts::catch_up(std::string_view session_id, std::string_view working_dir,
                           std::string_view native_id, std::string_view entries_json) {
  if (!writes()) return;
  FolderSession session = session_of(session_id, working_dir, native_id);
  const std::size_t bytes = entries_json.size();
  if (!shared_->backlog.take_all(session.session_id, bytes)) return shared_->left_out(session);
  shared_->write([shared = shared_.get(), session = std::move(session),
                  entries = std::string(entries_json)] { shared->catch_up(session, entries); },
                 [shared = shared_.get(), bytes] { shared->backlog.finished(bytes); });
}

void Transcripts::settle(sdk::Reply reply) {
  shared_->run(
      [shared = shared_.get()] {
        if (!shared->stopping) return;
        std::promise<void> read;
        asio::post(shared->reading_thread, [&read] { read.set_value(); });
        read.get_future().wait();
      },
      [kept = std::make_shared<sdk::Reply>(std::move(reply))] { kept->ok(); });
}

void Transcripts::stopping() {
  shared_->stopping = true;
}

void Transcripts::discover(std::string_view working_dir, sdk::Reply reply) {
  shared_->answer(shared_->reading_thread, std::move(reply),
                  [shared = shared_.get(), folder = std::string(working_dir)] {
                    return shared->discover(folder);
                  });
}

void Transcripts::read(std::string_view native_id, sdk::Reply reply) {
  shared_->answer(
      shared_->reading_thread, std::move(reply),
      [shared = shared_.get(), id = std::string(native_id)] { return shared->read(id); });
}

void Transcripts::purge(const sdk::Open& open, sdk::Reply reply) {
  shared_->backlog.forget(std::string(open.session_id));
  shared_->answer(shared_->writing_thread, std::move(reply),
                  [shared = shared_.get(),
                   session = session_of(open.session_id, open.working_dir, open.native_id),
                   latest = std::chrono::steady_clock::now() + kLatestPurge] {
                    return shared->purge(session, latest);
                  });
}

bool Transcripts::writes() const {
  return shared_->writes && !shared_->shares_folders;
}

FolderSession Transcripts::session_of(std::string_view session_id, std::string_view working_dir,
                                      std::string_view native_id) const {
  return {std::string(session_id), std::string(working_dir), shared_->agent_type,
          std::string(native_id)};
}

}  // namespace viaduct::bridge
