#include <viaduct/net/http_client.hpp>

#include "tests/unit/net/on_loop.hpp"
#include "tests/unit/net/server.hpp"

#include <viaduct/net/child_process.hpp>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <filesystem>

namespace viaduct::net {
namespace {

using namespace asio::experimental::awaitable_operators;

constexpr const char* kStream =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(HttpClient, SendsMethodHeadersAndBody) {
  std::string seen;
  Server server([&](Peer& peer) {
    seen = peer.request();
    peer.say("HTTP/1.1 201 Created\r\nX-One: 1\r\nx-two:  a b \r\nContent-Length: 5\r\n\r\nhello");
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, HttpRequest request) -> Task<> {
    request.method = "POST";
    request.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
    request.body = std::string(100'000, 'b');
    const auto response = co_await http.fetch(request);
    EXPECT_TRUE(response);
    EXPECT_EQ(response->head.status, 201);
    EXPECT_EQ(response->head.header("x-ONE"), "1");
    EXPECT_EQ(response->head.header("X-Two"), "a b");
    EXPECT_EQ(response->head.header("x-three"), "");
    EXPECT_EQ(response->body, "hello");
  }(client, server.get("/path?a=b")));
  EXPECT_TRUE(seen.starts_with("POST /path?a=b HTTP/1.1\r\n")) << seen.substr(0, 300);
  EXPECT_NE(seen.find("\r\nContent-Type: application/json\r\n"), seen.npos);
  EXPECT_NE(seen.find("\r\nX-Empty:\r\n"), seen.npos);
  EXPECT_EQ(seen.find("Expect"), seen.npos);
  EXPECT_TRUE(seen.ends_with(std::string(100'000, 'b')));
}

TEST(HttpClient, DeliversEachPieceBeforeTheNextIsSent) {
  std::array<Signal, 3> got;
  Server server([&](Peer& peer) {
    peer.request();
    peer.say(kStream);
    for (Signal& next : got) {
      peer.say("5\r\npiece\r\n");
      if (!next.wait()) return;
    }
    peer.say("0\r\n\r\n");
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, HttpRequest request, std::array<Signal, 3>& read) -> Task<> {
    auto stream = co_await http.open(request);
    EXPECT_EQ(stream->head().header("content-type"), "text/event-stream");
    for (Signal& next : read) {
      EXPECT_EQ(*co_await stream->read(), "piece");
      next.give();
    }
    EXPECT_EQ(*co_await stream->read(), "");
  }(client, server.get(), got));
}

TEST(HttpClient, ClosesTheConnectionAtOnceWhenAReadIsCancelled) {
  Signal closed;
  Server server([&](Peer& peer) {
    peer.request();
    peer.say(kStream);
    peer.say("5\r\npiece\r\n");
    if (peer.closed()) closed.give();
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, HttpRequest request, Signal& end) -> Task<> {
    auto stream = co_await http.open(request);
    co_await stream->read();
    const auto begun = std::chrono::steady_clock::now();
    co_await (stream->read() || pause(milliseconds(1)));
    EXPECT_TRUE(co_await until([&] { return end.given(); }));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, milliseconds(1 + 100 + 200));
    EXPECT_EQ((co_await stream->read()).error().code, sdk::Code::kCancelled);
  }(client, server.get(), closed));
}

TEST(HttpClient, ClosesTheConnectionWhenNobodyWantsTheAnswerAnyMore) {
  std::atomic<int> closed{0};
  Server server([&](Peer& peer) {
    if (peer.request().starts_with("GET /silent")) {
      closed += peer.closed() ? 1 : 0;
      return;
    }
    peer.say(kStream);
    closed += peer.closed() ? 1 : 0;
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, const Server& from, std::atomic<int>& count) -> Task<> {
    const auto silent = co_await (http.open(from.get("/silent")) || pause(milliseconds(50)));
    EXPECT_EQ(silent.index(), 1U);
    EXPECT_TRUE(co_await until([&] { return count == 1; }));
    {
      const auto stream = co_await http.open(from.get());
    }
    EXPECT_TRUE(co_await until([&] { return count == 2; }));
  }(client, server, closed));
}

TEST(HttpClient, UsesAConnectionAgain) {
  Server server([](Peer& peer) {
    while (!peer.request().empty()) peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Loop loop;
  {
    HttpClient client(loop);
    run_on(loop, [](HttpClient& http, HttpRequest request) -> Task<> {
      for (int i = 0; i < 5; ++i) EXPECT_EQ((co_await http.fetch(request))->body, "ok");
    }(client, server.get()));
  }
  EXPECT_EQ(server.connections(), 1);
}

struct FailureCase {
  const char* name;
  std::string answer;
  sdk::Code code;
  bool ends;  // the server closes then
};
void PrintTo(const FailureCase& one, std::ostream* out) {
  *out << one.name;
}
class HttpFailure : public testing::TestWithParam<FailureCase> {};

TEST_P(HttpFailure, IsToldByItsCode) {
  Signal over;
  Server server([&](Peer& peer) {
    peer.request();
    peer.say(GetParam().answer);
    if (!GetParam().ends) over.wait();
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, HttpRequest request, Signal& end) -> Task<> {
    request.idle_timeout = milliseconds(300);
    request.max_body_bytes = 10'000;
    request.max_header_bytes = 2'000;
    request.url += "?key=secret";
    const auto response = co_await http.fetch(request);
    EXPECT_FALSE(response);
    if (!response) {
      EXPECT_EQ(response.error().code, GetParam().code) << response.error().message;
      EXPECT_NE(response.error().message.find("http://127.0.0.1:"), std::string::npos);
      EXPECT_EQ(response.error().message.find("secret"), std::string::npos);
    }
    end.give();
  }(client, server.get(), over));
}

INSTANTIATE_TEST_SUITE_P(
    Answers, HttpFailure,
    testing::Values(FailureCase{"nothing", "", sdk::Code::kUnavailable, true},
                    FailureCase{"silence", "", sdk::Code::kTimeout, false},
                    FailureCase{"half_a_head", "HTTP/1.1 200 OK\r\nContent-", sdk::Code::kTimeout,
                                false},
                    FailureCase{"silence_in_the_body", std::string(kStream) + "5\r\nhello\r\n",
                                sdk::Code::kTimeout, false},
                    FailureCase{"cut_short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                                sdk::Code::kUnavailable, true},
                    FailureCase{"cut_chunks", std::string(kStream) + "5\r\nhello\r\n",
                                sdk::Code::kUnavailable, true},
                    FailureCase{"too_long", "HTTP/1.1 200 OK\r\n\r\n" + std::string(20'000, 'x'),
                                sdk::Code::kBusy, true},
                    FailureCase{"head_too_long",
                                "HTTP/1.1 200 OK\r\nX-A: " + std::string(3'000, 'x') + "\r\n\r\n",
                                sdk::Code::kBusy, true},
                    FailureCase{"no_http", "SSH-2.0-OpenSSH\r\n", sdk::Code::kUnavailable, true}),
    [](const auto& at) { return std::string(at.param.name); });

// Whoever posts something must know whether it may have arrived.
TEST(HttpClient, SaysWhetherTheServerMayHaveSeenTheRequest) {
  Server cuts([](Peer& peer) { peer.request(); });
  Signal over;
  Server mute([&](Peer& peer) {
    peer.request();
    over.wait();
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, HttpRequest cut, HttpRequest silent, Signal& end) -> Task<> {
    const auto no_name = co_await http.fetch({.url = "http://nobody.invalid/"});
    EXPECT_FALSE(no_name.error().sent) << no_name.error().message;
    const auto no_port = co_await http.fetch({.url = "http://127.0.0.1:1/"});
    EXPECT_FALSE(no_port.error().sent) << no_port.error().message;
    const auto no_request = co_await http.fetch({.url = "ftp://127.0.0.1/"});
    EXPECT_FALSE(no_request.error().sent);
    const auto lost = co_await http.fetch(cut);
    EXPECT_TRUE(lost.error().sent) << lost.error().message;
    silent.total_timeout = milliseconds(200);
    const auto late = co_await http.fetch(silent);
    EXPECT_EQ(late.error().code, sdk::Code::kTimeout);
    EXPECT_TRUE(late.error().sent);
    end.give();
  }(client, cuts.get(), mute.get(), over));
}

TEST(HttpClient, NeverSendsTwiceWhatMayGoOnlyOnce) {
  std::atomic<int> posts{0};
  Server server([&](Peer& peer) {
    // A connection that serves once and then breaks under its second request.
    peer.request();
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (peer.request().starts_with("POST")) ++posts;
  });
  Loop loop;
  {
    HttpClient client(loop);
    run_on(loop, [](HttpClient& http, HttpRequest request) -> Task<> {
      EXPECT_EQ((co_await http.fetch(request))->body, "ok");
      request.method = "POST";
      request.once = true;
      const auto lost = co_await http.fetch(request);
      EXPECT_FALSE(lost);
      if (!lost) EXPECT_TRUE(lost.error().sent);
    }(client, server.get()));
  }
  EXPECT_EQ(posts, 1);
}

TEST(HttpClient, DoesNotTakeALongUploadForSilence) {
  static constexpr std::size_t kSize = 24 << 20;
  Server server([](Peer& peer) {
    // Reads for longer than the limit, all the time a little.
    std::size_t got = 0;
    while (got < kSize) {
      const std::string piece = peer.take(1 << 20);
      if (piece.empty()) return;
      got += piece.size();
      std::this_thread::sleep_for(milliseconds(40));
    }
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, HttpRequest request) -> Task<> {
    request.method = "POST";
    request.body = std::string(kSize, 'u');
    request.idle_timeout = milliseconds(400);
    const auto answer = co_await http.fetch(request);
    EXPECT_TRUE(answer) << answer.error().message;
  }(client, server.get()));
}

TEST(HttpClient, GivesWhatCameBeforeTheConnectionBroke) {
  Server server([](Peer& peer) {
    peer.request();
    peer.say(std::string(kStream) + "5\r\nhello\r\n");
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http, HttpRequest request) -> Task<> {
    auto stream = co_await http.open(request);
    EXPECT_EQ(*co_await stream->read(), "hello");
    EXPECT_EQ((co_await stream->read()).error().code, sdk::Code::kUnavailable);
  }(client, server.get()));
}

TEST(HttpClient, RefusesWhatIsNoRequest) {
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](HttpClient& http) -> Task<> {
    for (HttpRequest bad :
         {HttpRequest{.url = "file:///etc/passwd"}, HttpRequest{.url = "ftp://127.0.0.1/"},
          HttpRequest{.url = "not a url"},
          HttpRequest{.method = "GE T", .url = "http://127.0.0.1/"},
          HttpRequest{.url = "http://127.0.0.1/", .headers = {{"a:b", "c"}}},
          HttpRequest{.url = "http://127.0.0.1/", .headers = {{"a", "b\r\nHost: evil"}}}}) {
      const auto response = co_await http.fetch(bad);
      EXPECT_EQ(response.error().code, sdk::Code::kInvalidArgument) << bad.url;
    }
    const auto nobody = co_await http.fetch({.url = "http://127.0.0.1:1/"});
    EXPECT_EQ(nobody.error().code, sdk::Code::kUnavailable);
  }(client));
}

TEST(HttpClient, FollowsRedirectsOnlyWhenAsked) {
  Server server([](Peer& peer) {
    for (std::string request; !(request = peer.request()).empty();)
      peer.say(request.starts_with("GET /new")
                   ? "HTTP/1.1 200 OK\r\nX-Here: yes\r\nContent-Length: 3\r\n\r\nnew"
                   : "HTTP/1.1 302 Found\r\nLocation: /new\r\nX-Here: no\r\nContent-Length: 3\r\n"
                     "\r\nold");
  });
  Loop loop;
  {
    HttpClient client(loop);
    run_on(loop, [](HttpClient& http, HttpRequest request) -> Task<> {
      auto response = co_await http.fetch(request);
      EXPECT_EQ(response->head.status, 302);
      EXPECT_EQ(response->head.header("location"), "/new");
      EXPECT_EQ(response->body, "old");
      request.max_redirects = 3;
      response = co_await http.fetch(request);
      EXPECT_EQ(response->head.status, 200);
      EXPECT_EQ(response->head.header("x-here"), "yes");
      EXPECT_EQ(response->body, "new");
    }(client, server.get("/old")));
  }
}

TEST(HttpClient, UsesAProxyOnlyWhenConfigured) {
  std::atomic<int> through_proxy{0};
  Server proxy([&](Peer& peer) {
    if (peer.request().starts_with("GET http://")) ++through_proxy;
    peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nproxy");
  });
  Server server([](Peer& peer) {
    peer.request();
    peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\ndirect");
  });
  ::setenv("http_proxy", proxy.get("").url.c_str(), 1);
  ::unsetenv("no_proxy");
  ::unsetenv("NO_PROXY");
  Loop loop;
  HttpClient plain(loop);
  HttpClient environment(loop, {.proxy_from_environment = true});
  HttpClient given(loop, {.proxy = proxy.get("").url});
  run_on(loop, [](HttpClient& a, HttpClient& b, HttpClient& c, HttpRequest request) -> Task<> {
    EXPECT_EQ((co_await a.fetch(request))->body, "direct");
    EXPECT_EQ((co_await b.fetch(request))->body, "proxy");
    EXPECT_EQ((co_await c.fetch(request))->body, "proxy");
  }(plain, environment, given, server.get()));
  EXPECT_EQ(through_proxy, 2);
  ::unsetenv("http_proxy");
}

TEST(HttpClient, LetsThePeerWaitForASlowReader) {
  static constexpr std::size_t kSize = 32 << 20;
  std::atomic<std::size_t> sent{0};
  Server server([&](Peer& peer) {
    peer.request();
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
    const std::string piece(64 << 10, 'x');
    while (sent < kSize && peer.say(piece)) sent += piece.size();
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop,
         [](HttpClient& http, HttpRequest request, std::atomic<std::size_t>& so_far) -> Task<> {
           request.idle_timeout = milliseconds(400);
           auto stream = co_await http.open(request);
           co_await pause(milliseconds(1000));  // longer than the limit: it is we who do not read
           EXPECT_LT(so_far, kSize / 2);
           std::size_t read = 0;
           for (;;) {
             const auto bytes = co_await stream->read();
             if (!bytes) ADD_FAILURE() << bytes.error().message;
             if (!bytes || bytes->empty()) break;
             EXPECT_LE(bytes->size(), 2U << 20);
             read += bytes->size();
           }
           EXPECT_EQ(read, kSize);
         }(client, server.get(), sent));
}

TEST(HttpClient, HasManyStreamsAtOnce) {
  Server server([](Peer& peer) {
    peer.request();
    peer.say(kStream);
    for (int i = 0; i < 20; ++i) peer.say("4\r\nabcd\r\n");
    peer.say("0\r\n\r\n");
  });
  Loop loop;
  HttpClient client(loop);
  run_on(loop, [](Loop& on, HttpClient& http, HttpRequest request) -> Task<> {
    int fine = 0;
    for (int i = 0; i < 50; ++i)
      on.spawn([](HttpClient& from, HttpRequest what, int& count) -> Task<> {
        const auto response = co_await from.fetch(what);
        count += response && response->body.size() == 80 ? 1 : 0;
      }(http, request, fine));
    EXPECT_TRUE(co_await until([&] { return fine == 50; }));
  }(loop, client, server.get()));
}

TEST(HttpHead, ReadsRetryAfter) {
  const auto after = [](std::string value) {
    return HttpHead{.status = 429, .headers = {{"Retry-After", std::move(value)}}}.retry_after();
  };
  EXPECT_EQ(after("7"), std::chrono::seconds(7));
  EXPECT_EQ(after("0"), std::chrono::seconds(0));
  EXPECT_EQ(after("-1"), std::nullopt);
  EXPECT_EQ(after("soon"), std::nullopt);
  EXPECT_EQ(HttpHead{}.retry_after(), std::nullopt);
  EXPECT_EQ(after("Wed, 21 Oct 2015 07:28:00 GMT"), std::chrono::seconds(0));
  const std::time_t later = std::time(nullptr) + 100;
  char date[64];
  std::tm parts{};
  ::gmtime_r(&later, &parts);
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  EXPECT_GE(*after(date), std::chrono::seconds(90));
  EXPECT_LE(*after(date), std::chrono::seconds(100));
}

// A server with a certificate that only this test trusts.
TEST(HttpClient, ChecksTheCertificate) {
  std::string folder = std::filesystem::temp_directory_path() / "viaduct-net-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  Loop loop;
  HttpClient system(loop);
  HttpClient trusting(loop, {.ca_file = folder + "/cert.pem"});
  bool ran = false;
  run_on(
      loop,
      [](Loop& on, HttpClient& plain, HttpClient& trusts, std::string home, bool& done) -> Task<> {
        ChildOptions openssl{
            .arguments = {"sh", "-c",
                          "openssl req -x509 -newkey ec -pkeyopt "
                          "ec_paramgen_curve:P-256 -nodes -keyout key.pem -out "
                          "cert.pem -subj /CN=localhost -addext "
                          "subjectAltName=DNS:localhost -days 2 2>/dev/null && exec "
                          "openssl s_server -accept 127.0.0.1:0 -cert cert.pem -key "
                          "key.pem -www"},
            .environment = {"PATH=/usr/local/bin:/usr/bin:/bin"},
            .working_dir = home};
        auto server = ChildProcess::start(on, openssl);
        std::string port;
        while (port.empty()) {
          const auto line = co_await (*server)->read_line();
          if (!line || !*line) co_return;  // no openssl here
          if ((*line)->text.starts_with("ACCEPT "))
            port = (*line)->text.substr((*line)->text.rfind(':') + 1);
        }
        const auto at = [&](const std::string& name) {
          return HttpRequest{.url = "https://" + name + ":" + port + "/"};
        };
        const auto unknown = co_await plain.fetch(at("localhost"));
        EXPECT_EQ(unknown.error().code, sdk::Code::kFailedPrecondition);
        const auto known = co_await trusts.fetch(at("localhost"));
        EXPECT_TRUE(known) << known.error().message;
        if (known) EXPECT_EQ(known->head.status, 200);
        const auto other_name = co_await trusts.fetch(at("127.0.0.1"));
        EXPECT_EQ(other_name.error().code, sdk::Code::kFailedPrecondition);
        co_await (*server)->stop(milliseconds(1000));
        done = true;
      }(loop, system, trusting, folder, ran));
  std::filesystem::remove_all(folder);
  if (!ran) GTEST_SKIP() << "openssl is not installed";
}

}  // namespace
}  // namespace viaduct::net
