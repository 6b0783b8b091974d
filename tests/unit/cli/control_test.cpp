#include "host/cli/control.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace viaduct::cli {
namespace {

using boost::asio::local::stream_protocol;

class CountingSink final : public LogSink {
 public:
  void write(Level, std::string_view, std::string_view) override { ++lines; }
  bool enabled(Level) const override { return true; }
  std::atomic<int> lines = 0;
};

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    std::string name = (std::filesystem::temp_directory_path() / "viaduct-cli-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder = name;
    path = name + "/control.sock";
  }
  ~ControlTest() override { std::filesystem::remove_all(folder); }

  Result<std::unique_ptr<ControlServer>> open() {
    return ControlServer::open(
        loop, path,
        [](const ControlRequest& request, Done<std::string> done) {
          done("\"" + request.command + "\"");
        },
        Logger(sink, "control"));
  }
  // Asks from another thread while the loop runs here.
  Result<std::string> ask() {
    Result<std::string> answer;
    std::thread asking([&] {
      answer = ask_host(path, {"hello"});
      loop.stop();
    });
    loop.context().restart();
    loop.run();
    asking.join();
    return answer;
  }

  std::filesystem::path folder;
  std::string path;
  CountingSink sink;
  Loop loop;
};

TEST_F(ControlTest, AnswersAndLeavesNothingBehind) {
  auto server = open();
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(ask().value_or(""), "\"hello\"");
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ControlTest, TakesThePlaceOfASocketThatNobodyServes) {
  {
    boost::asio::io_context context;
    stream_protocol::acceptor left_over(context, stream_protocol::endpoint(path));
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  auto server = open();
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(ask().value_or(""), "\"hello\"");
}

TEST_F(ControlTest, LeavesASocketAloneThatAnotherHostServes) {
  auto first = open();
  ASSERT_TRUE(first);
  auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::failed_precondition);
  EXPECT_NE(second.error().message.find(path), std::string::npos) << second.error().message;
  EXPECT_EQ(ask().value_or(""), "\"hello\"");
}

// While there is no descriptor left it neither spins nor fills the log.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VIADUCT_NEEDS_DESCRIPTORS
#endif
#endif

TEST_F(ControlTest, WaitsQuietlyForADescriptor) {
#ifdef VIADUCT_NEEDS_DESCRIPTORS
  GTEST_SKIP() << "the undefined behaviour sanitizer needs descriptors itself, to look at a vtable";
#endif
  auto server = open();
  ASSERT_TRUE(server);
  stream_protocol::socket client(loop.context());
  client.connect(stream_protocol::endpoint(path));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int free_one = ::dup(0);
  ASSERT_GE(free_one, 0);
  ::close(free_one);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(free_one);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 0; i < 1000; ++i) loop.context().poll_one();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(sink.lines, 1);
  EXPECT_EQ(ask().value_or(""), "\"hello\"");
}

TEST(ControlRequests, ComeThroughAsTheyWere) {
  ControlRequest request{"sessions.purge", "id", "before", 7, 20, true};
  request.arguments = {"a", "b"};
  request.backend = "claude";
  request.surface = "web-chat";
  request.older_than_ms = 7'776'000'000;
  request.dry_run = true;
  const auto read = parse_request(to_json(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(to_json(*read), to_json(request));
  EXPECT_EQ(read->older_than_ms, 7'776'000'000U);
  EXPECT_TRUE(read->dry_run);
}

TEST(ControlRequests, OfAnOlderCommandLineDeleteNothing) {
  const auto read = parse_request(R"({"command":"sessions.purge"})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->older_than_ms, 0U);  // which the host refuses
}

}  // namespace
}  // namespace viaduct::cli
