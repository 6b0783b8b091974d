#include "host/telemetry/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>

namespace viaduct {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string logged(LogOptions options, const Redactor& redactor,
                   const std::function<void(LogSink&)>& write) {
  testing::internal::CaptureStderr();
  write(*make_log_sink(options, redactor));
  return testing::internal::GetCapturedStderr();
}

json logged_json(const std::string& message, const Redactor& redactor = {}) {
  return json::parse(logged({Level::info, LogFormat::json}, redactor,
                            [&](LogSink& sink) { sink.write(Level::info, "turn", message); }));
}

TEST(TextLog, WritesTimeLevelAreaAndMessageOnOneLine) {
  const Redactor redactor;
  const auto text = logged({}, redactor, [](LogSink& sink) {
    Logger(sink, "http").info("request finished status={}", 200);
  });
  EXPECT_TRUE(std::regex_match(
      text,
      std::regex(
          R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info  http: request finished status=200\n)")))
      << text;
}

TEST(TextLog, LeavesOutWhatIsBelowTheLevel) {
  const Redactor redactor;
  const auto text = logged({Level::warn, LogFormat::text}, redactor, [](LogSink& sink) {
    const Logger log(sink, "a");
    EXPECT_FALSE(sink.enabled(Level::info));
    log.debug("one");
    log.info("two");
    sink.write(Level::info, "a", "three");
    log.warn("four");
    log.error("five");
  });
  EXPECT_THAT(text, Not(HasSubstr("one")));
  EXPECT_THAT(text, Not(HasSubstr("two")));
  EXPECT_THAT(text, Not(HasSubstr("three")));
  EXPECT_THAT(text, HasSubstr("warn  a: four\n"));
  EXPECT_THAT(text, HasSubstr("error a: five\n"));
}

TEST(TextLog, EscapesWhatCouldForgeALineOrSteerATerminal) {
  const Redactor redactor;
  const auto text = logged({}, redactor, [](LogSink& sink) {
    sink.write(Level::info, "area\n",
               "a\nb\rc\td\x1b[2Je\x7f\xff \xC2\x9B \xE2\x80\xA8 \xE2\x80\xAE ü€😀");
  });
  EXPECT_THAT(text,
              EndsWith("a\\nb\\rc\\td\\u001b[2Je\\u007f\\xff \\u009b \\u2028 \\u202e ü€😀\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST(TextLog, RedactsSecrets) {
  Redactor redactor;
  redactor.add("hunter22");
  const auto text = logged({}, redactor, [](LogSink& sink) {
    sink.write(Level::info, "a", "logged in password=hunter22");
  });
  EXPECT_THAT(text, HasSubstr("password=***\n"));
}

TEST(TextLog, CutsAMessageThatIsTooLongAfterRedactingIt) {
  Redactor redactor;
  redactor.add("hunter22");
  const auto text = logged({}, redactor, [](LogSink& sink) {
    sink.write(Level::info, "a",
               std::string((16 << 10) - 4, 'x') + "hunter22" + std::string(50, 'y'));
  });
  EXPECT_THAT(text, Not(HasSubstr("hunt")));
  EXPECT_THAT(text, EndsWith("xxx***y… (49 bytes more)\n"));
}

TEST(JsonLog, MakesFieldsOfKeysAndValues) {
  const json line = logged_json(
      "turn finished turn=t-1 ms=12 rate=0.5 ok=true empty= text=\"two \\\"words\\\"\"");
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["area"], "turn");
  EXPECT_EQ(line["message"], "turn finished");
  EXPECT_EQ(line["turn"], "t-1");
  EXPECT_EQ(line["ms"], 12);
  EXPECT_EQ(line["rate"], 0.5);
  EXPECT_EQ(line["ok"], "true");
  EXPECT_EQ(line["empty"], "");
  EXPECT_EQ(line["text"], "two \"words\"");
  EXPECT_TRUE(std::regex_match(line["time"].get<std::string>(),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
}

TEST(JsonLog, KeepsWordsWithTheValueBeforeThem) {
  const json line = logged_json("cannot listen error=address 127.0.0.1:80 in use path=/a?b=c");
  EXPECT_EQ(line["error"], "address 127.0.0.1:80 in use");
  EXPECT_EQ(line["path"], "/a?b=c");
}

TEST(JsonLog, KeepsIdsAsText) {
  const json line =
      logged_json("x session=0123 turn=42 request=7 native_id=9 zero=007 big=1234567890123456");
  EXPECT_EQ(line["session"], "0123");
  EXPECT_EQ(line["turn"], "42");
  EXPECT_EQ(line["request"], "7");
  EXPECT_EQ(line["native_id"], "9");
  EXPECT_EQ(line["zero"], "007");
  EXPECT_EQ(line["big"], "1234567890123456");
}

TEST(JsonLog, LetsNoKeyTakeThePlaceOfAnother) {
  const json line = logged_json("x level=error turn=1 turn=2");
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["level_"], "error");
  EXPECT_EQ(line["turn"], "1");
  EXPECT_EQ(line["turn_"], "2");
}

TEST(JsonLog, StaysOneValidLineWhateverTheMessage) {
  for (const std::string message :
       {"", "a=\"", "a=\"\\", "=", "a==", "\"}\n{\"level\":\"error\"", "\xff\xfe a=\xff",
        "a=\"x\"y b=1", "1=2 3=4", " a=b ", "a=-", "a=.", "a=1.2.3", "a=-.5", "a=1.", "a=-0",
        "\xF0\x9F", "a=b\\"}) {
    EXPECT_NO_THROW(logged_json(message)) << message;
  }
}

TEST(JsonLog, RedactsSecretsInFields) {
  Redactor redactor;
  redactor.add("two words=x");
  const json line = logged_json("x password=two words=x", redactor);
  EXPECT_EQ(line["password"], "***");
}

// Standard error for as long as it lives.
class ErrorPipe {
 public:
  ErrorPipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    reader_ = ends[0];
    saved_ = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~ErrorPipe() { restore(); }
  void restore() {
    if (saved_ < 0) return;
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    saved_ = -1;
  }
  // What is in the pipe now.
  std::string read() {
    std::string text;
    char buffer[4096];
    ::fcntl(reader_, F_SETFL, O_NONBLOCK);
    for (ssize_t n = 0; (n = ::read(reader_, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(n));
    return text;
  }

 private:
  int reader_ = -1;
  int saved_ = -1;
};

TEST(Log, NeitherBlocksNorTearsLinesWhenNobodyReadsIt) {
  const Redactor redactor;
  std::string before;
  std::string after;
  {
    ErrorPipe pipe;
    const auto sink = make_log_sink({Level::info, LogFormat::json}, redactor);
    const std::string long_word(3000, 'x');
    for (int i = 0; i < 400; ++i)  // 1 MB into a pipe of 64 KiB
      sink->write(Level::info, "a", "line n=" + std::to_string(i) + " word=" + long_word);
    before = pipe.read();
    sink->write(Level::info, "a", "the reader is back");
    after = pipe.read();
  }
  EXPECT_THAT(after, HasSubstr("dropped"));
  EXPECT_THAT(after, HasSubstr("the reader is back"));
  std::istringstream lines(before + after);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_TRUE(json::accept(line)) << line.substr(0, 100);
  EXPECT_GT(count, 10);
}

}  // namespace
}  // namespace viaduct
