// An ACP agent for scripts/bench, as little of one as can be, so that what is measured is the host.
// One thread. It believes that its client is the host: a request is one line, begins with its id
// and its method, and is found in by its text, without a parser.
//
//   stream RATE SECONDS   RATE texts a second, each the CLOCK_MONOTONIC time in nanoseconds at
//                         which it was said, 20 digits and a space
//   flood COUNT OF NAME   COUNT texts "NAME.I " as fast as the client reads, all sessions in turn,
//                         when OF of them have been asked
//   anything else         "ready"
//
// Arguments: --no-resume, --no-load, --replay COUNT (updates that session/load tells).
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t now() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * kSecond + at.tv_nsec;
}

struct Talk {
  std::string session, request;
  std::int64_t due = 0, end = 0, period = 0;
};
struct Flood {
  std::string session, request, name;
  long next = 0;
};

class BenchAgent {
 public:
  BenchAgent(bool resume, bool load, long replay) : resume_(resume), load_(load), replay_(replay) {}

  int run() {
    for (;;) {
      std::int64_t wait = -1;
      if (Talk* talk = next()) {
        wait = talk->due - now();
        if (wait <= 0) {
          step(*talk);
          continue;
        }
      }
      pollfd input{STDIN_FILENO, POLLIN, 0};
      const timespec limit{wait / kSecond, wait % kSecond};
      if (::ppoll(&input, 1, wait < 0 ? nullptr : &limit, nullptr) <= 0) continue;
      char space[65536];
      const ssize_t size = ::read(STDIN_FILENO, space, sizeof space);
      if (size <= 0) return 0;
      input_.append(space, static_cast<std::size_t>(size));
      std::size_t taken = 0;
      for (std::size_t end; (end = input_.find('\n', taken)) != std::string::npos; taken = end + 1)
        take(std::string_view(input_).substr(taken, end - taken));
      input_.erase(0, taken);
    }
  }

 private:
  Talk* next() {
    Talk* first = nullptr;
    for (Talk& talk : talks_)
      if (first == nullptr || talk.due < first->due) first = &talk;
    return first;
  }

  void step(Talk& talk) {
    if (talk.due >= talk.end) {
      answer(talk.request, R"({"stopReason":"end_turn"})");
      talk = std::move(talks_.back());
      talks_.pop_back();
      return;
    }
    talk.due += talk.period;
    char text[32];
    std::snprintf(text, sizeof text, "%020lld ", static_cast<long long>(now()));
    say(talk.session, text);
    flush();
  }

  void take(std::string_view line) {
    const std::string request(between(line, "\"id\":", ","));
    const std::string_view method = between(line, "\"method\":\"", "\"");
    const std::string session(between(line, "\"sessionId\":\"", "\""));
    if (method == "initialize")
      answer(request, std::string(R"({"protocolVersion":1,"agentCapabilities":{"loadSession":)") +
                          (load_ ? "true" : "false") + R"(,"sessionCapabilities":{)" +
                          (resume_ ? R"("resume":{})" : "") + "}}}");
    else if (method == "session/new")
      answer(request, R"({"sessionId":"bench-)" + std::to_string(::getpid()) + "-" +
                          std::to_string(++sessions_) + "\"}");
    else if (method == "session/load") {
      for (long i = 0; i < replay_; ++i) say(session, "Answer " + std::to_string(i) + ". ");
      answer(request, "{}");
    } else if (method == "session/resume")
      answer(request, "{}");
    else if (method == "session/prompt")
      prompt(session, request, std::string(between(line, "\"text\":\"", "\"")));
  }

  void prompt(const std::string& session, const std::string& request, const std::string& text) {
    double rate = 0;
    double seconds = 0;
    long count = 0;
    std::size_t of = 0;
    char name[64];
    if (std::sscanf(text.c_str(), "stream %lf %lf", &rate, &seconds) == 2 && rate > 0) {
      const std::int64_t begin = now();
      Talk talk{session, request, begin, begin + static_cast<std::int64_t>(1e9 * seconds),
                static_cast<std::int64_t>(1e9 / rate)};
      // As people do not, sessions that begin together must not talk in chorus.
      const double phase = static_cast<double>(begun_++) * 0.6180339887498949;
      talk.due += static_cast<std::int64_t>(
          (phase - static_cast<double>(static_cast<std::int64_t>(phase))) *
          static_cast<double>(talk.period));
      talks_.push_back(std::move(talk));
    } else if (std::sscanf(text.c_str(), "flood %ld %zu %63s", &count, &of, name) == 3) {
      floods_.push_back({session, request, name});
      if (floods_.size() == of) flood(count);
    } else {
      say(session, "ready");
      answer(request, R"({"stopReason":"end_turn"})");
    }
  }

  void flood(long count) {
    for (long i = 0; i < count; ++i) {
      for (const Flood& one : floods_) say(one.session, one.name + "." + std::to_string(i) + " ");
      flush();
    }
    for (const Flood& one : floods_) answer(one.request, R"({"stopReason":"end_turn"})");
    floods_.clear();
  }

  static std::string_view between(std::string_view line, std::string_view begin,
                                  std::string_view end) {
    const std::size_t at = line.find(begin);
    if (at == std::string_view::npos) return {};
    line.remove_prefix(at + begin.size());
    return line.substr(0, line.find(end));
  }

  void say(std::string_view session, std::string_view text) {
    output_ += R"({"jsonrpc":"2.0","method":"session/update","params":{"sessionId":")";
    output_ += session;
    output_ +=
        R"(","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":")";
    output_ += text;
    output_ += "\"}}}}\n";
  }
  void answer(std::string_view request, std::string_view result) {
    output_ += R"({"jsonrpc":"2.0","id":)";
    output_ += request;
    output_ += R"(,"result":)";
    output_ += result;
    output_ += "}\n";
    flush();
  }
  void flush() {
    for (std::string_view rest = output_; !rest.empty();) {
      const ssize_t size = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (size < 0 && errno != EINTR) std::exit(0);  // nobody reads any more
      if (size > 0) rest.remove_prefix(static_cast<std::size_t>(size));
    }
    output_.clear();
  }

  const bool resume_, load_;
  const long replay_;
  std::string input_, output_;
  std::vector<Talk> talks_;
  std::vector<Flood> floods_;
  long begun_ = 0;
  long sessions_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  bool resume = true;
  bool load = true;
  long replay = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--no-resume") resume = false;
    if (argument == "--no-load") load = false;
    if (argument == "--replay" && i + 1 < argc) replay = std::atol(argv[++i]);
  }
  return BenchAgent(resume, load, replay).run();
}
