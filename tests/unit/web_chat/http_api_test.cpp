// The HTTP API of the web chat, on a fake host.
#include "chat_fixture.hpp"

#include <viaduct/testing/fake_host.hpp>

#include <gtest/gtest.h>

#include <string>

namespace viaduct::web_chat {
namespace {

using viaduct::testing::HostOptions;
using viaduct::testing::Request;
using viaduct::testing::Response;

using HttpApi = ChatTest;

TEST_F(HttpApi, SaysThatThereIsNoSessionAtFirst) {
  const Response response = host.get("/api/session");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"connected":false,"session_id":null,"message":)"
                           R"("No active session. Click 'New Session' to start."})");
  EXPECT_EQ(response.header("content-type"), "application/json");
  EXPECT_TRUE(host.documents().empty());
}

TEST_F(HttpApi, CreatesASessionThatIsThenTheCurrentOne) {
  const Response made = host.post("/api/session", R"({"working_dir":"/srv","description":"d"})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json().size(), 3U) << made.body;
  EXPECT_EQ(made.json()["working_dir"].as_string(), "/srv");
  EXPECT_EQ(made.json()["project_id"].as_string(), "viaduct");
  const Response session = host.get("/api/session");
  EXPECT_TRUE(session.json()["connected"].as_bool());
  EXPECT_EQ(session.json()["session_id"].as_string(), made.json()["session_id"].as_string());
  EXPECT_EQ(session.json()["working_dir"].as_string(), "/srv");
  EXPECT_EQ(session.json().size(), 4U) << session.body;
}

TEST_F(HttpApi, CreatesASessionFromAnEmptyBodyWithTheDefaults) {
  const Response made = host.post("/api/session", "");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json()["working_dir"].as_string(), "~");
  EXPECT_EQ(host.sessions().session(host.sessions().ids()[0])["description"].as_string(),
            "Web chat session");
}

TEST_F(HttpApi, HandsTheIdempotencyKeyOfANewSessionOn) {
  Request request;
  request.method = "POST";
  request.path = "/api/session";
  request.headers = {{"idempotency-key", "abc"}};
  ASSERT_EQ(host.request(request).status, 200);
  const Json options = Json::parse(host.sessions().calls()[0].arguments).value_or(Json());
  EXPECT_EQ(options["key"].as_string(), "http:abc");
}

TEST_F(HttpApi, MakesASessionOfTheBackendThatWasPicked) {
  ASSERT_EQ(host.post("/api/session", R"({"backend":"claude"})").status, 200);
  EXPECT_EQ(host.sessions().session(host.sessions().ids()[0])["backend"].as_string(), "claude");
  new_session();
  EXPECT_FALSE(Json::parse(host.sessions().calls().back().arguments)->contains("backend"));
  EXPECT_EQ(host.post("/api/session", R"({"backend":7})").status, 400);
  EXPECT_EQ(host.post("/api/session", R"({"backend":""})").status, 400);
  host.sessions().fail_next("create", VIADUCT_E_INVALID_ARGUMENT, "there is claude, echo");
  const Response unknown = host.post("/api/session", R"({"backend":"gemini"})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.body, R"({"error":"there is claude, echo"})");
}

TEST_F(HttpApi, LetsTheFormerSessionBeInactiveButResumable) {
  const std::string first = new_session();
  const std::string second = new_session();
  EXPECT_EQ(host.sessions().count("end"), 0U);
  const Json sessions = host.get("/api/sessions").json()["sessions"];
  ASSERT_EQ(sessions.size(), 2U);
  EXPECT_EQ(sessions[0]["session_id"].as_string(), second);
  EXPECT_TRUE(sessions[0]["is_active"].as_bool());
  EXPECT_EQ(sessions[1]["session_id"].as_string(), first);
  EXPECT_FALSE(sessions[1]["is_active"].as_bool());
  for (const char* field :
       {"session_id", "description", "created_at", "last_active", "is_active", "project_id"})
    EXPECT_TRUE(sessions[0].contains(field)) << field;
  EXPECT_EQ(sessions[0].size(), 6U);

  const Response resumed = host.post("/api/session/resume", "{\"session_id\":\"" + first + "\"}");
  ASSERT_EQ(resumed.status, 200) << resumed.body;
  EXPECT_EQ(resumed.body,
            "{\"session_id\":\"" + first + "\",\"resumed\":true,\"context\":\"live\"}");
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), first);
}

TEST_F(HttpApi, PagesALongListOfSessions) {
  for (int i = 0; i < 3; ++i) new_session();
  const Json first = host.get("/api/sessions?limit=2").json();
  ASSERT_EQ(first["sessions"].size(), 2U);
  ASSERT_TRUE(first["next"].is_string());
  const Json rest = host.get("/api/sessions?limit=2&before=" + first["next"].as_string()).json();
  EXPECT_EQ(rest["sessions"].size(), 1U);
  EXPECT_FALSE(rest.contains("next"));
  EXPECT_EQ(host.get("/api/sessions?limit=0").status, 400);
  EXPECT_EQ(host.get("/api/sessions?limit=99999999999999999999").status, 400);
}

TEST_F(HttpApi, AnswersAChatWithTheWholeAnswer) {
  const std::string session = new_session();
  const Response answer = host.post("/api/chat", R"({"message":"hello you"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"response\":\"[reply to: hello you]\",\"session_id\":\"" + session +
                             "\",\"session_connected\":true}");
}

TEST_F(HttpApi, RunsTheSameMessageTwiceUnlessItHasAKey) {
  new_session();
  host.post("/api/chat", R"({"message":"x"})");
  host.post("/api/chat", R"({"message":"x"})");
  Request request;
  request.method = "POST";
  request.path = "/api/chat";
  request.body = R"({"message":"x"})";
  request.headers = {{"idempotency-key", "k1"}};
  EXPECT_EQ(host.request(request).status, 200);
  EXPECT_EQ(host.request(request).status, 200);
  std::size_t said = 0;
  for (const Json& entry : host.sessions().log(host.sessions().ids()[0]))
    said += entry["type"].as_string() == "user_message" ? 1 : 0;
  EXPECT_EQ(said, 3U);
  request.headers = {{"idempotency-key", std::string(201, 'k')}};
  EXPECT_EQ(host.request(request).status, 400);
  request.headers = {{"idempotency-key", "k\xff"}};
  EXPECT_EQ(host.request(request).status, 400);
}

TEST_F(HttpApi, RefusesAChatWithoutASession) {
  const Response answer = host.post("/api/chat", R"({"message":"hello"})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.body, R"({"error":"No active session. Create one first via POST /api/session.",)"
                         R"("session_connected":false})");
}

TEST_F(HttpApi, LetsGoOfADeadSession) {
  const std::string session = new_session();
  host.sessions().kill(session);
  const Response answer = host.post("/api/chat", R"({"message":"hello"})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.body, R"({"error":"Session no longer exists. Create a new one.",)"
                         R"("session_connected":false})");
  EXPECT_FALSE(host.get("/api/session").json()["connected"].as_bool());
  EXPECT_EQ(host.sessions().count("end"), 0U);
}

TEST_F(HttpApi, LetsGoOfASessionThatDiesInTheTurn) {
  new_session();
  host.sessions().on_message([](const std::string&) {
    viaduct::testing::Reply reply;
    reply.code = VIADUCT_E_SESSION_DEAD;
    reply.message = "gone for good";
    return reply;
  });
  EXPECT_EQ(host.post("/api/chat", R"({"message":"die"})").status, 409);
  EXPECT_FALSE(host.get("/api/session").json()["connected"].as_bool());
}

struct Failure {
  const char* name;
  viaduct_code code;
  int status;
};
void PrintTo(const Failure& one, std::ostream* out) {
  *out << one.name;
}

class ChatFailure : public ChatTest, public ::testing::WithParamInterface<Failure> {};
TEST_P(ChatFailure, KeepsTheSession) {
  const std::string session = new_session();
  host.sessions().fail_next("ask", GetParam().code, "words for a person");
  const Response answer = host.post("/api/chat", R"({"message":"hello"})");
  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_TRUE(answer.json()["error"].is_string()) << answer.body;
  EXPECT_FALSE(answer.json().contains("session_connected"));
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
  EXPECT_EQ(host.post("/api/chat", R"({"message":"again"})").status, 200);
}
INSTANTIATE_TEST_SUITE_P(Codes, ChatFailure,
                         ::testing::Values(Failure{"Unavailable", VIADUCT_E_UNAVAILABLE, 503},
                                           Failure{"Busy", VIADUCT_E_BUSY, 429},
                                           Failure{"Timeout", VIADUCT_E_TIMEOUT, 504},
                                           Failure{"Precondition", VIADUCT_E_FAILED_PRECONDITION,
                                                   503},
                                           Failure{"Invalid", VIADUCT_E_INVALID_ARGUMENT, 400},
                                           Failure{"Internal", VIADUCT_E_INTERNAL, 500},
                                           Failure{"FromTheFuture", 99, 500}),
                         [](const auto& each) { return each.param.name; });

TEST_F(HttpApi, SaysWhatTheOperatorMustDo) {
  host.sessions().fail_next("create", VIADUCT_E_FAILED_PRECONDITION, "run `claude login`");
  const Response response = host.post("/api/session", "{}");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.json()["error"].as_string(), "run `claude login`");
}

TEST_F(HttpApi, AsksToComeBackWhenItIsBusy) {
  host.sessions().fail_next("create", VIADUCT_E_BUSY, "too many sessions");
  const Response response = host.post("/api/session", "{}");
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.header("Retry-After"), "1");
}

TEST_F(HttpApi, KeepsTheDetailsOfADefectToTheLog) {
  host.sessions().fail_next("create", VIADUCT_E_INTERNAL, "secret detail");
  const Response response = host.post("/api/session", "{}");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.find("secret detail"), std::string::npos);
  const std::string id = response.json()["id"].as_string();
  ASSERT_FALSE(id.empty());
  EXPECT_TRUE(host.wait_log(id));
  EXPECT_TRUE(host.wait_log("secret detail"));
}

TEST_F(HttpApi, SaysThatAStoppedAnswerWasStopped) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) {
    viaduct::testing::Reply reply;
    reply.stop_reason = "cancelled";
    return reply;
  });
  const Response answer = host.post("/api/chat", R"({"message":"hello"})");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
}

TEST_F(HttpApi, AnswersAnInterruptedTurnWith503) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) {
    viaduct::testing::Reply reply;
    reply.chunks = {"half an "};
    reply.open = true;
    return reply;
  });
  Request request;
  request.method = "POST";
  request.path = "/api/chat";
  request.body = R"({"message":"hello"})";
  auto exchange = host.start_request(request);
  ASSERT_TRUE(host.wait_until([&] { return host.sessions().log(session).size() >= 2; }));
  host.sessions().end_turn(session, "interrupted");
  EXPECT_EQ(exchange.response().status, 503);
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
}

TEST_F(HttpApi, CancelsATurnOfTheCurrentSessionOrOfTheNamedOne) {
  EXPECT_EQ(host.post("/api/cancel", "").status, 409);
  const std::string first = new_session();
  const std::string second = new_session();
  EXPECT_EQ(host.post("/api/cancel", "").body, "{\"session_id\":\"" + second + "\"}");
  EXPECT_EQ(host.post("/api/cancel", "{\"session_id\":\"" + first + "\",\"turn\":3}").body,
            "{\"session_id\":\"" + first + "\"}");
  const auto calls = host.sessions().calls();
  EXPECT_EQ(calls[calls.size() - 2].number, 0U);
  EXPECT_EQ(calls.back().session_id, first);
  EXPECT_EQ(calls.back().number, 3U);
  EXPECT_EQ(host.post("/api/cancel", R"({"turn":-1})").status, 400);
  EXPECT_EQ(host.post("/api/cancel", R"({"session_id":"x"})").status, 404);
}

TEST_F(HttpApi, ShowsAndAnswersThePermissionRequestThatIsOpen) {
  EXPECT_EQ(host.get("/api/permission").status, 409);
  EXPECT_EQ(host.post("/api/permission", R"({"entry":1,"option_id":"allow"})").status, 409);
  const std::string session = new_session();
  const std::string nothing = "{\"session_id\":\"" + session + "\",\"permissions\":[]}";
  EXPECT_EQ(host.get("/api/permission").body, nothing);
  host.sessions().on_message([](const std::string&) {
    viaduct::testing::Reply reply;
    reply.open = true;
    return reply;
  });
  Request request;
  request.method = "POST";
  request.path = "/api/chat";
  request.body = R"({"message":"deploy"})";
  auto chat = host.start_request(request);
  ASSERT_TRUE(host.wait_until([&] { return !host.sessions().log(session).empty(); }));
  const std::uint64_t asked = host.sessions().ask_permission(session, "Deploy?");
  // What comes after it does not hide it.
  for (int i = 0; i < 120; ++i) host.sessions().add_entry(session, "notice", "still here");
  const Json open = host.get("/api/permission").json()["permissions"];
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0]["entry"].as_int(), static_cast<std::int64_t>(asked));
  EXPECT_EQ(open[0]["data"]["title"].as_string(), "Deploy?");
  EXPECT_EQ(open[0]["data"]["options"][0]["optionId"].as_string(), "allow");
  EXPECT_EQ(host.get("/api/permission?session_id=" + session).json()["permissions"].size(), 1U);
  EXPECT_EQ(host.get("/api/permission?session_id=x").status, 404);

  EXPECT_EQ(host.post("/api/permission", R"({"option_id":"allow"})").status, 400);
  EXPECT_EQ(host.post("/api/permission", "{\"entry\":" + std::to_string(asked) + "}").status, 400);
  const Response answered = host.post(
      "/api/permission", "{\"entry\":" + std::to_string(asked) + ",\"option_id\":\"allow\"}");
  EXPECT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(answered.json()["option_id"].as_string(), "allow");
  EXPECT_EQ(host.get("/api/permission").body, nothing);
  host.sessions().end_turn(session);
  EXPECT_EQ(chat.response().status, 200);
}

TEST_F(HttpApi, EndsTheCurrentSession) {
  EXPECT_EQ(host.post("/api/end", "").body, R"({"ended":false,"message":"No active session."})");
  const std::string session = new_session();
  EXPECT_EQ(host.post("/api/end", "").body, "{\"ended\":true,\"session_id\":\"" + session + "\"}");
  EXPECT_TRUE(host.sessions().session(session)["ended"].as_bool());
  EXPECT_EQ(host.post("/api/chat", R"({"message":"x"})").status, 409);
  EXPECT_FALSE(host.get("/api/sessions").json()["sessions"][0]["is_active"].as_bool());
}

TEST_F(HttpApi, RevivesAnEndedSessionByResume) {
  const std::string session = new_session();
  host.post("/api/end", "");
  EXPECT_EQ(host.post("/api/session/resume", "{\"session_id\":\"" + session + "\"}")
                .json()["context"]
                .as_string(),
            "native");
  EXPECT_EQ(host.post("/api/chat", R"({"message":"x"})").status, 200);
}

TEST_F(HttpApi, ChangesNothingWhenAResumeFails) {
  const std::string first = new_session();
  const std::string second = new_session();
  host.sessions().fail_next("resume", VIADUCT_E_UNAVAILABLE, "not now");
  EXPECT_EQ(host.post("/api/session/resume", "{\"session_id\":\"" + first + "\"}").status, 503);
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), second);
}

TEST_F(HttpApi, ResumesOnlyWhatIsThereAndMine) {
  EXPECT_EQ(host.post("/api/session/resume", "").body, R"({"error":"session_id is required"})");
  EXPECT_EQ(host.post("/api/session/resume", "{}").status, 400);
  const Response missing = host.post("/api/session/resume", R"({"session_id":"x"})");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body, R"({"error":"Session 'x' not found"})");
  Principal somebody;
  somebody.user_id = "somebody";
  const std::string theirs = host.sessions().add_session(somebody);
  EXPECT_EQ(host.post("/api/session/resume", "{\"session_id\":\"" + theirs + "\"}").status, 404);
  const std::string dead = new_session();
  host.sessions().kill(dead);
  EXPECT_EQ(host.post("/api/session/resume", "{\"session_id\":\"" + dead + "\"}").status, 409);
}

TEST_F(HttpApi, KeepsTheCurrentSessionOfEachUserApart) {
  const std::string mine = new_session();
  Principal other;
  other.user_id = "other/user%";
  EXPECT_FALSE(host.request("GET", "/api/session", "", {}, other).json()["connected"].as_bool());
  const std::string theirs =
      host.request("POST", "/api/session", "", {}, other).json()["session_id"].as_string();
  EXPECT_NE(mine, theirs);
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), mine);
  EXPECT_EQ(host.documents().size(), 2U);
}

TEST_F(HttpApi, RemembersTheCurrentSessionOverARestart) {
  const std::string session = new_session();
  restart();
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
  EXPECT_EQ(host.post("/api/chat", R"({"message":"x"})").json()["session_id"].as_string(), session);
}

TEST_F(HttpApi, ReportsAnEndedSessionWithoutChangingAnything) {
  const std::string session = new_session();
  Principal me;
  // Ended by the operator, say.
  Page page(host);
  page.hello();
  const auto before = host.documents();
  ASSERT_EQ(host.post("/api/end", "").status, 200);
  host.put_document(before.begin()->first, before.begin()->second);
  restart();
  const Response response = host.get("/api/session");
  EXPECT_FALSE(response.json()["connected"].as_bool());
  EXPECT_TRUE(response.json()["session_id"].is_null());
  EXPECT_TRUE(response.json()["message"].is_string());
  EXPECT_EQ(host.documents(), before);
}

TEST_F(HttpApi, NeverLetsGoOfASessionForAPassingTrouble) {
  const std::string session = new_session();
  host.sessions().fail_next("get", VIADUCT_E_UNAVAILABLE, "not now");
  EXPECT_EQ(host.get("/api/session").status, 503);
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
}

TEST_F(HttpApi, DoesNotTakeAnUnreadableStoreForNoSession) {
  const std::string session = new_session();
  restart();
  host.fail_next("documents.get", VIADUCT_E_UNAVAILABLE, "the disk is busy");
  EXPECT_EQ(host.post("/api/chat", R"({"message":"x"})").status, 503);
  EXPECT_EQ(host.post("/api/chat", R"({"message":"x"})").json()["session_id"].as_string(), session);
}

TEST_F(HttpApi, WritesAgainWhenSomebodyElseWroteMeanwhile) {
  new_session();
  const auto documents = host.documents();
  host.put_document(documents.begin()->first, R"({"session_id":"other"})");
  const std::string second = new_session();
  ASSERT_FALSE(second.empty());
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), second);
}

TEST_F(HttpApi, SaysWhenTheCurrentSessionCouldNotBeStored) {
  host.fail_next("documents.put", VIADUCT_E_UNAVAILABLE, "the disk is full");
  EXPECT_EQ(host.post("/api/session", "{}").status, 503);
  EXPECT_FALSE(host.get("/api/session").json()["connected"].as_bool());
  EXPECT_FALSE(new_session().empty());
}

TEST_F(HttpApi, AnswersForTheMemoryBeforeAnySession) {
  const Response kept = host.post("/api/chat", R"({"message":"remember this: tea is green"})");
  ASSERT_EQ(kept.status, 200) << kept.body;
  EXPECT_EQ(kept.json()["memory_action"].as_string(), "remember");
  EXPECT_EQ(kept.json()["memory_result"]["content"].as_string(), "tea is green");
  EXPECT_FALSE(kept.json()["session_connected"].as_bool());
  EXPECT_FALSE(kept.json().contains("session_id"));
  new_session();
  const Response found = host.post("/api/chat", R"({"message":"what do you remember about tea"})");
  EXPECT_EQ(found.json()["memory_action"].as_string(), "recall");
  EXPECT_TRUE(found.json()["session_connected"].as_bool());
  EXPECT_EQ(host.sessions().count("ask"), 0U);
}

TEST_F(HttpApi, GivesTheAgentWhatOnlyLooksLikeAMemoryRequest) {
  new_session();
  EXPECT_EQ(host.post("/api/chat", R"({"message":"what is this"})").json()["response"].as_string(),
            "[reply to: what is this]");
}

TEST_F(HttpApi, SparesOrdinaryMessagesEveryCallButOne) {
  new_session();
  host.post("/api/chat", R"({"message":"warm"})");
  const auto before = host.host_calls();
  host.post("/api/chat", R"({"message":"hello"})");
  // ask, and the answer to the request
  EXPECT_LE(host.host_calls() - before, 2U);
}

TEST_F(HttpApi, HasTheMemoryRoutes) {
  EXPECT_EQ(host.post("/api/memory/remember", "{}").body, R"({"error":"text is required"})");
  EXPECT_EQ(host.post("/api/memory/remember", R"({"text":"a b"})").json()["id"].as_string(),
            "mem-001");
  EXPECT_EQ(host.get("/api/memory/recall").body, R"({"error":"q query parameter is required"})");
  EXPECT_EQ(host.get("/api/memory/recall?q=a+b").json()["count"].as_int(), 1);
  EXPECT_EQ(host.post("/api/memory/work-log", R"({"items":[{"task":"t"}]})").status, 200);
  EXPECT_EQ(host.post("/api/memory/work-log", R"({"items":1})").status, 400);
  EXPECT_EQ(host.get("/api/memory/work-status").json()["items"][0]["task"].as_string(), "t");
}

TEST_F(HttpApi, ServesItsPage) {
  bool has_page = false;
  for (const std::string& file : host.files()) has_page = has_page || file == "/";
  EXPECT_TRUE(has_page);
}

TEST_F(HttpApi, AnswersWhatIsOpenWhenItStops) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) {
    viaduct::testing::Reply reply;
    reply.open = true;
    return reply;
  });
  Request request;
  request.method = "POST";
  request.path = "/api/chat";
  request.body = R"({"message":"hello"})";
  auto exchange = host.start_request(request);
  ASSERT_TRUE(host.wait_until([&] { return host.sessions().count("ask") == 1; }));
  ASSERT_TRUE(host.stop());
  EXPECT_EQ(exchange.response().status, 503);
}

TEST(WebChatDescriptor, RefusesAConfigurationThatIsNone) {
  FakeHost host;
  ASSERT_TRUE(host.load(WEB_CHAT_PLUGIN));
  EXPECT_FALSE(host.create(R"({"title":7})"));
  EXPECT_TRUE(host.create_example());
}

TEST(WebChatDescriptor, WorksWithoutAMemoryAndWithoutAnOverview) {
  HostOptions options;
  options.without = {VIADUCT_MEMORY, VIADUCT_OVERVIEW};
  FakeHost host(options);
  ASSERT_TRUE(host.load(WEB_CHAT_PLUGIN));
  ASSERT_TRUE(host.run("{}"));
  ASSERT_EQ(host.post("/api/session", "{}").status, 200);
  EXPECT_EQ(
      host.post("/api/chat", R"({"message":"remember this: x"})").json()["response"].as_string(),
      "[reply to: remember this: x]");
  Page page(host);
  EXPECT_TRUE(page.hello()["agent"].is_null());
}

}  // namespace
}  // namespace viaduct::web_chat
