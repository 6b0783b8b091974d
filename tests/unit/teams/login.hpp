// What answers where Microsoft's logins would: OpenID metadata, keys and tokens, on a port of its
// own. The test says what, and counts.
#pragma once

#include "tests/unit/net/on_loop.hpp"
#include "tests/unit/net/server.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace viaduct::teams {

inline std::string reply(std::string_view body, int status = 200, const std::string& headers = {}) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + headers + "\r\n" + std::string(body);
}

// Answers each request by a function; an empty answer cuts the connection.
class Login {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  explicit Login(Answer answer)
      : answer_(std::move(answer)), server_([this](net::Peer& peer) {
          for (std::string request; !(request = peer.request()).empty();) {
            const std::string text = [&] {
              Answer say;
              {
                const std::lock_guard lock(mutex_);
                requests_.push_back(request);
                say = answer_;
              }
              return say(request);
            }();
            if (text.empty() || !peer.say(text)) return;
          }
        }) {}

  std::string origin() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
  std::string metadata_url() const { return origin() + "/v1/.well-known/openidconfiguration"; }
  std::string metadata_of(const std::string& keys) const {
    return R"({"issuer":"https://api.botframework.com","jwks_uri":")" + origin() + keys + R"("})";
  }
  std::string metadata() const { return metadata_of("/keys"); }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::size_t count() const { return requests().size(); }
  void say(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  Answer answer_;
  net::Server server_;
};

inline std::string body_of(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

// Metadata, and these keys.
inline Login::Answer keys_answer(const Login* of, std::string set) {
  return [of, set = std::move(set)](const std::string& request) {
    return reply(request.starts_with("GET /keys") ? set : of->metadata());
  };
}

}  // namespace viaduct::teams
