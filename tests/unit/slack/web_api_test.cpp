#include "plugins/slack/web_api.hpp"

#include "plugins/slack/form.hpp"
#include "tests/unit/net/on_loop.hpp"
#include "tests/unit/net/server.hpp"

#include <cstdlib>
#include <deque>
#include <mutex>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;
using namespace net::asio::experimental::awaitable_operators;
using net::Peer;
using net::run_on;
using net::Server;
using net::Task;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kCut = "{\"ok\":tr";
constexpr const char* kToken = "xoxb-111-secret-222";

std::string reply(std::string_view body, int status = 200, const std::string& headers = {}) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" +
         std::string(body);
}

// Answers requests by a function. An empty answer, and one that says so, cut the connection.
class Api {
 public:
  explicit Api(std::function<std::string(const std::string& request)> answer)
      : server_([this, answer = std::move(answer)](Peer& peer) {
          for (std::string request; !(request = peer.request()).empty();) {
            const std::string text = [&] {
              const std::lock_guard lock(mutex_);
              requests_.push_back(request);
              return answer(request);
            }();
            if (text.empty() || !peer.say(text) || text.ends_with(kCut)) return;
          }
        }) {}

  std::string origin() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
  std::string base() const { return origin() + "/api/"; }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  Server server_;
};

std::string body_of(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

void with_api(const std::string& base, std::function<Task<>(WebApi&)> test) {
  net::Loop loop;
  WebApi api(loop, base, [](const ApiReport& report) {
    EXPECT_EQ(std::string(report.error).find("secret"), std::string::npos);
  });
  run_on(loop, [](WebApi& with, std::function<Task<>(WebApi&)> then) -> Task<> {
    co_await then(with);
  }(api, std::move(test)));
}
void with_api(const Api& api, std::function<Task<>(WebApi&)> test) {
  with_api(api.base(), std::move(test));
}

TEST(WebApi, SendsAFormWithTheTokenInItsHeader) {
  Api slack([](const std::string&) { return reply(R"({"ok":true,"ts":"1.2"})"); });
  with_api(slack, [](WebApi& api) -> Task<> {
    const auto done = co_await api.call(
        "chat.postMessage",
        R"({"channel":"C1","text":"a & b = ü+\n","n":3,"yes":true,"no":null,"blocks":[{"a":"b"}]})",
        kToken);
    EXPECT_EQ(*done, R"({"ok":true,"ts":"1.2"})");
  });
  const std::string request = slack.requests().at(0);
  EXPECT_TRUE(request.starts_with("POST /api/chat.postMessage HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("\r\nAuthorization: Bearer xoxb-111-secret-222\r\n"), request.npos);
  const Form form(body_of(request));
  EXPECT_EQ(form.get("text"), "a & b = ü+\n");
  EXPECT_EQ(form.get("n"), "3");
  EXPECT_EQ(form.get("yes"), "true");
  EXPECT_FALSE(form.has("no"));
  EXPECT_EQ(form.get("blocks"), R"([{"a":"b"}])");
  EXPECT_FALSE(form.has("token"));
}

struct AnswerCase {
  const char* name;
  std::string answer;  // empty: the connection is cut
  ApiTrouble trouble;
  std::string error;
  bool not_done;
  const char* words;
};
void PrintTo(const AnswerCase& one, std::ostream* out) {
  *out << one.name;
}
class ApiAnswers : public testing::TestWithParam<AnswerCase> {};

TEST_P(ApiAnswers, AreToldByWhatToDo) {
  Api slack([](const std::string&) { return GetParam().answer; });
  with_api(slack, [](WebApi& api) -> Task<> {
    const auto done = co_await api.call("chat.postMessage", R"({"channel":"C1"})", kToken, 0ms);
    EXPECT_FALSE(done);
    if (done) co_return;
    EXPECT_EQ(done.error().trouble, GetParam().trouble) << done.error().message;
    EXPECT_EQ(done.error().error, GetParam().error);
    EXPECT_EQ(done.error().not_done, GetParam().not_done) << done.error().message;
    EXPECT_NE(done.error().message.find(GetParam().words), std::string::npos)
        << done.error().message;
    EXPECT_EQ(done.error().message.find("secret"), std::string::npos) << done.error().message;
  });
  EXPECT_EQ(slack.requests().size(), 1U) << "nothing is sent twice";
}

INSTANTIATE_TEST_SUITE_P(
    Slack, ApiAnswers,
    testing::Values(
        AnswerCase{"not_in_channel", reply(R"({"ok":false,"error":"not_in_channel"})"),
                   ApiTrouble::kTargetGone, "not_in_channel", true, "/invite"},
        AnswerCase{
            "missing_scope",
            reply(
                R"({"ok":false,"error":"missing_scope","needed":"files:read","provided":"chat:write"})"),
            ApiTrouble::kSetUp, "missing_scope", true, "files:read"},
        AnswerCase{"revoked", reply(R"({"ok":false,"error":"token_revoked"})"),
                   ApiTrouble::kCredentials, "token_revoked", true, "install"},
        AnswerCase{
            "content",
            reply(
                R"({"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] no [json-pointer:/blocks/0]"]}})"),
            ApiTrouble::kContent, "invalid_blocks", true, "json-pointer:/blocks/0"},
        AnswerCase{"unknown", reply(R"({"ok":false,"error":"something_new"})"), ApiTrouble::kOther,
                   "something_new", true, "something_new"},
        AnswerCase{"echoed_token",
                   reply(R"({"ok":false,"error":"no token xoxb-111-secret-222 here"})"),
                   ApiTrouble::kOther, "no token *** here", true, "refused"},
        AnswerCase{"half_done", reply(R"({"ok":false,"error":"internal_error"})"),
                   ApiTrouble::kRetryLater, "internal_error", false, "tried again"},
        AnswerCase{"rate_limit",
                   reply(R"({"ok":false,"error":"ratelimited"})", 429, "Retry-After: 30\r\n"),
                   ApiTrouble::kRetryLater, "ratelimited", true, "limit"},
        AnswerCase{"outage", reply("<!DOCTYPE html><html>Server Error</html>", 503),
                   ApiTrouble::kRetryLater, "", false, "503"},
        AnswerCase{"page", reply("<html>hello</html>"), ApiTrouble::kRetryLater, "", false, "200"},
        AnswerCase{"cut", "", ApiTrouble::kRetryLater, "", false, "does not answer"},
        AnswerCase{"cut_answer", "HTTP/1.1 200 X\r\nContent-Length: 90\r\n\r\n{\"ok\":tr",
                   ApiTrouble::kRetryLater, "", false, "does not answer"},
        AnswerCase{"no_object", reply("[true]"), ApiTrouble::kRetryLater, "", false, "no JSON"},
        AnswerCase{"elsewhere", reply("", 301, "Location: https://slack.com/api/\r\n"),
                   ApiTrouble::kSetUp, "", true, "api_base_url"}),
    [](const auto& at) { return std::string(at.param.name); });

TEST(WebApi, KnowsThatNothingWasPostedWhereNobodyWasReached) {
  for (const char* base : {"http://127.0.0.1:1/api/", "http://slack.invalid/api/"})
    with_api(base, [](WebApi& api) -> Task<> {
      const auto done = co_await api.call("chat.postMessage", R"({"channel":"C1"})", kToken);
      EXPECT_EQ(done.error().trouble, ApiTrouble::kRetryLater);
      EXPECT_TRUE(done.error().not_done) << done.error().message;
    });
}

TEST(WebApi, ReachesAStandInOnThisComputerPastAnyProxy) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  Api slack([](const std::string&) { return reply(R"({"ok":true})"); });
  with_api(slack, [](WebApi& api) -> Task<> {
    EXPECT_TRUE(co_await api.call("auth.test", "{}", kToken));
  });
  ::unsetenv("http_proxy");
}

TEST(WebApi, TakesWhatIsDoneAlreadyAsDone) {
  Api slack([](const std::string&) { return reply(R"({"ok":false,"error":"already_reacted"})"); });
  with_api(slack, [](WebApi& api) -> Task<> {
    EXPECT_TRUE(co_await api.call("reactions.add", R"({"channel":"C1"})", kToken));
    const auto bad = co_await api.call("reactions.add", "no json", kToken);
    EXPECT_EQ(bad.error().trouble, ApiTrouble::kContent);
  });
}

TEST(WebApi, WaitsOutARateLimitForItsMethodOnly) {
  std::atomic<int> updates{0};
  Api slack([&](const std::string& request) {
    if (request.starts_with("POST /api/chat.update") && ++updates == 1)
      return reply(R"({"ok":false,"error":"ratelimited"})", 429, "Retry-After: 2\r\n");
    return reply(R"({"ok":true})");
  });
  with_api(slack, [&](WebApi& api) -> Task<> {
    const auto begun = Clock::now();
    auto limited = [](WebApi& with, const char* channel) -> Task<Clock::duration> {
      const auto start = Clock::now();
      EXPECT_TRUE(co_await with.call("chat.update", channel, kToken, 10s));
      co_return Clock::now() - start;
    };
    auto others = [](WebApi& with, std::atomic<int>& sent) -> Task<Clock::duration> {
      EXPECT_TRUE(co_await net::until([&] { return sent >= 1; }));
      const auto start = Clock::now();
      EXPECT_TRUE(co_await with.call("reactions.add", R"({"channel":"C1"})", kToken, 10s));
      EXPECT_TRUE(co_await with.call("chat.update", R"({"channel":"C1"})", "xoxb-other", 10s));
      co_return Clock::now() - start;
    };
    const auto [first, second, third] =
        co_await (limited(api, R"({"channel":"C1"})") && limited(api, R"({"channel":"C2"})") &&
                  others(api, updates));
    EXPECT_GE(std::max(first, second), 2s);
    EXPECT_LT(third, 2s);
    EXPECT_LT(Clock::now() - begun, 20s);
  });
}

TEST(WebApi, FailsAtOnceWhereALimitOutlastsThePatience) {
  Api slack([](const std::string&) {
    return reply(R"({"ok":false,"error":"ratelimited"})", 429, "Retry-After: 30\r\n");
  });
  with_api(slack, [](WebApi& api) -> Task<> {
    const auto begun = Clock::now();
    for (int i = 0; i < 5; ++i) {
      const auto done = co_await api.call("chat.update", R"({"channel":"C1"})", kToken, 2s);
      EXPECT_EQ(done.error().error, "ratelimited");
      EXPECT_TRUE(done.error().not_done);
      EXPECT_GT(*done.error().retry_after, 20s);
      EXPECT_LE(*done.error().retry_after, 31s);
    }
    EXPECT_LT(Clock::now() - begun, 2s);
  });
  EXPECT_EQ(slack.requests().size(), 1U) << "Slack is left alone until its limit is over";
}

TEST(WebApi, LetsTheFinalTextGoBeforePassingOnes) {
  Api slack([](const std::string&) { return reply(R"({"ok":true})"); });
  with_api(slack, [](WebApi& api) -> Task<> {
    const std::string args = R"({"channel":"C1","text":"growing"})";
    int refused = 0;
    for (int i = 0; i < 20; ++i) {
      const auto done = co_await api.call("chat.update", args, kToken, 0ms);
      if (done) continue;
      ++refused;
      EXPECT_EQ(done.error().trouble, ApiTrouble::kRetryLater);
      EXPECT_TRUE(done.error().not_done);
      EXPECT_GT(*done.error().retry_after, 0ms);
    }
    EXPECT_GT(refused, 5);
    // What growing texts have left is enough for the last one.
    const auto begun = Clock::now();
    EXPECT_TRUE(co_await api.call("chat.update", R"({"channel":"C1","text":"final"})", kToken, 5s));
    EXPECT_LT(Clock::now() - begun, 900ms);
    // Another channel has a budget of its own.
    EXPECT_TRUE(co_await api.call("chat.update", R"({"channel":"C2"})", kToken, 0ms));
  });
}

TEST(WebApi, GivesUpItsPlaceWhenItIsCancelled) {
  Api slack([](const std::string&) {
    return reply(R"({"ok":false,"error":"ratelimited"})", 429, "Retry-After: 1\r\n");
  });
  with_api(slack, [](WebApi& api) -> Task<> {
    const auto first = co_await (api.call("users.info", "{}", kToken, 60s) || net::pause(50ms));
    EXPECT_EQ(first.index(), 1U);
  });
}

// ---------------------------------------------------------------- files and response_url

// Two steps of which the second makes it seen.
Task<ApiResult> uploaded(WebApi& api, chat::File file, std::string arguments) {
  const std::string title = file.name;
  ApiResult done = co_await api.put_file(std::move(file), kToken);
  if (done) done = co_await api.share_file(*done, title, std::move(arguments), kToken);
  co_return done;
}

TEST(WebApi, UploadsAFileInThreeStepsAndKeepsTheTokenToItself) {
  const std::string bytes("\x89PNG\r\n\0\xFF\x1A", 9);
  Api slack([&](const std::string& request) {
    if (request.starts_with("POST /api/files.getUploadURLExternal"))
      return reply(R"({"ok":true,"upload_url":")" + slack.origin() +
                   R"(/upload/secret-ticket","file_id":"F1"})");
    if (request.starts_with("POST /upload/")) return reply("OK - 9");
    return reply(R"({"ok":true,"files":[{"id":"F1"}]})");
  });
  with_api(slack, [&](WebApi& api) -> Task<> {
    EXPECT_TRUE(co_await uploaded(api, {"a \"b\".png", "image/png", "", "an image", bytes},
                                  R"({"channel_id":"C1","thread_ts":"1.2"})"));
    const auto empty = co_await uploaded(api, {"a", "text/plain", "", "", ""}, "{}");
    EXPECT_EQ(empty.error().trouble, ApiTrouble::kContent);
  });
  const auto requests = slack.requests();
  ASSERT_EQ(requests.size(), 3U);
  const Form asked(body_of(requests[0]));
  EXPECT_EQ(asked.get("filename"), "a \"b\".png");
  EXPECT_EQ(asked.get("length"), "9");
  EXPECT_EQ(asked.get("alt_txt"), "an image");
  EXPECT_EQ(body_of(requests[1]), bytes);
  EXPECT_NE(requests[1].find("Content-Type: image/png"), std::string::npos) << requests[1];
  EXPECT_EQ(requests[1].find("xoxb"), std::string::npos);
  const Form completed(body_of(requests[2]));
  EXPECT_EQ(completed.get("files"), R"([{"id":"F1","title":"a \"b\".png"}])");
  EXPECT_EQ(completed.get("channel_id"), "C1");
  EXPECT_EQ(completed.get("thread_ts"), "1.2");
}

TEST(WebApi, KnowsWhetherAFileMayBeThereAlready) {
  for (const auto& [cut_at, not_done] :
       {std::pair("/upload/", true), std::pair("/api/files.complete", false)}) {
    Api slack([&](const std::string& request) {
      if (request.find(cut_at) != request.npos) return std::string();
      if (request.starts_with("POST /api/files.getUploadURLExternal"))
        return reply(R"({"ok":true,"upload_url":")" + slack.origin() +
                     R"(/upload/secret-ticket","file_id":"F1"})");
      return reply("OK - 5");
    });
    with_api(slack, [&](WebApi& api) -> Task<> {
      const auto done = co_await uploaded(api, {"a", "text/plain", "", "", "hello"}, "{}");
      EXPECT_EQ(done.error().trouble, ApiTrouble::kRetryLater);
      EXPECT_EQ(done.error().not_done, not_done);
      EXPECT_EQ(done.error().message.find("secret"), std::string::npos) << done.error().message;
    });
  }
}

TEST(WebApi, SendsNoFileAndNoTokenToOthers) {
  Api stranger([](const std::string&) { return reply("mine"); });
  Api slack([&](const std::string& request) {
    if (request.starts_with("GET /away"))
      return reply("", 302, "Location: " + stranger.origin() + "/steal\r\n");
    return reply(R"({"ok":true,"upload_url":")" + stranger.origin() +
                 R"(/upload","file_id":"F1"})");
  });
  with_api(slack, [&](WebApi& api) -> Task<> {
    const auto up = co_await uploaded(api, {"a", "text/plain", "", "", "hello"}, "{}");
    EXPECT_EQ(up.error().trouble, ApiTrouble::kContent);
    for (const std::string& url :
         {stranger.origin() + "/file", slack.origin() + "/away", std::string("file:///etc/passwd"),
          std::string("http://169.254.169.254/latest/meta-data")}) {
      const auto down = co_await api.download(url, kToken, 100);
      EXPECT_FALSE(down) << url;
      if (!down) EXPECT_TRUE(down.error().trouble == ApiTrouble::kOther) << down.error().message;
    }
    EXPECT_FALSE(co_await api.respond(stranger.origin() + "/response", "{}"));
  });
  EXPECT_TRUE(stranger.requests().empty());
}

TEST(WebApi, DownloadsFilesAndKnowsALoginPage) {
  Api slack([](const std::string& request) {
    if (request.starts_with("GET /login-redirect"))
      return reply("", 302, "Location: /?redir=%2Ffile\r\n");
    if (request.starts_with("GET /?redir"))
      return reply("<!DOCTYPE html><title>Sign in</title>", 200,
                   "Content-Type: text/html; charset=utf-8\r\n");
    if (request.starts_with("GET /unnamed-page")) return reply("\n <HTML lang=en>Sign in");
    if (request.starts_with("GET /page"))
      return reply("<html>a file</html>", 200,
                   "Content-Type: text/html\r\nContent-Disposition: attachment; filename=a\r\n");
    if (request.starts_with("GET /gone")) return reply("no", 404);
    if (request.starts_with("GET /moved")) return reply("", 302, "Location: /picture\r\n");
    if (request.starts_with("GET /round")) return reply("", 302, "Location: /round\r\n");
    return reply(std::string("\x89PNG\0\n", 6), 200, "Content-Type: image/png; x=y\r\n");
  });
  const std::string origin = slack.origin();
  with_api(slack, [&](WebApi& api) -> Task<> {
    auto file = co_await api.download(origin + "/picture", kToken, 6);
    EXPECT_EQ(file->bytes, std::string("\x89PNG\0\n", 6));
    EXPECT_EQ(file->type, "image/png");
    EXPECT_TRUE(co_await api.download(origin + "/moved", kToken, 6));
    EXPECT_EQ((co_await api.download(origin + "/page", kToken, 100))->bytes, "<html>a file</html>");
    const auto large = co_await api.download(origin + "/picture", kToken, 5);
    EXPECT_EQ(large.error().trouble, ApiTrouble::kContent);
    for (const char* path : {"/login-redirect", "/unnamed-page"}) {
      const auto login = co_await api.download(origin + path, kToken, 1000);
      EXPECT_EQ(login.error().trouble, ApiTrouble::kSetUp) << path;
      EXPECT_NE(login.error().message.find("files:read"), std::string::npos);
    }
    EXPECT_EQ((co_await api.download(origin + "/gone", kToken, 9)).error().trouble,
              ApiTrouble::kTargetGone);
    EXPECT_EQ((co_await api.download(origin + "/round", kToken, 9)).error().trouble,
              ApiTrouble::kOther);
  });
  EXPECT_NE(slack.requests().at(0).find("Authorization: Bearer " + std::string(kToken)),
            std::string::npos);
}

TEST(WebApi, AnswersByAResponseUrl) {
  std::deque<std::string> answers{reply("ok"),
                                  reply(R"({"ok":true})"),
                                  reply(R"({"ok":false,"error":"used_url"})", 404),
                                  reply("expired", 404),
                                  reply("no", 500),
                                  ""};
  Api slack([&](const std::string&) {
    std::string next = answers.front();
    answers.pop_front();
    return next;
  });
  const std::string url = slack.origin() + "/response/secret";
  with_api(slack, [&](WebApi& api) -> Task<> {
    EXPECT_TRUE(co_await api.respond(url, R"({"text":"ä"})"));
    EXPECT_TRUE(co_await api.respond(url, "{}"));
    EXPECT_EQ((co_await api.respond(url, "{}")).error().error, "used_url");
    EXPECT_EQ((co_await api.respond(url, "{}")).error().error, "expired_url");
    for (int i = 0; i < 2; ++i) {
      const auto unknown = co_await api.respond(url, "{}");
      EXPECT_EQ(unknown.error().trouble, ApiTrouble::kRetryLater);
      EXPECT_FALSE(unknown.error().not_done);
      EXPECT_EQ(unknown.error().message.find("secret"), std::string::npos);
    }
  });
  EXPECT_EQ(body_of(slack.requests().at(0)), R"({"text":"ä"})");
  EXPECT_EQ(slack.requests().at(0).find("Authorization"), std::string::npos);
}

}  // namespace
}  // namespace viaduct::slack
