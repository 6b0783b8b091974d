// The HTTP API of the web chat, as PROTOCOL.md says: for scripts, one request at a time. Under the
// plugin's lock, like Host.
#pragma once

#include "people.hpp"
#include "ports.hpp"

#include <array>
#include <string>
#include <string_view>

namespace viaduct::web_chat {

// Views: valid during the call.
struct HttpRequest {
  Principal who;
  std::string_view query;
  std::string_view body;
  std::string_view idempotency_key;  // empty: none given
  std::string request_id;
};
struct HttpAnswer {
  unsigned status = 200;
  std::string body;  // JSON
  bool retry_after = false;
};
using Responder = sdk::Function<void(HttpAnswer)>;

class HttpApi {
 public:
  // `seed` makes the idempotency keys of this life of the instance differ from all others'.
  HttpApi(Host& host, People& people, std::string seed)
      : host_(host), people_(people), seed_(std::move(seed)) {}
  HttpApi(const HttpApi&) = delete;
  HttpApi& operator=(const HttpApi&) = delete;

  using Handler = void (HttpApi::*)(const HttpRequest&, Responder);
  struct Route {
    std::string_view method;
    std::string_view path;
    Handler handler;
  };
  static const std::array<Route, 13>& routes();

 private:
  void session(const HttpRequest& request, Responder respond);
  void create(const HttpRequest& request, Responder respond);
  void chat(const HttpRequest& request, Responder respond);
  void cancel(const HttpRequest& request, Responder respond);
  void permissions(const HttpRequest& request, Responder respond);
  void permission(const HttpRequest& request, Responder respond);
  void end(const HttpRequest& request, Responder respond);
  void sessions(const HttpRequest& request, Responder respond);
  void resume(const HttpRequest& request, Responder respond);
  void remember(const HttpRequest& request, Responder respond);
  void recall(const HttpRequest& request, Responder respond);
  void work_status(const HttpRequest& request, Responder respond);
  void work_log(const HttpRequest& request, Responder respond);

  struct Chat;
  void chat_in_session(Chat chat);
  void chat_memory(Chat chat, std::string result);
  // Calls f with the session that the request names, else with the current one; without one it is
  // answered here.
  void in_session(const HttpRequest& request, const std::string& named, Responder respond,
                  sdk::Function<void(const std::string&, Responder)> f);
  void look_for_permissions(const Principal& who, const std::string& session, std::uint64_t before,
                            const std::string& request_id, Responder respond);
  void no_longer_there(const Principal& who, const std::string& session, Responder respond);
  HttpAnswer failure(const Status& status, const std::string& request_id);
  Callback pass_on(Responder respond, std::string request_id);

  Host& host_;
  People& people_;
  std::string seed_;
  std::uint64_t keys_ = 0;
};

}  // namespace viaduct::web_chat
