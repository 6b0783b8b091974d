// The WebSockets of pages, as PROTOCOL.md says: each follows the current session of its user. It
// keeps no transcript and buffers no change: a page that reads slowly holds up its own
// subscription. Under the plugin's lock, like Host.
#pragma once

#include "people.hpp"
#include "ports.hpp"
#include "requests_json.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace viaduct::web_chat {

class Live {
 public:
  struct About {
    std::string surface;  // the instance's name
    std::string title;
    std::string version;
  };

  Live(Host& host, People& people, About about);
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  void set_title(std::string title) { about_.title = std::move(title); }

  // What happens to sockets. `id` names one until closed().
  void opened(std::uint64_t id, std::unique_ptr<Socket> socket, Principal who);
  void message(std::uint64_t id, std::string_view text);
  void writable(std::uint64_t id);
  void closed(std::uint64_t id);
  void close_all(std::uint16_t code, const std::string& reason);

  // What happens to subscriptions, by the id given to Host::subscribe.
  Flow change(std::uint64_t subscription, const Change& change);
  void unsubscribed(std::uint64_t subscription, const Status& why);

  std::size_t connections() const { return connections_.size(); }

 private:
  struct Waiting {
    std::string text;
    bool is_current = false;
  };
  struct Connection {
    std::unique_ptr<Socket> socket;
    Principal who;
    std::string person;
    bool greeted = false;  // hello was answered
    bool closing = false;
    std::uint64_t hellos = 0;                 // the newest hello counts
    std::unordered_set<std::uint64_t> open;   // ids of requests without a reply
    std::unordered_set<std::uint64_t> pages;  // those among them that ask for history
    std::deque<Waiting> outbox;  // not taken by the socket yet; bounded with the open requests
    // The session it follows; empty: none.
    std::string session;
    std::string prefix;  // how its changes begin on the wire
    std::uint64_t subscription = 0;
    Cursor cursor;  // of the last change that was sent
    bool live = false;
    bool held = false;     // a change was refused: proceed when the outbox is empty
    bool blocked = false;  // the socket said BUSY
    bool lagged = false;   // the subscription ended meanwhile: subscribe anew
  };

  // A message for the memory that was or is being answered, so that repeating it stores nothing.
  struct Remembered {
    std::string key;
    bool done = false;
    Answer answer;
    std::vector<Callback> waiting;
  };

  Connection* find(std::uint64_t id);
  void reply(std::uint64_t id, std::uint64_t request, const Answer& answer);
  void reply_ok(std::uint64_t id, std::uint64_t request, std::string_view result);
  void reply_error(std::uint64_t id, std::uint64_t request, Status status);
  void write(Connection& connection, std::string text, bool is_current = false);
  void flush(std::uint64_t id);
  Callback passes(std::uint64_t id, std::uint64_t request);

  void handle(std::uint64_t id, ClientRequest request);
  void hello(std::uint64_t id, ClientRequest request, std::uint64_t number);
  void greet(std::uint64_t id, const ClientRequest& request, const std::string& session,
             const std::string& session_json, const std::string& backend, std::uint64_t number);
  void send(std::uint64_t id, ClientRequest request);
  void send_for_backend(std::uint64_t id, ClientRequest request);
  void send_to(std::uint64_t id, ClientRequest request, std::string session, std::string created);
  void fresh(std::uint64_t id, ClientRequest request);
  void resume(std::uint64_t id, ClientRequest request);
  void end(std::uint64_t id, ClientRequest request, std::string session);
  // Calls f(session) with the session that the request is about.
  void with_session(std::uint64_t id, const ClientRequest& request,
                    sdk::Function<void(const std::string&)> f);
  void ask_memory(const std::string& person, const Principal& who, const Message& message,
                  Callback done);
  void overview(sdk::Function<void(const std::string&)> done);

  void current_changed(const std::string& person, const std::string& session,
                       const std::string& session_json, std::string_view reason);
  void follow(std::uint64_t id, const std::string& session, Cursor cursor);
  void unfollow(Connection& connection);

  Host& host_;
  People& people_;
  About about_;
  std::unordered_map<std::uint64_t, Connection> connections_;
  std::unordered_map<std::string, std::unordered_set<std::uint64_t>> by_person_;
  std::unordered_map<std::uint64_t, std::uint64_t> by_subscription_;
  std::uint64_t subscriptions_ = 0;
  std::list<std::shared_ptr<Remembered>> remembered_;  // the newest first
  std::string overview_;                               // as of overview_at_
  std::chrono::steady_clock::time_point overview_at_;
};

}  // namespace viaduct::web_chat
