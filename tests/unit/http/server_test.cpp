#include "tests/unit/http/harness.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <set>

namespace viaduct::http::testing {
namespace {

constexpr std::uint64_t kHello = 1, kEcho = 2, kHook = 3, kSlow = 4, kStream = 5, kItem = 6;

class HttpTest : public ServerTest {
 protected:
  HttpTest() {
    handler.on_request = [this](const Request& request) {
      switch (request.route) {
        case kHello:
        case kHook:
          return server->respond(request.id, {200, {{"Content-Type", "text/plain"}}, "hello"});
        case kEcho: return server->respond(request.id, {201, {}, request.body});
        case kItem: return server->respond(request.id, {200, {}, request.params.at(0).value});
        default: return;  // the test answers
      }
    };
  }
  void start() {
    ServerTest::start();
    ASSERT_TRUE(mount->route("GET", "/hello", 0, kHello));
    ASSERT_TRUE(mount->route("POST", "/api/echo", 0, kEcho));
    ASSERT_TRUE(mount->route("POST", "/hook", VIADUCT_ROUTE_PUBLIC, kHook));
    ASSERT_TRUE(mount->route("GET", "/slow", 0, kSlow));
    ASSERT_TRUE(mount->route("GET", "/stream", 0, kStream));
    ASSERT_TRUE(mount->route("GET", "/api/items/{id}", 0, kItem));
  }
  std::string hello() { return get("/apps/web-chat/hello", address); }
  // What the port of the listener is, for other names of it.
  std::string port() { return address.substr(address.rfind(':') + 1); }
};

// ---------------------------------------------------------------- requests and answers

TEST_F(HttpTest, AnswersARequestByItsRoute) {
  start();
  const Reply reply = ask(hello());
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "hello");
  EXPECT_EQ(reply.header("content-type"), "text/plain");
  EXPECT_EQ(reply.header("cache-control"), "no-store");
  EXPECT_FALSE(reply.header("date").empty());
  const Request request = handler.wait_request();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/hello");
  EXPECT_EQ(reply.header("x-request-id"), request.request_id);
}

TEST_F(HttpTest, GivesTheHandlerPathQueryHeadersParamsAndPrincipal) {
  start();
  ask(get("/apps/web-chat/api/items/a%20b?x=%20y", address, "X-Thing: One\r\n"));
  const Request request = handler.wait_request();
  EXPECT_EQ(request.path, "/api/items/a b");
  EXPECT_EQ(request.query, "x=%20y");
  EXPECT_EQ(request.params.at(0).name, "id");
  EXPECT_EQ(request.params.at(0).value, "a b");
  ASSERT_TRUE(request.who);
  EXPECT_EQ(request.who->surface, "web-chat");
  EXPECT_EQ(request.who->user_id, "local");
  bool found = false;
  for (const Header& header : request.headers)
    found = found || (header.name == "x-thing" && header.value == "One");
  EXPECT_TRUE(found);
}

TEST_F(HttpTest, PutsSecurityHeadersOnEverything) {
  start();
  for (const Reply& reply :
       {ask(hello()), ask(get("/nothing", address)), ask("nonsense\r\n\r\n")}) {
    EXPECT_EQ(reply.header("x-content-type-options"), "nosniff") << reply.status;
    EXPECT_EQ(reply.header("referrer-policy"), "no-referrer");
    EXPECT_EQ(reply.header("cross-origin-opener-policy"), "same-origin");
    EXPECT_EQ(reply.header("cross-origin-resource-policy"), "same-origin");
    EXPECT_EQ(reply.header("x-frame-options"), "DENY");
    EXPECT_NE(reply.header("content-security-policy").find("default-src 'none'"),
              std::string::npos);
  }
}

TEST_F(HttpTest, DoesNotLetAPluginSetItsHeadersOrSplitTheAnswer) {
  start();
  handler.on_request = [this](const Request& request) {
    server->respond(request.id, {200,
                                 {{"Content-Length", "1"},
                                  {"X-Frame-Options", "ALLOWALL"},
                                  {"X-Bad", "a\r\nSet-Cookie: x=y"},
                                  {"X Bad", "a"},
                                  {"X-Good", "yes"}},
                                 "hello"});
  };
  const Reply reply = ask(hello());
  EXPECT_EQ(reply.body, "hello");
  EXPECT_EQ(reply.headers.count("content-length"), 1u);
  EXPECT_EQ(reply.headers.count("x-frame-options"), 1u);
  EXPECT_EQ(reply.header("x-frame-options"), "DENY");
  EXPECT_EQ(reply.header("set-cookie"), "");
  EXPECT_EQ(reply.header("x-bad"), "");
  EXPECT_EQ(reply.header("x-good"), "yes");
  EXPECT_TRUE(lines.has("malformed headers"));
}

TEST_F(HttpTest, TurnsAnImpossibleStatusInto500) {
  start();
  handler.on_request = [this](const Request& request) {
    server->respond(request.id, {42, {}, "x"});
  };
  EXPECT_EQ(ask(hello()).status, 500u);
}

TEST_F(HttpTest, KeepsTheConnectionAlive) {
  start();
  Client client(address);
  for (int i = 0; i < 3; ++i) {
    client.send(hello());
    EXPECT_EQ(client.reply().body, "hello");
  }
  client.send(get("/apps/web-chat/hello", address, "Connection: close\r\n"));
  EXPECT_EQ(client.reply().header("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, AnswersPipelinedRequestsInOrderThoughTheHandlerAnswersLater) {
  start();
  handler.on_request = [](const Request&) {};
  Client client(address);
  std::string all;
  for (int i = 0; i < 20; ++i) all += get("/apps/web-chat/api/items/" + std::to_string(i), address);
  client.send(all);
  for (std::size_t i = 0; i < 20; ++i) {
    const Request request = handler.wait_request(i);
    EXPECT_EQ(handler.requests(), i + 1);  // one at a time
    server->respond(request.id, {200, {}, request.params.at(0).value});
    EXPECT_EQ(client.reply().body, std::to_string(i));
  }
}

TEST_F(HttpTest, AnswersPipelinedRequestsInOrderWhenTheHandlerAnswersInline) {
  start();
  Client client(address);
  std::string all;
  for (int i = 0; i < 500; ++i)
    all += get("/apps/web-chat/api/items/" + std::to_string(i), address);
  client.send(all);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.reply().body, std::to_string(i));
}

TEST_F(HttpTest, TakesARequestInAnyPieces) {
  start();
  Client client(address);
  for (const char c : post("/apps/web-chat/api/echo", address, "body")) client.send({&c, 1});
  const Reply reply = client.reply();
  EXPECT_EQ(reply.status, 201u);
  EXPECT_EQ(reply.body, "body");
}

TEST_F(HttpTest, TakesABodyInChunks) {
  start();
  const Reply reply =
      ask("POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: " + address +
          "\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n5;x=y\r\n more\r\n0\r\n"
          "Host: trailer\r\n\r\n");
  EXPECT_EQ(reply.status, 201u);
  EXPECT_EQ(reply.body, "body more");
}

TEST_F(HttpTest, TakesNothingBehindABodyWhoseEndItCannotSee) {
  start();
  Client client(address);
  client.send("POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: " + address +
              "\r\nTransfer-Encoding: gzip\r\n\r\nGET /healthz HTTP/1.1\r\nHost: " + address +
              "\r\n\r\n");
  EXPECT_EQ(client.reply().status, 501u);
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, TellsACarefulClientToContinue) {
  start();
  Client client(address);
  client.send("POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: " + address +
              "\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.reply().status, 100u);
  client.send("body");
  EXPECT_EQ(client.reply().body, "body");
}

TEST_F(HttpTest, TellsACarefulClientAtOnceThatItIsRefused) {
  start();
  Client client(address);
  client.send("POST /apps/web-chat/api/nothing HTTP/1.1\r\nHost: " + address +
              "\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.reply().status, 404u);
}

TEST_F(HttpTest, TellsToContinueOnlyAfterTheEarlierAnswers) {
  start();
  Client client(address);
  client.send(hello() + "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: " + address +
              "\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.reply().body, "hello");
  EXPECT_EQ(client.reply().status, 100u);
  client.send("body");
  EXPECT_EQ(client.reply().body, "body");
}

TEST_F(HttpTest, SpeaksHttp10) {
  start();
  Client client(address);
  client.send("GET /apps/web-chat/hello HTTP/1.0\r\nHost: " + address + "\r\n\r\n");
  EXPECT_EQ(client.reply().body, "hello");
  EXPECT_TRUE(client.ended());
  Client keeping(address);
  keeping.send("GET /apps/web-chat/hello HTTP/1.0\r\nConnection: keep-alive\r\nHost: " + address +
               "\r\n\r\n");
  EXPECT_EQ(keeping.reply().header("connection"), "keep-alive");
  keeping.send(hello());
  EXPECT_EQ(keeping.reply().body, "hello");
}

TEST_F(HttpTest, AnswersHeadWithoutABody) {
  start();
  Client client(address);
  client.send(get("/apps/web-chat/hello", address, "", "HEAD"));
  const Reply reply = client.reply(true);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.header("content-length"), "5");
  client.send(hello());
  EXPECT_EQ(client.reply().body, "hello");
}

TEST_F(HttpTest, AnswersOptionsByItself) {
  start();
  const Reply reply = ask(get("/apps/web-chat/api/echo", address, "", "OPTIONS"));
  EXPECT_EQ(reply.status, 204u);
  EXPECT_EQ(reply.header("allow"), "OPTIONS, POST");
  EXPECT_EQ(reply.header("access-control-allow-origin"), "");
}

TEST_F(HttpTest, AnswersWhatIsNotThereAsJsonAndToABrowserAsAPage) {
  start();
  const Reply json = ask(get("/apps/web-chat/api/nothing", address, "Accept: text/html\r\n"));
  EXPECT_EQ(json.status, 404u);
  EXPECT_EQ(json.header("content-type"), "application/json");
  EXPECT_EQ(json.body, R"({"error":"there is nothing at this address"})");
  const Reply page = ask(get("/nothing", address, "Accept: text/html,*/*\r\n"));
  EXPECT_EQ(page.status, 404u);
  EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(ask(get("/apps/other/hello", address)).status, 404u);
}

TEST_F(HttpTest, SaysWhichMethodsAreTaken) {
  start();
  const Reply reply = ask(post("/apps/web-chat/hello", address, "x"));
  EXPECT_EQ(reply.status, 405u);
  EXPECT_EQ(reply.header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(reply.body, R"({"error":"this address does not take POST"})");
}

TEST_F(HttpTest, LeadsToTheMountWithItsSlash) {
  start();
  const Reply reply = ask(get("/apps/web-chat?x=1", address));
  EXPECT_EQ(reply.status, 308u);
  EXPECT_EQ(reply.header("location"), "/apps/web-chat/?x=1");
}

TEST_F(HttpTest, TakesAPostToTheMountItselfAsToItsSlash) {
  start();
  const Reply reply = ask(post("/apps/web-chat", address, "x"));
  const Reply with_slash = ask(post("/apps/web-chat/", address, "x"));
  EXPECT_NE(reply.status, 308u) << "what posts follows no redirects";
  EXPECT_EQ(reply.status, with_slash.status);
}

TEST_F(HttpTest, ServesThePagesOfTheHost) {
  start();
  on_loop([this] { server->page("/healthz", [] { return Response{200, {}, "fine"}; }); });
  EXPECT_EQ(ask(get("/healthz", address)).body, "fine");
  const Reply head = ask(get("/healthz", address, "", "HEAD"), true);
  EXPECT_EQ(head.status, 200u);
  EXPECT_EQ(head.header("content-length"), "4");
  const Reply wrong = ask(post("/healthz", address, ""));
  EXPECT_EQ(wrong.status, 405u);
  EXPECT_EQ(wrong.header("allow"), "GET, HEAD, OPTIONS");
}

// ---------------------------------------------------------------- bad input

struct BadRequest {
  const char* name;
  std::string text;  // HOST stands for the address
  unsigned status;
};
void PrintTo(const BadRequest& c, std::ostream* os) {
  *os << c.name;
}

class MalformedRequest : public HttpTest, public ::testing::WithParamInterface<BadRequest> {};

TEST_P(MalformedRequest, IsRefusedAndTheConnectionEndsOrGoesOn) {
  start();
  std::string text = GetParam().text;
  if (const auto at = text.find("HOST"); at != std::string::npos) text.replace(at, 4, address);
  const Reply reply = ask(text);
  EXPECT_EQ(reply.status, GetParam().status);
  EXPECT_TRUE(reply.body.starts_with("{\"error\":\"")) << reply.body;
  EXPECT_EQ(handler.requests(), 0u);
  EXPECT_EQ(ask(hello()).status, 200u);
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedRequest,
    ::testing::Values(
        BadRequest{"nonsense", "nonsense\r\n\r\n", 400},
        BadRequest{"binary", std::string("\x16\x03\x01\x02\0\x01\r\n\r\n", 10), 400},
        BadRequest{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        BadRequest{"no_host", "GET / HTTP/1.1\r\n\r\n", 400},
        BadRequest{"two_hosts", "GET / HTTP/1.1\r\nHost: HOST\r\nHost: evil\r\n\r\n", 400},
        BadRequest{"percent", "GET /apps/web-chat/%zz HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
        BadRequest{"nul", "GET /apps/web-chat/%00 HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
        BadRequest{"traversal",
                   "GET /apps/web-chat/../../../etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
        BadRequest{"encoded_traversal",
                   "GET /apps/web-chat/..%2f..%2fetc HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
        BadRequest{"length_and_chunks",
                   "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   400},
        BadRequest{"two_lengths",
                   "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n"
                   "Content-Length: 5\r\n\r\nbody!",
                   400},
        BadRequest{
            "length_no_number",
            "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
            400},
        BadRequest{"other_transfer_encoding",
                   "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\n"
                   "Transfer-Encoding: gzip\r\n\r\n",
                   501},
        BadRequest{"chunk_size",
                   "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\n"
                   "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                   400},
        BadRequest{"endless_chunk_extension",
                   "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n4;" +
                       std::string(40000, 'x'),
                   400},
        BadRequest{"space_before_colon", "GET / HTTP/1.1\r\nHost : HOST\r\n\r\n", 400},
        BadRequest{"long_header",
                   "GET / HTTP/1.1\r\nHost: HOST\r\nX: " + std::string(40000, 'x') + "\r\n\r\n",
                   431},
        BadRequest{"long_target", "GET /" + std::string(40000, 'x'), 431},
        BadRequest{"long_body",
                   "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1048577"
                   "\r\n\r\n",
                   413},
        BadRequest{"long_chunks",
                   "POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: HOST\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n100001\r\n",
                   413}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(HttpTest, DeliversTheRefusalOfALargeBodyThoughTheClientGoesOnSending) {
  options.limits.body_bytes = 1000;
  start();
  Client client(address);
  client.send(post("/apps/web-chat/api/echo", address, std::string(300'000, 'x')));
  EXPECT_EQ(client.reply().status, 413u);
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, TakesABodyOfExactlyTheLimit) {
  options.limits.body_bytes = 1000;
  start();
  EXPECT_EQ(ask(post("/apps/web-chat/api/echo", address, std::string(1000, 'x'))).body.size(),
            1000u);
}

TEST_F(HttpTest, RefusesASlowHeader) {
  options.limits.header = 200ms;
  start();
  Client client(address);
  client.send("GET /apps/web-chat/hel");
  EXPECT_EQ(client.reply().status, 408u);
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, DoesNotLetASlowHeaderGoOnByTricklingIn) {
  options.limits.header = 200ms;
  start();
  Client client(address);
  client.send("GET / HTTP/1.1\r\n");
  std::atomic<bool> stop = false;
  std::thread trickle([&] {
    while (!stop && client.send("X: y\r\n")) std::this_thread::yield();
  });
  const unsigned status = client.reply().status;
  stop = true;
  trickle.join();
  EXPECT_TRUE(status == 408u || status == 431u) << status;
}

TEST_F(HttpTest, RefusesASlowBody) {
  options.limits.body = 200ms;
  start();
  Client client(address);
  client.send("POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: " + address +
              "\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(client.reply().status, 408u);
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, ClosesAnIdleConnectionSilently) {
  options.limits.idle = 1s;
  start();
  Client used(address);
  used.send(hello());
  EXPECT_EQ(used.reply().status, 200u);
  Client fresh(address);
  EXPECT_EQ(used.some(), "");
  EXPECT_EQ(fresh.some(), "");
}

TEST_F(HttpTest, RefusesMoreConnectionsThanAllowed) {
  options.limits.connections = 2;
  start();
  Client one(address);
  Client two(address);
  one.send(hello());
  two.send(hello());
  EXPECT_EQ(one.reply().status, 200u);
  EXPECT_EQ(two.reply().status, 200u);
  {
    Client three(address);
    three.send(hello());
    EXPECT_EQ(three.reply().status, 503u);
    EXPECT_TRUE(three.ended());
  }
  one.reset();
  // Room is made once the server has seen that one has gone.
  const auto until = std::chrono::steady_clock::now() + kPatience;
  unsigned status = 0;
  while (status != 200 && std::chrono::steady_clock::now() < until) status = ask(hello()).status;
  EXPECT_EQ(status, 200u);
}

// ---------------------------------------------------------------- who may ask

struct Asker {
  const char* name;
  std::string headers;  // PORT stands for the port
  bool allowed;
};
void PrintTo(const Asker& c, std::ostream* os) {
  *os << c.name;
}

class Askers : public HttpTest, public ::testing::WithParamInterface<Asker> {};

TEST_P(Askers, AreComparedExactly) {
  options.allowed_hosts = {"chat.example.org"};
  start();
  std::string headers = GetParam().headers;
  for (std::size_t at; (at = headers.find("PORT")) != std::string::npos;)
    headers.replace(at, 4, port());
  const Reply reply =
      ask("POST /apps/web-chat/api/echo HTTP/1.1\r\nContent-Length: 0\r\n" + headers + "\r\n");
  EXPECT_EQ(reply.status, GetParam().allowed ? 201u : 403u) << reply.body;
  if (!GetParam().allowed) EXPECT_TRUE(reply.body.starts_with("{\"error\":\"")) << reply.body;
  EXPECT_EQ(handler.requests(), GetParam().allowed ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(
    All, Askers,
    ::testing::Values(
        Asker{"address", "Host: 127.0.0.1:PORT\r\n", true},
        Asker{"localhost", "Host: LocalHost:PORT\r\n", true},
        Asker{"ipv6_name", "Host: [::1]:PORT\r\n", true},
        Asker{"allowed_host", "Host: chat.example.org\r\n", true},
        Asker{"allowed_host_with_its_port", "Host: chat.example.org:80\r\n", true},
        Asker{"allowed_host_with_another_port", "Host: chat.example.org:PORT\r\n", false},
        Asker{"other_port", "Host: 127.0.0.1:1\r\n", false},
        Asker{"no_port", "Host: 127.0.0.1\r\n", false},
        Asker{"rebound_name", "Host: evil.example:PORT\r\n", false},
        Asker{"prefix", "Host: 127.0.0.1.evil.example:PORT\r\n", false},
        Asker{"suffix", "Host: evil-localhost:PORT\r\n", false},
        Asker{"same_origin", "Host: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\n", true},
        Asker{"origin_of_allowed_host",
              "Host: chat.example.org\r\nOrigin: http://chat.example.org\r\n", true},
        Asker{"other_name_of_ours", "Host: 127.0.0.1:PORT\r\nOrigin: http://localhost:PORT\r\n",
              false},
        Asker{"foreign_origin", "Host: 127.0.0.1:PORT\r\nOrigin: http://evil.example\r\n", false},
        Asker{"origin_prefix",
              "Host: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT.evil.example\r\n", false},
        Asker{"origin_without_port", "Host: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1\r\n", false},
        Asker{"https_origin", "Host: 127.0.0.1:PORT\r\nOrigin: https://127.0.0.1:PORT\r\n", false},
        Asker{"null_origin", "Host: 127.0.0.1:PORT\r\nOrigin: null\r\n", false},
        Asker{"empty_origin", "Host: 127.0.0.1:PORT\r\nOrigin:\r\n", false},
        Asker{"two_origins",
              "Host: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\nOrigin: http://evil\r\n",
              false},
        Asker{"cross_site", "Host: 127.0.0.1:PORT\r\nSec-Fetch-Site: cross-site\r\n", false},
        Asker{"same_site_fetch", "Host: 127.0.0.1:PORT\r\nSec-Fetch-Site: same-origin\r\n", true},
        Asker{"forwarded", "Host: 127.0.0.1:PORT\r\nForwarded: for=1.2.3.4\r\n", false},
        Asker{"forwarded_for", "Host: 127.0.0.1:PORT\r\nX-Forwarded-For: 1.2.3.4\r\n", false},
        Asker{"forwarded_proto", "Host: 127.0.0.1:PORT\r\nx-forwarded-proto: https\r\n", false},
        Asker{"real_ip", "Host: 127.0.0.1:PORT\r\nX-Real-IP: 1.2.3.4\r\n", false}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(HttpTest, LetsANavigationFromAnotherSiteIn) {
  start();
  EXPECT_EQ(ask(get("/apps/web-chat/hello", address,
                    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"))
                .status,
            200u);
}

TEST_F(HttpTest, ComparesTheAuthorityOfAnAbsoluteTarget) {
  start();
  EXPECT_EQ(ask(get("http://" + address + "/apps/web-chat/hello", address)).status, 200u);
  EXPECT_EQ(ask(get("http://evil.example/apps/web-chat/hello", address)).status, 403u);
}

TEST_F(HttpTest, DoesNotTellStrangersWhatIsThere) {
  start();
  for (const char* path : {"/", "/apps/web-chat", "/apps/web-chat/nothing", "/apps/none/"})
    EXPECT_EQ(ask(get(path, "evil.example")).status, 403u) << path;
}

TEST_F(HttpTest, LetsPublicRoutesBeCalledByAnybodyButWithoutPrincipal) {
  start();
  const Reply reply = ask(post("/apps/web-chat/hook", "hooks.example.org", "x",
                               "X-Forwarded-For: 1.2.3.4\r\nOrigin: http://evil.example\r\n"));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_FALSE(handler.wait_request().who);
  EXPECT_EQ(handler.wait_request().flags, VIADUCT_ROUTE_PUBLIC);
}

TEST_F(HttpTest, AnswersAnAliasFromTheRootAndUnderTheMount) {
  options.webhooks_listen = "127.0.0.1:0";
  start();
  ASSERT_TRUE(
      mount->route("POST", "/api/hooks", VIADUCT_ROUTE_PUBLIC | VIADUCT_ROUTE_ALIAS, kHook));
  std::size_t asked = 0;
  for (const char* path : {"/api/hooks", "/apps/web-chat/api/hooks"}) {
    Client client(webhooks);
    client.send(post(path, "anything.example", "x"));
    EXPECT_EQ(client.reply().status, 200u) << path;
    EXPECT_EQ(handler.wait_request(asked++).path, "/api/hooks");
  }
  EXPECT_EQ(ask(post("/api/hooks", address, "x")).status, 404u) << "not on the main listener";
}

TEST_F(HttpTest, GivesAnAliasToOneMountOnlyAndNotForPrivateRoutes) {
  start();
  constexpr std::uint32_t kFlags = VIADUCT_ROUTE_PUBLIC | VIADUCT_ROUTE_ALIAS;
  ASSERT_TRUE(mount->route("POST", "/api/hooks", kFlags, kHook));
  Recorder second;
  std::unique_ptr<Mount> other;
  on_loop([&] { other = server->mount("other", second); });
  const auto taken = other->route("POST", "/api/hooks", kFlags, kHook);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Errc::conflict);
  EXPECT_NE(taken.error().message.find("web-chat"), std::string::npos) << taken.error().message;
  EXPECT_FALSE(mount->route("POST", "/api/private", VIADUCT_ROUTE_ALIAS, kHook));
  EXPECT_FALSE(mount->route("POST", "/apps/other/x", kFlags, kHook));
  EXPECT_FALSE(mount->route("POST", "/api/{any}", kFlags, kHook));
  on_loop([&] { mount.reset(); });
  EXPECT_EQ(ask(post("/api/hooks", address, "x")).status, 404u);
  EXPECT_TRUE(other->route("POST", "/api/hooks", kFlags, kHook)) << "free again";
  on_loop([&] { other.reset(); });
}

TEST_F(HttpTest, SaysWhichPublicRequestsAreOfThisComputer) {
  start();
  EXPECT_EQ(ask(post("/apps/web-chat/hook", address, "x")).status, 200u);
  EXPECT_EQ(handler.wait_request().flags,
            std::uint32_t{VIADUCT_ROUTE_PUBLIC} | VIADUCT_REQUEST_LOCAL);
}

TEST_F(HttpTest, SaysOfNoRequestThatItIsOfThisComputerWhereOthersCanReachTheListener) {
  options.webhooks_listen = "0.0.0.0:0";
  start();
  const std::string port = webhooks.substr(webhooks.rfind(':'));
  Client client("127.0.0.1" + port);
  client.send(post("/apps/web-chat/hook", "127.0.0.1" + port, "x"));
  EXPECT_EQ(client.reply().status, 200u);
  EXPECT_EQ(handler.wait_request().flags, std::uint32_t{VIADUCT_ROUTE_PUBLIC});
}

TEST_F(HttpTest, RefusesATargetThatIsElsewhereThanTheHost) {
  start();
  const auto to = [&](const std::string& target) {
    return "POST http://" + target + "/apps/web-chat/hook HTTP/1.1\r\nHost: " + address +
           "\r\nContent-Length: 1\r\n\r\nx";
  };
  EXPECT_EQ(ask(to("evil.example")).status, 400u);
  EXPECT_EQ(ask(to(address)).status, 200u);
}

TEST_F(HttpTest, ServesPublicRoutesAndNothingElseOnTheirOwnListener) {
  options.webhooks_listen = "127.0.0.1:0";
  start();
  on_loop([this] { server->page("/", [] { return Response{200, {}, "landing"}; }); });
  ASSERT_NE(webhooks, "");
  const auto outside = [&](const std::string& request) {
    Client client(webhooks);
    client.send(request);
    return client.reply();
  };
  EXPECT_EQ(outside(post("/apps/web-chat/hook", "anything.example", "x")).status, 200u);
  EXPECT_EQ(outside(get("/apps/web-chat/hook", "anything.example")).status, 405u);
  for (const char* path :
       {"/", "/apps/web-chat", "/apps/web-chat/", "/apps/web-chat/hello", "/healthz"})
    EXPECT_EQ(outside(get(path, webhooks)).status, 404u) << path;
  EXPECT_EQ(ask(post("/apps/web-chat/hook", address, "x")).status, 404u);
  EXPECT_EQ(ask(hello()).status, 200u);
}

// ---------------------------------------------------------------- files

class FilesTest : public HttpTest {
 protected:
  void start() {
    HttpTest::start();
    const File files[] = {{"/", "text/html; charset=utf-8", page, "", false},
                          {"/assets/app.1234.js", "text/javascript", script, zipped, true}};
    ASSERT_TRUE(mount->files(files));
  }
  std::string page = "<!doctype html>";
  std::string script = "console.log('plain')";
  std::string zipped = "\x1f\x8b zipped";
};

TEST_F(FilesTest, ServesAFileWithItsTag) {
  start();
  const Reply reply = ask(get("/apps/web-chat/", address));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, page);
  EXPECT_EQ(reply.header("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(reply.header("cache-control"), "no-cache");
  EXPECT_TRUE(reply.header("etag").starts_with("\""));
  EXPECT_EQ(handler.requests(), 0u);
}

TEST_F(FilesTest, SaysThatAKnownFileHasNotChanged) {
  start();
  const std::string tag = ask(get("/apps/web-chat/", address)).header("etag");
  for (const std::string& known : {tag, "\"x\", W/" + tag, std::string("*")}) {
    const Reply reply = ask(get("/apps/web-chat/", address, "If-None-Match: " + known + "\r\n"));
    EXPECT_EQ(reply.status, 304u) << known;
    EXPECT_EQ(reply.header("etag"), tag);
    EXPECT_EQ(reply.header("content-length"), "");
  }
  EXPECT_EQ(ask(get("/apps/web-chat/", address, "If-None-Match: \"other\"\r\n")).status, 200u);
}

TEST_F(FilesTest, CompressesForWhoTakesIt) {
  start();
  const std::string path = "/apps/web-chat/assets/app.1234.js";
  const Reply plain = ask(get(path, address));
  EXPECT_EQ(plain.body, script);
  EXPECT_EQ(plain.header("vary"), "Accept-Encoding");
  EXPECT_EQ(plain.header("cache-control"), "public, max-age=31536000, immutable");
  const Reply compressed = ask(get(path, address, "Accept-Encoding: br, gzip;q=0.8\r\n"));
  EXPECT_EQ(compressed.body, zipped);
  EXPECT_EQ(compressed.header("content-encoding"), "gzip");
  EXPECT_EQ(compressed.header("vary"), "Accept-Encoding");
  EXPECT_NE(compressed.header("etag"), plain.header("etag"));
  EXPECT_EQ(ask(get(path, address, "Accept-Encoding: gzip;q=0, br\r\n")).body, script);
  EXPECT_EQ(ask(get(path, address, "Accept-Encoding: gzipped\r\n")).body, script);
}

TEST_F(FilesTest, AnswersHeadOfAFile) {
  start();
  const Reply reply = ask(get("/apps/web-chat/", address, "", "HEAD"), true);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.header("content-length"), std::to_string(page.size()));
}

TEST_F(FilesTest, RefusesToWriteAFile) {
  start();
  const Reply reply = ask(post("/apps/web-chat/", address, "x"));
  EXPECT_EQ(reply.status, 405u);
  EXPECT_EQ(reply.header("allow"), "GET, HEAD, OPTIONS");
}

// ---------------------------------------------------------------- streaming

TEST_F(HttpTest, StreamsAnAnswer) {
  start();
  Client client(address);
  client.send(get("/apps/web-chat/stream", address));
  const ExchangeId id = handler.wait_request().id;
  EXPECT_EQ(server->begin(id, {200, {{"Content-Type", "text/event-stream"}}, "one "}), Flow::ok);
  EXPECT_EQ(server->write(id, "two "), Flow::ok);
  EXPECT_EQ(server->write(id, ""), Flow::ok);
  EXPECT_EQ(server->write(id, "three"), Flow::ok);
  server->finish(id);
  EXPECT_EQ(server->write(id, "late"), Flow::gone);
  const Reply reply = client.reply();
  EXPECT_TRUE(reply.complete);
  EXPECT_EQ(reply.header("transfer-encoding"), "chunked");
  EXPECT_EQ(reply.body, "one two three");
  client.send(hello());
  EXPECT_EQ(client.reply().body, "hello");
}

TEST_F(HttpTest, DeliversAPieceBeforeTheNextIsThere) {
  start();
  Client client(address);
  client.send(get("/apps/web-chat/stream", address));
  const ExchangeId id = handler.wait_request().id;
  std::string text;
  server->begin(id, {200, {}, ""});
  ASSERT_TRUE(client.read_until("\r\n\r\n", text));
  server->write(id, "first");
  ASSERT_TRUE(client.read_until("5\r\nfirst\r\n", text));
  server->write(id, "second");
  ASSERT_TRUE(client.read_until("6\r\nsecond\r\n", text));
  server->finish(id);
  ASSERT_TRUE(client.read_until("0\r\n\r\n", text));
}

TEST_F(HttpTest, StreamsToHttp10UntilTheEnd) {
  start();
  Client client(address);
  client.send("GET /apps/web-chat/stream HTTP/1.0\r\nConnection: keep-alive\r\nHost: " + address +
              "\r\n\r\n");
  const ExchangeId id = handler.wait_request().id;
  server->begin(id, {200, {}, "one "});
  server->write(id, "two");
  server->finish(id);
  const Reply reply = client.reply();
  EXPECT_EQ(reply.body, "one two");
  EXPECT_EQ(reply.header("connection"), "close");
}

TEST_F(HttpTest, HeadOfAStreamedAnswerSendsNoPieces) {
  start();
  Client client(address);
  client.send(get("/apps/web-chat/stream", address, "", "HEAD"));
  const ExchangeId id = handler.wait_request().id;
  server->begin(id, {200, {}, "one "});
  EXPECT_EQ(server->write(id, "two"), Flow::ok);
  server->finish(id);
  EXPECT_EQ(client.reply(true).status, 200u);
  client.send(hello());
  EXPECT_EQ(client.reply().body, "hello");
}

TEST_F(HttpTest, IsBusyForASlowReaderAndSaysOnceWhenItIsWritable) {
  options.limits.send_queue_bytes = 100'000;
  start();
  Client client(address, 4096);
  client.send(get("/apps/web-chat/stream", address));
  const ExchangeId id = handler.wait_request().id;
  ASSERT_EQ(server->begin(id, {200, {}, ""}), Flow::ok);
  const std::string piece(10'000, 'x');
  std::size_t taken = 0;
  // The kernel's buffers take some megabytes first.
  const auto until = std::chrono::steady_clock::now() + kPatience;
  Flow flow = Flow::ok;
  int steady = 0;
  while (steady < 1000 && std::chrono::steady_clock::now() < until) {
    flow = server->write(id, piece);
    if (flow == Flow::ok) {
      ++taken;
      steady = 0;
    } else {
      ASSERT_EQ(flow, Flow::busy);
      ++steady;
      on_loop([] {});
    }
  }
  ASSERT_EQ(flow, Flow::busy);
  const int before = handler.writables();
  std::thread finisher([&] {
    handler.wait_writables(before + 1);
    EXPECT_EQ(server->write(id, piece), Flow::ok);
    server->finish(id);
  });
  const Reply reply = client.reply();
  finisher.join();
  EXPECT_TRUE(reply.complete);
  EXPECT_EQ(reply.body.size(), (taken + 1) * piece.size());
  EXPECT_EQ(handler.writables(), before + 1);
  EXPECT_EQ(handler.closeds(), 0u);
}

TEST_F(HttpTest, IsPumpedByWritableOnTheLoop) {
  options.limits.send_queue_bytes = 50'000;
  start();
  constexpr std::size_t kTotal = 20'000'000;
  std::size_t sent = 0;  // on the loop
  const auto pump = [&](ExchangeId id) {
    while (sent < kTotal) {
      const Flow flow =
          server->write(id, std::string(10'000, static_cast<char>('a' + sent / 10'000 % 26)));
      if (flow != Flow::ok) return;
      sent += 10'000;
    }
    server->finish(id);
  };
  handler.on_request = [&](const Request& request) {
    EXPECT_EQ(server->begin(request.id, {200, {}, ""}), Flow::ok);
    pump(request.id);
  };
  handler.on_writable = pump;
  const Reply reply = ask(get("/apps/web-chat/stream", address));
  EXPECT_TRUE(reply.complete);
  ASSERT_EQ(reply.body.size(), kTotal);
  for (std::size_t at = 0; at < kTotal; at += 10'000)
    ASSERT_EQ(reply.body[at], static_cast<char>('a' + at / 10'000 % 26)) << at;
  EXPECT_GE(handler.writables(), 1);
}

TEST_F(HttpTest, CutsOffWhoTakesNothing) {
  options.limits.send_queue_bytes = 100'000;
  options.limits.send = 300ms;
  start();
  Client client(address, 4096);
  client.send(get("/apps/web-chat/stream", address));
  const ExchangeId id = handler.wait_request().id;
  ASSERT_EQ(server->begin(id, {200, {}, ""}), Flow::ok);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (server->write(id, std::string(50'000, 'x')) != Flow::gone &&
         std::chrono::steady_clock::now() < until)
    on_loop([] {});
  EXPECT_EQ(handler.wait_closed(id).reason, "the client took nothing for 300 ms");
}

TEST_F(HttpTest, SendsALargeAnswerWhole) {
  start();
  const std::string large(8'000'000, 'x');
  handler.on_request = [&](const Request& request) {
    server->respond(request.id, {200, {}, large});
  };
  Client client(address, 4096);
  client.send(hello() + hello());
  EXPECT_EQ(client.reply().body.size(), large.size());
  EXPECT_EQ(client.reply().body.size(), large.size());
}

// ---------------------------------------------------------------- answers that do not come

TEST_F(HttpTest, Answers504ForAHandlerThatDoesNotAndIgnoresItsLateAnswer) {
  options.limits.answer = 200ms;
  start();
  Client client(address);
  client.send(get("/apps/web-chat/slow", address));
  const ExchangeId id = handler.wait_request().id;
  EXPECT_EQ(client.reply().status, 504u);
  EXPECT_EQ(handler.wait_closed(id).reason, "no answer in time");
  server->respond(id, {200, {}, "late"});
  EXPECT_EQ(server->begin(id, {200, {}, "late"}), Flow::gone);
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(lines.has("status=504"));
}

TEST_F(HttpTest, TellsTheHandlerThatTheClientHasGoneAndIgnoresItsLateAnswer) {
  start();
  std::optional<Client> client(address);
  client->send(get("/apps/web-chat/slow", address));
  const ExchangeId id = handler.wait_request().id;
  client.reset();
  EXPECT_EQ(handler.wait_closed(id).code, 0);
  server->respond(id, {200, {}, "late"});
  EXPECT_EQ(server->write(id, "late"), Flow::gone);
  EXPECT_EQ(ask(hello()).status, 200u);
}

TEST_F(HttpTest, TellsTheHandlerThatTheClientOfAStreamHasGone) {
  start();
  Client client(address);
  client.send(get("/apps/web-chat/stream", address));
  const ExchangeId id = handler.wait_request().id;
  server->begin(id, {200, {}, "some"});
  client.reset();
  handler.wait_closed(id);
  EXPECT_EQ(server->write(id, "more"), Flow::gone);
}

TEST_F(HttpTest, TakesTheFirstOfTwoAnswers) {
  start();
  Client client(address);
  client.send(get("/apps/web-chat/slow", address));
  const ExchangeId id = handler.wait_request().id;
  server->respond(id, {200, {}, "first"});
  server->respond(id, {200, {}, "second"});
  EXPECT_EQ(server->begin(id, {200, {}, "third"}), Flow::gone);
  EXPECT_EQ(client.reply().body, "first");
  client.send(hello());
  EXPECT_EQ(client.reply().body, "hello");
}

TEST_F(HttpTest, NeverUsesAnIdAgain) {
  start();
  Client client(address);
  std::set<ExchangeId> ids;
  std::set<std::string> names;
  for (std::size_t i = 0; i < 50; ++i) {
    client.send(hello());
    client.reply();
    ids.insert(handler.wait_request(i).id);
    names.insert(handler.wait_request(i).request_id);
  }
  EXPECT_EQ(ids.size(), 50u);
  EXPECT_EQ(names.size(), 50u);
  EXPECT_FALSE(ids.contains(0));
}

// ---------------------------------------------------------------- lives and ends

TEST_F(HttpTest, AnswersFromManyThreadsAtOnce) {
  start();
  handler.on_request = {};
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<ExchangeId> waiting;
  handler.on_request = [&](const Request& request) {
    const std::lock_guard lock(mutex);
    waiting.push_back(request.id);
    changed.notify_one();
  };
  constexpr int kClients = 8, kEach = 50;
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (answered < kClients * kEach) {
        std::unique_lock lock(mutex);
        if (!changed.wait_for(lock, 10ms, [&] { return !waiting.empty(); })) continue;
        const ExchangeId id = waiting.front();
        waiting.pop_front();
        lock.unlock();
        if (id % 2 == 0) {
          server->respond(id, {200, {}, "hello"});
        } else {
          server->begin(id, {200, {}, "hel"});
          server->write(id, "lo");
          server->finish(id);
        }
        ++answered;
      }
    });
  std::atomic<int> right = 0;
  for (int i = 0; i < kClients; ++i)
    threads.emplace_back([&] {
      Client client(address);
      for (int n = 0; n < kEach; ++n) {
        client.send(hello());
        if (client.reply().body == "hello") ++right;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, kClients * kEach);
}

TEST_F(HttpTest, TakesRoutesFromAnyThreadWhileServing) {
  start();
  std::atomic<bool> stop = false;
  std::thread adder([&] {
    for (int i = 0; !stop && i < 200; ++i)
      EXPECT_TRUE(mount->route("GET", "/more/" + std::to_string(i), 0, kHello));
  });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask(hello()).status, 200u);
  stop = true;
  adder.join();
  EXPECT_EQ(ask(get("/apps/web-chat/more/0", address)).status, 200u);
}

TEST_F(HttpTest, EndsTheExchangesOfAMountThatGoesAndTellsItNothingMore) {
  start();
  Client waiting(address);
  waiting.send(get("/apps/web-chat/slow", address));
  const ExchangeId slow = handler.wait_request(0).id;
  Client streaming(address);
  streaming.send(get("/apps/web-chat/stream", address));
  const ExchangeId stream = handler.wait_request(1).id;
  server->begin(stream, {200, {}, "some"});
  std::string text;
  ASSERT_TRUE(streaming.read_until("some\r\n", text));
  on_loop([this] { mount.reset(); });
  EXPECT_EQ(waiting.reply().status, 503u);
  EXPECT_TRUE(streaming.ended());
  server->respond(slow, {200, {}, "late"});
  EXPECT_EQ(server->write(stream, "late"), Flow::gone);
  EXPECT_EQ(handler.closeds(), 0u);
  EXPECT_EQ(ask(hello()).status, 404u);
}

TEST_F(HttpTest, MountsTheSameNameAgain) {
  start();
  on_loop([this] {
    mount.reset();
    mount = server->mount("web-chat", handler);
  });
  ASSERT_TRUE(mount->route("GET", "/hello", 0, kHello));
  EXPECT_EQ(ask(hello()).status, 200u);
}

TEST_F(HttpTest, DrainsWhatIsOpenAndThenIsGone) {
  start();
  Client idle(address);
  idle.send(hello());
  EXPECT_EQ(idle.reply().status, 200u);
  Client working(address);
  working.send(get("/apps/web-chat/slow", address));
  const ExchangeId id = handler.wait_request(1).id;
  std::promise<Result<>> drained;
  on_loop([&] { server->drain(kPatience, [&](Result<> result) { drained.set_value(result); }); });
  EXPECT_EQ(idle.some(), "");
  EXPECT_EQ(ask(hello()).status, 0u);  // nobody listens
  auto future = drained.get_future();
  EXPECT_EQ(future.wait_for(0s), std::future_status::timeout);
  server->respond(id, {200, {}, "done"});
  const Reply reply = working.reply();
  EXPECT_EQ(reply.body, "done");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(working.ended());
  working.reset();
  ASSERT_EQ(future.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(future.get());
}

TEST_F(HttpTest, DrainsAtOnceWhenThereIsNothing) {
  start();
  std::promise<Result<>> drained;
  on_loop([&] { server->drain(kPatience, [&](Result<> result) { drained.set_value(result); }); });
  EXPECT_TRUE(drained.get_future().get());
}

TEST_F(HttpTest, CutsOffWhatIsStillOpenWhenTheTimeToDrainIsOver) {
  start();
  Client client(address);
  client.send(get("/apps/web-chat/slow", address));
  const ExchangeId id = handler.wait_request().id;
  std::promise<Result<>> drained;
  on_loop([&] { server->drain(50ms, [&](Result<> result) { drained.set_value(result); }); });
  const Result<> result = drained.get_future().get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::timeout);
  EXPECT_TRUE(client.ended());
  handler.wait_closed(id);
}

TEST_F(HttpTest, MayBeDestroyedInTheMiddleOfEverything) {
  start();
  Client working(address);
  working.send(get("/apps/web-chat/slow", address));
  handler.wait_request(0);
  Client streaming(address);
  streaming.send(get("/apps/web-chat/stream", address));
  server->begin(handler.wait_request(1).id, {200, {}, std::string(500'000, 'x')});
  Client partial(address);
  partial.send("POST /apps/web-chat/api/echo HTTP/1.1\r\nHost: " + address +
               "\r\nContent-Length: 10\r\n\r\nabc");
  Client idle(address);
  on_loop([this] { server.reset(); });  // before its mount
  EXPECT_TRUE(working.ended());
  EXPECT_TRUE(partial.ended());
  EXPECT_TRUE(idle.ended());
  EXPECT_EQ(handler.closeds(), 0u);
}

// ---------------------------------------------------------------- listening

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VIADUCT_NEEDS_DESCRIPTORS
#endif
#endif

TEST_F(HttpTest, WaitsForDescriptorsInsteadOfGivingUpOrSpinning) {
#ifdef VIADUCT_NEEDS_DESCRIPTORS
  GTEST_SKIP() << "the undefined behaviour sanitizer needs descriptors itself, to look at a vtable";
#endif
  start();
  const int next = ::dup(0);
  ASSERT_GE(next, 0);
  ::close(next);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next) + 1;  // one more: the client's own
  ::setrlimit(RLIMIT_NOFILE, &tight);
  Client client(address);
  client.send(hello());
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!lines.has("cannot accept connections") && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(lines.has("cannot accept connections"));
  EXPECT_EQ(client.reply().body, "hello");
}

TEST_F(HttpTest, SaysThatThePortIsInUse) {
  start();
  Options second = options;
  second.listen = address;
  on_loop([&] {
    auto other = make_server(loop, second, metrics, Logger(lines, "http"));
    const Result<> started = other->start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::unavailable);
    EXPECT_TRUE(started.error().message.starts_with("cannot listen on " + address +
                                                    ": address in use by another program"))
        << started.error().message;
  });
}

TEST_F(HttpTest, ListensOnTheSamePortAgainAtOnce) {
  start();
  ask(hello());
  const std::string first = address;
  stop();
  options.listen = first;
  start();
  EXPECT_EQ(address, first);
  EXPECT_EQ(ask(hello()).status, 200u);
}

TEST_F(HttpTest, ListensOnIpv6) {
  options.listen = "[::1]:0";
  on_loop([this] {
    server = make_server(loop, options, metrics, Logger(lines, "http"));
    mount = server->mount("web-chat", handler);
    const Result<> started = server->start();
    if (!started) return;  // a machine without it
    address = server->address();
  });
  if (address.empty()) GTEST_SKIP() << "no IPv6 here";
  ASSERT_TRUE(mount->route("GET", "/hello", 0, kHello));
  EXPECT_TRUE(address.starts_with("[::1]:"));
  EXPECT_EQ(ask(hello()).status, 200u);
}

TEST_F(HttpTest, IsKnownByTheLoopbackAddressItListensOn) {
  options.listen = "127.0.0.2:0";
  start();
  EXPECT_TRUE(address.starts_with("127.0.0.2:"));
  EXPECT_EQ(ask(hello()).status, 200u);
}

TEST_F(HttpTest, RefusesToListenWhereStrangersAre) {
  for (const char* where : {"0.0.0.0:0", "192.0.2.1:0", "[::]:0"}) {
    options.listen = where;
    on_loop([this] {
      auto other = make_server(loop, options, metrics, Logger(lines, "http"));
      const Result<> started = other->start();
      ASSERT_FALSE(started);
      EXPECT_EQ(started.error().code, Errc::failed_precondition) << started.error().message;
    });
  }
}

TEST_F(HttpTest, RefusesAnAddressThatIsNone) {
  for (const char* where : {"", "nonsense here", "example.org:80", "127.0.0.1:99999"}) {
    options.listen = where;
    on_loop([this] {
      auto other = make_server(loop, options, metrics, Logger(lines, "http"));
      const Result<> started = other->start();
      ASSERT_FALSE(started);
      EXPECT_EQ(started.error().code, Errc::invalid_argument) << started.error().message;
    });
  }
}

// ---------------------------------------------------------------- telemetry

TEST_F(HttpTest, LogsAndCountsRequests) {
  start();
  on_loop(
      [this] { server->page("/metrics", [this] { return Response{200, {}, metrics.text()}; }); });
  const Reply first = ask(hello());
  ask(get("/apps/web-chat/api/nothing", address));
  ask(get("/apps/web-chat/api/nothing", address, "", "INVENTED"));
  EXPECT_TRUE(lines.has("request id=" + first.header("x-request-id") +
                        " mount=web-chat method=GET path=/apps/web-chat/hello status=200 bytes=5"));
  const std::string text = ask(get("/metrics", address)).body;
  EXPECT_NE(
      text.find("viaduct_http_requests_total{method=\"GET\",mount=\"web-chat\",status=\"200\"} 1"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("method=\"other\",mount=\"web-chat\",status=\"404\"} 1"), std::string::npos);
  EXPECT_EQ(text.find("INVENTED"), std::string::npos);
  EXPECT_NE(text.find("viaduct_http_request_seconds_count{mount=\"web-chat\"} 3"),
            std::string::npos);
  EXPECT_NE(text.find("viaduct_http_connections"), std::string::npos);
}

TEST_F(HttpTest, DoesNotLetAClientWriteFieldsIntoTheLog) {
  start();
  ask(get("/x%20status=999", address));
  ask("GET /y HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
  EXPECT_TRUE(lines.has("path=/x%20status=999 status=404"));
  EXPECT_FALSE(lines.has(" status=999"));
}

TEST_F(HttpTest, DoesNotLogQueries) {
  start();
  ask(get("/apps/web-chat/hello?token=verysecret", address));
  EXPECT_TRUE(lines.has("path=/apps/web-chat/hello status=200"));
  EXPECT_FALSE(lines.has("verysecret"));
}

}  // namespace
}  // namespace viaduct::http::testing
