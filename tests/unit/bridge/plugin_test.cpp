// The bridge as a plugin, in the fake host, with a model server of a few lines: what the host asks
// of every backend, and back-pressure.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::Answer;
using testing::FakeHost;
using ::testing::HasSubstr;
using testing::OpenOptions;

std::string piece(const std::string& text) {
  return R"(data: {"choices":[{"index":0,"delta":{"content":")" + text + "\"}}]}\n\n";
}
const std::string kEnd =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: "
    "[DONE]\n\n";

// Answers each request with `answer`, byte for byte, on a connection of its own that it closes (or
// leaves open) behind it. One thread for each connection.
class Server {
 public:
  struct Reply {
    std::string events;
    bool hang = false;  // the connection stays open
  };
  explicit Server(std::function<Reply(const std::string& request)> answer)
      : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int small = 64 << 10;  // so that a client that does not read is soon felt
    EXPECT_EQ(::setsockopt(listener_, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept(); });
  }
  ~Server() {
    stopping_ = true;
    accepting_.join();
    for (auto& one : connections_) one.join();
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }
  std::size_t sent() const { return sent_; }  // bytes of answers
  int closed() const { return closed_; }      // connections that the client has closed
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  bool ready(int fd, short what) const {
    while (!stopping_) {
      pollfd wait{fd, what, 0};
      if (::poll(&wait, 1, 10) > 0) return true;
    }
    return false;
  }
  void accept() {
    while (ready(listener_, POLLIN)) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) connections_.emplace_back([this, fd] { serve(fd); });
    }
  }
  void serve(int fd) {
    std::string request;
    char buffer[16384];
    std::size_t whole = std::string::npos;
    while (request.size() < whole && ready(fd, POLLIN)) {
      const auto n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      request.append(buffer, static_cast<std::size_t>(n));
      const std::size_t head = request.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const std::size_t length = request.find("Content-Length: ");
      whole =
          head + 4 + (length == std::string::npos ? 0 : std::stoul(request.substr(length + 16)));
    }
    if (request.size() >= whole) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const Reply reply = answer_(request);
      const std::string bytes =
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" +
          reply.events;
      std::size_t at = 0;
      while (at < bytes.size() && ready(fd, POLLOUT)) {
        const auto n = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (n <= 0) break;
        at += static_cast<std::size_t>(n);
        sent_ += static_cast<std::size_t>(n);
      }
      if (at < bytes.size()) ++closed_;
      if (at == bytes.size() && reply.hang && ready(fd, POLLIN) && ::recv(fd, buffer, 1, 0) <= 0)
        ++closed_;
    }
    ::close(fd);
  }

  std::function<Reply(const std::string&)> answer_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> sent_{0};
  std::atomic<int> closed_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> connections_;
  std::thread accepting_;
};

namespace fs = std::filesystem;

fs::path new_folder() {
  std::string form = (fs::temp_directory_path() / "viaduct-bridge-XXXXXX").string();
  return ::mkdtemp(form.data());
}

class BridgePlugin : public ::testing::Test {
 protected:
  ~BridgePlugin() override {
    std::error_code ignored;
    fs::remove_all(home_, ignored);
  }
  void TearDown() override {
    if (host_.created()) {
      EXPECT_TRUE(host_.stop());
      host_.destroy();
    }
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  void run(const Server& server) {
    const Answer loaded = host_.load(BRIDGE_PLUGIN);
    ASSERT_TRUE(loaded) << loaded.message;
    const Answer running =
        host_.run(R"({"driver":"llm","model":"m","base_url":")" + server.url() +
                  R"(","retry":{"attempts":1},"home":")" + home_.string() + "\"}");
    ASSERT_TRUE(running) << running.message;
  }
  // The lines of all transcripts.
  std::string transcripts() const {
    std::string all;
    for (const auto& file : fs::recursive_directory_iterator(home_))
      if (file.path().filename() == "transcript.jsonl") {
        std::ifstream in(file.path());
        all.append(std::istreambuf_iterator<char>(in), {});
      }
    return all;
  }

  const fs::path home_ = new_folder();  // before the host, so that it goes after it
  FakeHost host_;
};

TEST_F(BridgePlugin, StreamsAnAnswerAndKeepsTheConversation) {
  const Server server(
      [](const std::string&) { return Server::Reply{piece("Hel") + piece("lo") + kEnd}; });
  run(server);
  ASSERT_TRUE(host_.open(1));
  const Answer first = host_.prompt(1, 1, "one");
  ASSERT_TRUE(first) << first.message;
  EXPECT_THAT(first.result, HasSubstr(R"("stop_reason":"end_turn")"));
  EXPECT_EQ(host_.text(1, 1), "Hello");
  ASSERT_TRUE(host_.prompt(1, 2, "two"));
  EXPECT_THAT(
      server.requests().at(1),
      HasSubstr(
          R"([{"content":"one","role":"user"},{"content":"Hello","role":"assistant"},{"content":"two","role":"user"}])"));
}

TEST_F(BridgePlugin, GivesEverySessionAnIdOfItsOwn) {
  const Server server([](const std::string&) { return Server::Reply{kEnd}; });
  run(server);
  const std::string one = host_.open(1).result;
  const std::string two = host_.open(2).result;
  EXPECT_THAT(
      one,
      ::testing::MatchesRegex(
          R"(\{"native_id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"\})"));
  EXPECT_NE(one, two);
}

TEST_F(BridgePlugin, HoldsNoSessionThatItWasNotGiven) {
  const Server server([](const std::string&) { return Server::Reply{kEnd}; });
  run(server);
  EXPECT_EQ(host_.prompt(7, 1, "hello").code, VIADUCT_E_NOT_FOUND);
  EXPECT_TRUE(host_.cancel(7, 1));
  EXPECT_TRUE(host_.close(7));
  OpenOptions broken;
  broken.transcript = "{";
  EXPECT_EQ(host_.inject(8, broken).code, VIADUCT_E_INVALID_ARGUMENT);
}

TEST_F(BridgePlugin, StopsReadingWhileTheHostHasNoRoom) {
  constexpr std::size_t kPieces = 1800;
  const Server server([](const std::string&) {
    std::string events;
    for (std::size_t i = 0; i < kPieces; ++i) events += piece(std::string(4000, 'x'));
    return Server::Reply{events + kEnd};
  });
  run(server);
  ASSERT_TRUE(host_.open(1));
  host_.pause(1);
  const auto call = host_.start_prompt(1, 1, "much");
  ASSERT_TRUE(host_.wait_until([&] { return host_.refused(1) > 0; }));
  // The server comes to a halt: what is on the way fits the buffers of the two.
  std::size_t before = 1;
  auto since = steady_clock::now();
  ASSERT_TRUE(host_.wait_until([&] {
    if (server.sent() != before) {
      before = server.sent();
      since = steady_clock::now();
    }
    return steady_clock::now() - since > milliseconds(200);
  }));
  EXPECT_LT(server.sent(), kPieces * 4000 * 3 / 4);
  host_.proceed(1);
  const Answer answer = host_.wait(call, milliseconds(30'000));
  ASSERT_TRUE(answer) << answer.message;
  EXPECT_EQ(host_.text(1, 1).size(), kPieces * 4000);
}

TEST_F(BridgePlugin, CancelEndsTheTurnAndClosesTheConnectionAtOnce) {
  const Server server([](const std::string&) { return Server::Reply{piece("Hel"), true}; });
  run(server);
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "one");
  ASSERT_TRUE(host_.wait_until([&] { return host_.text(1, 1) == "Hel"; }));
  ASSERT_TRUE(host_.cancel(1, 1));
  const Answer answer = host_.wait(call);
  ASSERT_TRUE(answer) << answer.message;
  EXPECT_THAT(answer.result, HasSubstr(R"("stop_reason":"cancelled")"));
  EXPECT_TRUE(host_.wait_until([&] { return server.closed() == 1; }));
  EXPECT_TRUE(host_.cancel(1, 1)) << "again";
}

TEST_F(BridgePlugin, CancelAlsoEndsATurnThatWaitsForTheHost) {
  const Server server([](const std::string&) {
    std::string events;
    for (int i = 0; i < 1000; ++i) events += piece(std::string(1000, 'x'));
    return Server::Reply{events, true};
  });
  run(server);
  ASSERT_TRUE(host_.open(1));
  host_.pause(1);
  const auto call = host_.start_prompt(1, 1, "much");
  ASSERT_TRUE(host_.wait_until([&] { return host_.refused(1) > 0; }));
  ASSERT_TRUE(host_.cancel(1, 1));
  EXPECT_TRUE(host_.wait_until([&] { return server.closed() == 1; }));
  host_.proceed(1);
  EXPECT_TRUE(host_.wait(call));
}

TEST_F(BridgePlugin, CloseAndStopEndWhatIsUnderWay) {
  const Server server([](const std::string&) { return Server::Reply{piece("Hel"), true}; });
  run(server);
  for (std::uint64_t session : {1, 2}) ASSERT_TRUE(host_.open(session));
  const auto closed = host_.start_prompt(1, 1, "one");
  const auto stopped = host_.start_prompt(2, 1, "one");
  for (std::uint64_t session : {1, 2})
    ASSERT_TRUE(host_.wait_until([&] { return host_.text(session, 1) == "Hel"; }));
  ASSERT_TRUE(host_.close(1));
  EXPECT_TRUE(host_.wait(closed, milliseconds(0)).answered) << "before the close is";
  ASSERT_TRUE(host_.stop());
  EXPECT_EQ(host_.wait(stopped).code, VIADUCT_E_UNAVAILABLE);
  EXPECT_TRUE(host_.wait_until([&] { return server.closed() >= 1; }));
}

TEST_F(BridgePlugin, CompactsWhenAskedAndSaysSo) {
  const Server server([](const std::string& request) {
    const bool is_summary = request.find("Summarise it") != std::string::npos;
    return Server::Reply{piece(is_summary ? "SUMMARY" : "answer") + kEnd};
  });
  run(server);
  ASSERT_TRUE(host_.open(1));
  for (std::uint64_t turn = 1; turn <= 8; ++turn)
    ASSERT_TRUE(host_.prompt(1, turn, "question " + std::to_string(turn)));
  const Answer compacted = host_.compact(1);
  ASSERT_TRUE(compacted) << compacted.message;
  EXPECT_TRUE(host_.wait_event(1, [](const testing::Event& event) {
    return event.kind == VIADUCT_EVENT_NOTICE &&
           event.text.find("was compacted") != std::string::npos;
  }));
  ASSERT_TRUE(host_.prompt(1, 9, "and now"));
  EXPECT_THAT(server.requests().back(), HasSubstr("SUMMARY"));
  EXPECT_THAT(server.requests().back(), ::testing::Not(HasSubstr("question 1\"")));
}

TEST_F(BridgePlugin, InjectsFiveThousandMessagesWhole) {
  const Server server([](const std::string&) { return Server::Reply{piece("ok") + kEnd}; });
  run(server);
  OpenOptions options;
  options.transcript = "[";
  for (int i = 0; i < 2500; ++i) {
    if (i > 0) options.transcript += ',';
    options.transcript += R"({"type":"user_message","turn":)" + std::to_string(i + 1) +
                          R"(,"text":"q)" + std::to_string(i) + R"("},{"type":"text","text":"a)" +
                          std::to_string(i) + "\"}";
  }
  options.transcript += "]";
  ASSERT_TRUE(host_.inject(1, options));
  ASSERT_TRUE(host_.prompt(1, 2501, "last"));
  const std::string request = server.requests().back();
  std::size_t at = 0;
  for (int i = 0; i < 2500; ++i) {
    for (const char* letter : {"q", "a"}) {
      at = request.find("\"" + (letter + std::to_string(i)) + "\"", at);
      ASSERT_NE(at, std::string::npos) << letter << i;
    }
  }
}

std::string line(const std::string& role, const std::string& text) {
  return R"({"content":")" + text + R"(","role":")" + role + "\"}\n";
}

TEST_F(BridgePlugin, ATurnEndsWhenItsLinesAreOnDisk) {
  const Server server([](const std::string&) { return Server::Reply{piece("Hello") + kEnd}; });
  run(server);
  ASSERT_TRUE(host_.open(1));
  std::string lines;
  for (int turn = 1; turn <= 5; ++turn) {
    const std::string text = "question " + std::to_string(turn);
    ASSERT_TRUE(host_.prompt(1, static_cast<std::uint64_t>(turn), text));
    lines += line("user", text) + line("assistant", "Hello");
    EXPECT_EQ(transcripts(), lines);
  }
}

TEST_F(BridgePlugin, AnInjectedSessionHasAllItsLines) {
  const Server server([](const std::string&) { return Server::Reply{piece("Hello") + kEnd}; });
  run(server);
  OpenOptions options;
  options.transcript =
      R"([{"type":"user_message","text":"one"},{"type":"text","text":"1"},{"type":"user_message","text":"two"}])";
  ASSERT_TRUE(host_.inject(1, options));
  ASSERT_TRUE(host_.prompt(1, 3, "three"));
  EXPECT_EQ(transcripts(), line("user", "one") + line("assistant", "1") + line("user", "two") +
                               line("user", "three") + line("assistant", "Hello"));
}

TEST_F(BridgePlugin, WhatWasWrittenIsDiscoveredReadAndPurged) {
  const Server server([](const std::string&) { return Server::Reply{piece("Hello") + kEnd}; });
  run(server);
  EXPECT_EQ(host_.discover("").result, R"({"sessions":[]})");
  OpenOptions options;
  options.session_id = "s_abc";
  options.working_dir = home_.string();
  ASSERT_TRUE(host_.open(1, options));
  ASSERT_TRUE(host_.prompt(1, 1, "one"));
  const Answer found = host_.discover("");
  EXPECT_THAT(found.result, HasSubstr(R"("native_id":"s_abc")"));
  EXPECT_THAT(found.result, HasSubstr(R"("title":"one")"));
  EXPECT_EQ(host_.discover("/nowhere").result, R"({"sessions":[]})");
  const Answer read = host_.read("s_abc");
  ASSERT_TRUE(read) << read.message;
  EXPECT_THAT(
      read.result,
      HasSubstr(
          R"("entries":[{"data":{},"text":"one","type":"user_message"},{"data":{},"text":"Hello","type":"text"}])"));
  EXPECT_THAT(read.result, ::testing::Not(HasSubstr("native_id"))) << "no server keeps it";
  EXPECT_EQ(host_.read("s_none").code, VIADUCT_E_NOT_FOUND);
  EXPECT_EQ(host_.read("../s-abc").code, VIADUCT_E_INVALID_ARGUMENT);
  ASSERT_TRUE(host_.close(1));
  ASSERT_TRUE(host_.purge(options));
  EXPECT_EQ(transcripts(), "");
  EXPECT_EQ(host_.discover("").result, R"({"sessions":[]})");
  EXPECT_TRUE(host_.purge(options)) << "again";
}

TEST_F(BridgePlugin, ATurnEndsWhileLongTranscriptsAreRead) {
  const Server server([](const std::string&) { return Server::Reply{piece("Hello") + kEnd}; });
  run(server);
  const fs::path left = home_ / "projects/-tmp/sessions/long-1";
  fs::create_directories(left);
  {
    std::ofstream out(left / "transcript.jsonl");
    for (int i = 0; i < 5'000; ++i) out << line("user", std::string(600, 'x'));
  }
  ASSERT_TRUE(host_.open(1));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(host_.read("long-1", milliseconds(1)).answered);
  const Answer ended = host_.prompt(1, 1, "one");
  EXPECT_FALSE(host_.read("none", milliseconds(50)).answered) << "they are read yet";
  EXPECT_TRUE(ended) << ended.message;
  EXPECT_TRUE(transcripts().find(line("user", "one") + line("assistant", "Hello")) !=
              std::string::npos);
}  // which also stops in time

TEST_F(BridgePlugin, AHomeThatCannotBeWrittenFailsNoTurnAndNothingIsMissingLater) {
  const Server server([](const std::string&) { return Server::Reply{piece("Hello") + kEnd}; });
  run(server);
  ASSERT_TRUE(host_.open(1));
  std::ofstream(home_ / "projects") << "in the way";
  ASSERT_TRUE(host_.prompt(1, 1, "one"));
  ASSERT_TRUE(host_.prompt(1, 2, "two"));
  fs::remove(home_ / "projects");
  ASSERT_TRUE(host_.prompt(1, 3, "three"));
  std::string lines;
  for (const char* text : {"one", "two", "three"})
    lines += line("user", text) + line("assistant", "Hello");
  EXPECT_EQ(transcripts(), lines);
}

}  // namespace
}  // namespace viaduct
