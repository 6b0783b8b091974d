#include "http_api.hpp"

#include "host_json.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::web_chat {
namespace {

constexpr std::string_view kNoSession = "No active session. Click 'New Session' to start.";
constexpr std::string_view kMakeOne = "No active session. Create one first via POST /api/session.";
constexpr std::string_view kEnded =
    "Previous session ended. Resume it from the Sessions list or start a new one.";
constexpr std::string_view kLost =
    "Session disconnected. Resume from the Sessions list or start a new one.";

HttpAnswer ok(std::string body) {
  return {200, std::move(body), false};
}
HttpAnswer bad_request(const Status& status) {
  return {400, error_body(status.message), false};
}

// What is wrong with a given key; empty: nothing.
std::string key_error(std::string_view key) {
  if (key.size() > kMaxKey)
    return "Idempotency-Key is longer than " + std::to_string(kMaxKey) + " bytes";
  const bool printable =
      std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c <= '~'; });
  return printable ? "" : "Idempotency-Key must be printable ASCII without spaces";
}

HttpAnswer not_connected(std::string_view message) {
  return ok("{\"connected\":false,\"session_id\":null,\"message\":" + sdk::json_string(message) +
            "}");
}
HttpAnswer conflict(std::string_view message) {
  return {409, "{\"error\":" + sdk::json_string(message) + ",\"session_connected\":false}", false};
}
std::string permissions_body(const std::string& session, const std::string& entries) {
  return "{\"session_id\":" + sdk::json_string(session) + ",\"permissions\":" + entries + "}";
}
std::string session_fields(const SessionInfo& info) {
  return "\"session_id\":" + sdk::json_string(info.session_id) +
         ",\"project_id\":" + sdk::json_string(info.project_id) +
         ",\"working_dir\":" + sdk::json_string(info.working_dir);
}

}  // namespace

struct HttpApi::Chat {
  Principal who;
  Message message;
  std::string request_id;
  Responder respond;
};

const std::array<HttpApi::Route, 13>& HttpApi::routes() {
  static constexpr std::array<Route, 13> kRoutes{{
      {"GET", "/api/session", &HttpApi::session},
      {"POST", "/api/session", &HttpApi::create},
      {"POST", "/api/chat", &HttpApi::chat},
      {"POST", "/api/cancel", &HttpApi::cancel},
      {"GET", "/api/permission", &HttpApi::permissions},
      {"POST", "/api/permission", &HttpApi::permission},
      {"POST", "/api/end", &HttpApi::end},
      {"GET", "/api/sessions", &HttpApi::sessions},
      {"POST", "/api/session/resume", &HttpApi::resume},
      {"POST", "/api/memory/remember", &HttpApi::remember},
      {"GET", "/api/memory/recall", &HttpApi::recall},
      {"GET", "/api/memory/work-status", &HttpApi::work_status},
      {"POST", "/api/memory/work-log", &HttpApi::work_log},
  }};
  return kRoutes;
}

HttpAnswer HttpApi::failure(const Status& status, const std::string& request_id) {
  const unsigned http = sdk::http_status(status.code);
  if (http == 500) {
    host_.warn("request failed request=" + request_id + " code=" + std::string(name(status.code)) +
               " error=" + sdk::json_string(status.message));
    return {500,
            "{\"error\":\"Something went wrong here. The log says what, under this id.\",\"id\":" +
                sdk::json_string(request_id) + "}",
            false};
  }
  return {http, error_body(status.message.empty() ? name(status.code) : status.message),
          status.code == Code::kBusy};
}

// The host's answer as it is.
Callback HttpApi::pass_on(Responder respond, std::string request_id) {
  return [this, respond = std::move(respond), id = std::move(request_id)](Answer answer) mutable {
    respond(answer.ok() ? ok(std::move(answer.result)) : failure(answer.status(), id));
  };
}

void HttpApi::session(const HttpRequest& request, Responder respond) {
  people_.current(request.who, [this, who = request.who, id = request.request_id,
                                respond = std::move(respond)](Parsed<std::string> found) mutable {
    if (!found) return respond(failure(found.error(), id));
    if (found->empty()) return respond(not_connected(kNoSession));
    host_.get(who, *found, [this, id, respond = std::move(respond)](Answer answer) mutable {
      if (answer.code == Code::kNotFound || answer.code == Code::kSessionDead)
        return respond(not_connected(kLost));
      if (!answer.ok()) return respond(failure(answer.status(), id));
      const auto info = parse_session(answer.result);
      if (!info) return respond(failure(info.error(), id));
      if (info->ended) return respond(not_connected(kEnded));
      respond(ok("{\"connected\":true," + session_fields(*info) + "}"));
    });
  });
}

void HttpApi::create(const HttpRequest& request, Responder respond) {
  const auto fresh = parse_new(request.body);
  if (!fresh) return respond(bad_request(fresh.error()));
  if (auto wrong = key_error(request.idempotency_key); !wrong.empty())
    return respond(bad_request({Code::kInvalidArgument, std::move(wrong)}));
  std::string key;
  if (!request.idempotency_key.empty()) key = "http:" + std::string(request.idempotency_key);
  host_.create(
      request.who, create_options(*fresh, key),
      [this, who = request.who, id = request.request_id,
       respond = std::move(respond)](Answer answer) mutable {
        if (!answer.ok()) return respond(failure(answer.status(), id));
        const auto info = parse_session(answer.result);
        if (!info) return respond(failure(info.error(), id));
        people_.set(
            who, info->session_id, std::move(answer.result), "new",
            [this, id, info = *info, respond = std::move(respond)](Status status) mutable {
              respond(status.ok() ? ok("{" + session_fields(info) + "}") : failure(status, id));
            });
      });
}

void HttpApi::chat(const HttpRequest& request, Responder respond) {
  auto text = parse_chat(request.body);
  if (!text) return respond(bad_request(text.error()));
  if (auto wrong = key_error(request.idempotency_key); !wrong.empty())
    return respond(bad_request({Code::kInvalidArgument, std::move(wrong)}));
  std::string key = request.idempotency_key.empty() ? seed_ + std::to_string(++keys_)
                                                    : std::string(request.idempotency_key);
  Chat chat{request.who, Message{std::move(key), std::move(*text), {}}, request.request_id,
            std::move(respond)};
  if (!may_be_for_memory(chat.message.text)) return chat_in_session(std::move(chat));

  const Principal who = chat.who;
  const std::string said = chat.message.text;
  host_.memory_message(who, said, [this, chat = std::move(chat)](Answer answer) mutable {
    // A host without a memory: every message is for the backend.
    if (answer.code == Code::kUnsupported || (answer.ok() && answer.result == "{}"))
      return chat_in_session(std::move(chat));
    if (!answer.ok()) return chat.respond(failure(answer.status(), chat.request_id));
    chat_memory(std::move(chat), std::move(answer.result));
  });
}

void HttpApi::chat_in_session(Chat given) {
  const Principal who = given.who;
  people_.current(who, [this, chat = std::move(given)](Parsed<std::string> found) mutable {
    if (!found) return chat.respond(failure(found.error(), chat.request_id));
    if (found->empty()) {
      return chat.respond(conflict(kMakeOne));
    }
    const std::string session = *found;
    const Principal asking = chat.who;
    const Message message = chat.message;
    host_.ask(
        asking, session, message, [this, session, chat = std::move(chat)](Answer answer) mutable {
          // not_found: the store holds no such session any more, which is as final.
          if (answer.code == Code::kSessionDead || answer.code == Code::kNotFound)
            return no_longer_there(chat.who, session, std::move(chat.respond));
          if (!answer.ok()) return chat.respond(failure(answer.status(), chat.request_id));
          const auto result = parse_ask_result(answer.result);
          if (!result) return chat.respond(failure(result.error(), chat.request_id));
          if (result->stop_reason == "cancelled")
            return chat.respond({503, error_body("The answer was stopped."), false});
          if (result->stop_reason == "interrupted")
            return chat.respond({503, error_body("The answer was interrupted."), false});
          if (result->stop_reason == "timeout")
            return chat.respond({504, error_body("The answer took too long."), false});
          chat.respond(ok("{\"response\":" + sdk::json_string(result->text) + ",\"session_id\":" +
                          sdk::json_string(session) + ",\"session_connected\":true}"));
        });
  });
}

void HttpApi::in_session(const HttpRequest& request, const std::string& named, Responder respond,
                         sdk::Function<void(const std::string&, Responder)> f) {
  if (!named.empty()) return f(named, std::move(respond));
  people_.current(request.who, [this, id = request.request_id, respond = std::move(respond),
                                f = std::move(f)](Parsed<std::string> found) mutable {
    if (!found) return respond(failure(found.error(), id));
    if (found->empty()) return respond(conflict(kMakeOne));
    f(*found, std::move(respond));
  });
}

void HttpApi::cancel(const HttpRequest& request, Responder respond) {
  const auto wanted = parse_cancel(request.body);
  if (!wanted) return respond(bad_request(wanted.error()));
  in_session(request, wanted->session_id, std::move(respond),
             [this, who = request.who, id = request.request_id, turn = wanted->turn](
                 const std::string& session, Responder answered) {
               host_.cancel(
                   who, session, turn,
                   [this, id, session, respond = std::move(answered)](Answer answer) mutable {
                     if (!answer.ok()) return respond(failure(answer.status(), id));
                     respond(ok("{\"session_id\":" + sdk::json_string(session) + "}"));
                   });
             });
}

void HttpApi::permission(const HttpRequest& request, Responder respond) {
  const auto chosen = parse_permission(request.body);
  if (!chosen) return respond(bad_request(chosen.error()));
  in_session(request, chosen->session_id, std::move(respond),
             [this, who = request.who, id = request.request_id, chosen = *chosen](
                 const std::string& session, Responder answered) {
               host_.answer(who, session, chosen.entry, chosen.option_id,
                            pass_on(std::move(answered), id));
             });
}

void HttpApi::permissions(const HttpRequest& request, Responder respond) {
  const auto named = query_value(request.query, "session_id");
  if (!named) return respond(bad_request(named.error()));
  in_session(request, named->value_or(""), std::move(respond),
             [this, who = request.who, id = request.request_id](const std::string& session,
                                                                Responder answered) {
               host_.get(
                   who, session,
                   [this, who, id, session, respond = std::move(answered)](Answer answer) mutable {
                     if (!answer.ok()) return respond(failure(answer.status(), id));
                     const auto info = parse_session(answer.result);
                     if (!info) return respond(failure(info.error(), id));
                     // Most of the time there is nothing to look for.
                     if (info->state != "waiting")
                       return respond(ok(permissions_body(session, "[]")));
                     look_for_permissions(who, session, 0, id, std::move(respond));
                   });
             });
}

// The newest page that has some: whoever answers those asks again and gets the older ones.
void HttpApi::look_for_permissions(const Principal& who, const std::string& session,
                                   std::uint64_t before, const std::string& request_id,
                                   Responder respond) {
  constexpr std::uint32_t kPage = 100;
  host_.history(
      who, session, before, kPage,
      [this, who, session, request_id, respond = std::move(respond)](Answer answer) mutable {
        if (!answer.ok()) return respond(failure(answer.status(), request_id));
        const auto found = open_permissions(answer.result);
        if (!found) return respond(failure(found.error(), request_id));
        if (!found->entries.empty() || found->before == 0)
          return respond(
              ok(permissions_body(session, found->entries.empty() ? "[]" : found->entries)));
        look_for_permissions(who, session, found->before, request_id, std::move(respond));
      });
}

void HttpApi::no_longer_there(const Principal& who, const std::string& session, Responder respond) {
  people_.clear(who, session, "dead", [respond = std::move(respond)](Status) mutable {
    // Should clearing have failed, the next message finds the session as dead.
    respond(conflict("Session no longer exists. Create a new one."));
  });
}

void HttpApi::chat_memory(Chat given, std::string result) {
  const Principal who = given.who;
  people_.current(who, [this, chat = std::move(given),
                        text = std::move(result)](Parsed<std::string> found) mutable {
    const auto finish = [this](Chat& asked, const std::string& said, bool connected) {
      auto body = memory_body(said, connected);
      asked.respond(body ? ok(std::move(*body)) : failure(body.error(), asked.request_id));
    };
    // It is remembered already: whatever fails from here on must not make anybody say it again.
    if (!found || found->empty()) return finish(chat, text, false);
    const Principal asking = chat.who;
    host_.get(asking, *found,
              [finish, chat = std::move(chat), text = std::move(text)](Answer answer) mutable {
                const auto info = parse_session(answer.result);
                finish(chat, text, answer.ok() && info && !info->ended);
              });
  });
}

void HttpApi::end(const HttpRequest& request, Responder respond) {
  people_.current(request.who, [this, who = request.who, id = request.request_id,
                                respond = std::move(respond)](Parsed<std::string> found) mutable {
    if (!found) return respond(failure(found.error(), id));
    constexpr auto kNothing = "{\"ended\":false,\"message\":\"No active session.\"}";
    if (found->empty()) return respond(ok(kNothing));
    const std::string session = *found;
    host_.end(
        who, session,
        [this, who, id, session, respond = std::move(respond)](Answer answer) mutable {
          const bool gone = answer.code == Code::kNotFound || answer.code == Code::kSessionDead;
          if (!answer.ok() && !gone) return respond(failure(answer.status(), id));
          people_.clear(
              who, session, "ended",
              [this, id, session, gone, respond = std::move(respond)](Status status) mutable {
                if (!status.ok()) return respond(failure(status, id));
                respond(
                    ok(gone ? kNothing
                            : "{\"ended\":true,\"session_id\":" + sdk::json_string(session) + "}"));
              });
        });
  });
}

void HttpApi::sessions(const HttpRequest& request, Responder respond) {
  constexpr std::uint32_t kMost = 200;
  const auto before = query_value(request.query, "before");
  const auto limit = query_value(request.query, "limit");
  if (!before) return respond(bad_request(before.error()));
  if (!limit) return respond(bad_request(limit.error()));
  std::uint32_t most = kMost;
  if (*limit) {
    const std::string& text = **limit;
    const bool digits = !text.empty() && text.size() <= 3 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    most = digits ? static_cast<std::uint32_t>(std::stoul(text)) : 0;
    if (most < 1 || most > kMost) {
      return respond(
          bad_request({Code::kInvalidArgument, "limit must be a whole number from 1 to 200"}));
    }
  }
  people_.current(request.who, [this, who = request.who, id = request.request_id,
                                query = list_query(*before, most),
                                respond = std::move(respond)](Parsed<std::string> found) mutable {
    if (!found) return respond(failure(found.error(), id));
    host_.list(who, query,
               [this, id, current = *found, respond = std::move(respond)](Answer answer) mutable {
                 if (!answer.ok()) return respond(failure(answer.status(), id));
                 auto body = sessions_body(answer.result, current);
                 respond(body ? ok(std::move(*body)) : failure(body.error(), id));
               });
  });
}

void HttpApi::resume(const HttpRequest& request, Responder respond) {
  const auto session = parse_resume(request.body);
  if (!session) return respond(bad_request(session.error()));
  host_.resume(
      request.who, *session,
      [this, who = request.who, id = request.request_id, session = *session,
       respond = std::move(respond)](Answer answer) mutable {
        if (answer.code == Code::kNotFound) {
          return respond({404, error_body("Session '" + session + "' not found"), false});
        }
        if (!answer.ok()) return respond(failure(answer.status(), id));
        const auto info = parse_session(answer.result);
        if (!info) return respond(failure(info.error(), id));
        people_.set(
            who, info->session_id, std::move(answer.result), "resumed",
            [this, id, info = *info, respond = std::move(respond)](Status status) mutable {
              if (!status.ok()) return respond(failure(status, id));
              respond(ok("{\"session_id\":" + sdk::json_string(info.session_id) +
                         ",\"resumed\":true,\"context\":" + sdk::json_string(info.context) + "}"));
            });
      });
}

void HttpApi::remember(const HttpRequest& request, Responder respond) {
  const auto text = parse_remember(request.body);
  if (!text) return respond(bad_request(text.error()));
  host_.remember(request.who, *text, pass_on(std::move(respond), request.request_id));
}

void HttpApi::recall(const HttpRequest& request, Responder respond) {
  const auto query = query_value(request.query, "q");
  if (!query) return respond(bad_request(query.error()));
  if (!*query || (*query)->find_first_not_of(" \t\r\n") == std::string::npos)
    return respond(bad_request({Code::kInvalidArgument, "q query parameter is required"}));
  host_.recall(request.who, **query, pass_on(std::move(respond), request.request_id));
}

void HttpApi::work_status(const HttpRequest& request, Responder respond) {
  host_.work_status(request.who, pass_on(std::move(respond), request.request_id));
}

void HttpApi::work_log(const HttpRequest& request, Responder respond) {
  const auto items = parse_work_log(request.body);
  if (!items) return respond(bad_request(items.error()));
  host_.work_log(request.who, *items, pass_on(std::move(respond), request.request_id));
}

}  // namespace viaduct::web_chat
