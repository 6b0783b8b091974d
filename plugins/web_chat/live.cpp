#include "live.hpp"

#include "host_json.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::web_chat {
namespace {

constexpr std::size_t kOpenRequests = 32;  // of one connection, and replies that it has not read
constexpr std::size_t kOpenPages = 4;      // of history: each may be megabytes
constexpr std::size_t kRemembered = 1000;  // memory messages whose keys are known, of all users
constexpr auto kOverviewAge = std::chrono::seconds(2);

constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kTryAgainLater = 1013;
constexpr std::uint16_t kProtocolError = 4000;

std::string number_field(std::string_view field, std::uint64_t value) {
  return "\"" + std::string(field) + "\":" + std::to_string(value);
}

}  // namespace

Live::Live(Host& host, People& people, About about)
    : host_(host), people_(people), about_(std::move(about)) {
  people_.on_change(
      [this](const std::string& person, const std::string& session, const std::string& json,
             std::string_view reason) { current_changed(person, session, json, reason); });
}

Live::Connection* Live::find(std::uint64_t id) {
  const auto at = connections_.find(id);
  return at == connections_.end() || at->second.closing ? nullptr : &at->second;
}

// ---------------------------------------------------------------- the socket

void Live::opened(std::uint64_t id, std::unique_ptr<Socket> socket, Principal who) {
  Connection& connection = connections_[id];
  connection.socket = std::move(socket);
  connection.person = person_key(who);
  connection.who = std::move(who);
  by_person_[connection.person].insert(id);
}

void Live::closed(std::uint64_t id) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  unfollow(at->second);
  const auto person = by_person_.find(at->second.person);
  if (person != by_person_.end()) {
    person->second.erase(id);
    if (person->second.empty()) by_person_.erase(person);
  }
  connections_.erase(at);
}

void Live::close_all(std::uint16_t code, const std::string& reason) {
  for (auto& [id, connection] : connections_) {
    unfollow(connection);
    connection.closing = true;
    connection.socket->close(code, reason);
  }
}

void Live::message(std::uint64_t id, std::string_view text) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  auto request = parse_client_request(text);
  const std::uint64_t number = request ? request->id : request.error().id;
  if (number == 0) {
    unfollow(*connection);
    connection->closing = true;
    connection->socket->close(kProtocolError, request.error().status.message);
    return;
  }
  if (connection->open.contains(number)) {
    // Two replies by one id could not be told apart.
    unfollow(*connection);
    connection->closing = true;
    connection->socket->close(kProtocolError, "id is that of an open request");
    return;
  }
  const std::size_t load = connection->open.size() + connection->outbox.size();
  const bool too_many = load >= kOpenRequests;
  if (load >= 2 * kOpenRequests) {
    // It does not even read the refusals.
    unfollow(*connection);
    connection->closing = true;
    connection->socket->close(kTryAgainLater, "too many open requests");
    return;
  }
  connection->open.insert(number);
  if (!request) return reply_error(id, number, request.error().status);
  if (too_many) return reply_error(id, number, {Code::kBusy, "too many open requests"});
  if (!connection->greeted && request->type != RequestType::kHello &&
      request->type != RequestType::kPing)
    return reply_error(id, number, {Code::kFailedPrecondition, "say hello first"});
  handle(id, std::move(*request));
}

void Live::writable(std::uint64_t id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->blocked = false;
  flush(id);
}

void Live::write(Connection& connection, std::string text, bool is_current) {
  if (is_current) {
    // The last one is what counts.
    std::erase_if(connection.outbox, [](const Waiting& waiting) { return waiting.is_current; });
  }
  if (!connection.blocked && connection.outbox.empty()) {
    const Flow flow = connection.socket->send(text);
    if (flow != Flow::kBusy) return;  // gone: closed() follows
    connection.blocked = true;
  }
  connection.outbox.push_back({std::move(text), is_current});
}

// Sends what waits, then lets changes come again.
void Live::flush(std::uint64_t id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  while (!connection->blocked && !connection->outbox.empty()) {
    if (connection->socket->send(connection->outbox.front().text) == Flow::kBusy) {
      connection->blocked = true;
      return;
    }
    connection->outbox.pop_front();
  }
  if (connection->blocked) return;
  if (std::exchange(connection->lagged, false)) {
    follow(id, std::string(connection->session), connection->cursor);
  } else if (std::exchange(connection->held, false) && connection->subscription != 0) {
    host_.proceed(connection->subscription);
  }
}

void Live::reply_ok(std::uint64_t id, std::uint64_t request, std::string_view result) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->open.erase(request);
  connection->pages.erase(request);
  std::string text = "{\"type\":\"reply\"," + number_field("id", request) + ",\"result\":";
  text += result.empty() ? "{}" : result;
  text += '}';
  write(*connection, std::move(text));
}

void Live::reply_error(std::uint64_t id, std::uint64_t request, Status status) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->open.erase(request);
  connection->pages.erase(request);
  if (status.code == Code::kInternal) {
    host_.warn("request failed connection=" + std::to_string(id) + " request=" +
               std::to_string(request) + " error=" + sdk::json_string(status.message));
    status.message = "Something went wrong here. The log says what, under connection " +
                     std::to_string(id) + ".";
  }
  const std::string_view code = name(status.code);
  write(*connection, "{\"type\":\"reply\"," + number_field("id", request) +
                         ",\"error\":{\"code\":" + sdk::json_string(code) + ",\"message\":" +
                         sdk::json_string(status.message.empty() ? code : status.message) + "}}");
}

void Live::reply(std::uint64_t id, std::uint64_t request, const Answer& answer) {
  if (answer.ok()) return reply_ok(id, request, answer.result);
  reply_error(id, request, answer.status());
}

Callback Live::passes(std::uint64_t id, std::uint64_t request) {
  return [this, id, request](Answer answer) { reply(id, request, answer); };
}

// ---------------------------------------------------------------- requests

void Live::handle(std::uint64_t id, ClientRequest request) {
  const std::uint64_t number = request.id;
  const Principal who = find(id)->who;
  switch (request.type) {
    case RequestType::kHello: {
      const std::uint64_t hello_number = ++find(id)->hellos;
      return hello(id, std::move(request), hello_number);
    }
    case RequestType::kSend: return send(id, std::move(request));
    case RequestType::kNew: return fresh(id, std::move(request));
    case RequestType::kResume: return resume(id, std::move(request));
    case RequestType::kList: return host_.list(who, request.query, passes(id, number));
    case RequestType::kPing: return reply_ok(id, number, "{\"pong\":true}");
    case RequestType::kCancel:
      return with_session(id, request, [this, id, who, request](const std::string& session) {
        host_.cancel(who, session, request.number, passes(id, request.id));
      });
    case RequestType::kAnswer:
      return with_session(id, request, [this, id, who, request](const std::string& session) {
        host_.answer(who, session, request.number, request.text, passes(id, request.id));
      });
    case RequestType::kHistory:
      if (Connection& asking = *find(id);
          asking.pages.size() >= kOpenPages || !asking.outbox.empty())
        return reply_error(id, number, {Code::kBusy, "read what was asked for before"});
      else
        asking.pages.insert(number);
      return with_session(id, request, [this, id, who, request](const std::string& session) {
        host_.history(who, session, request.number, request.limit, passes(id, request.id));
      });
    case RequestType::kRename:
      return with_session(id, request, [this, id, who, request](const std::string& session) {
        host_.rename(who, session, request.text, passes(id, request.id));
      });
    case RequestType::kEnd:
      return with_session(id, request, [this, id, request](const std::string& session) {
        end(id, request, session);
      });
    case RequestType::kUnknown: break;
  }
  reply_error(id, number, {Code::kUnsupported, "there is no such request"});
}

void Live::with_session(std::uint64_t id, const ClientRequest& request,
                        sdk::Function<void(const std::string&)> f) {
  if (!request.session_id.empty()) return f(request.session_id);
  people_.current(find(id)->who, [this, id, number = request.id,
                                  f = std::move(f)](const Parsed<std::string>& found) mutable {
    if (!found) return reply_error(id, number, found.error());
    if (found->empty())
      return reply_error(id, number, {Code::kNotFound, "There is no current session."});
    if (find(id) != nullptr) f(*found);
  });
}

// The current session, then its SESSION, then the reply; from the beginning when the current
// session becomes another one meanwhile.
void Live::hello(std::uint64_t id, ClientRequest request, std::uint64_t number) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  const Principal who = connection->who;
  people_.current(who, [this, id, who, number,
                        request = std::move(request)](const Parsed<std::string>& found) mutable {
    if (!found) return reply_error(id, request.id, found.error());
    if (found->empty()) return greet(id, request, "", "null", "", number);
    const std::string session = *found;
    host_.get(who, session,
              [this, id, session, number, request = std::move(request)](Answer answer) mutable {
                if (answer.code == Code::kNotFound || answer.code == Code::kSessionDead)
                  return greet(id, request, session, "null", "", number);
                if (!answer.ok()) return reply_error(id, request.id, answer.status());
                const auto info = parse_session(answer.result);
                if (!info) return reply_error(id, request.id, info.error());
                greet(id, request, session, answer.result, info->backend, number);
              });
  });
}

void Live::greet(std::uint64_t id, const ClientRequest& request, const std::string& session,
                 const std::string& session_json, const std::string& backend,
                 std::uint64_t number) {
  overview([this, id, request, session, session_json, backend,
            number](const std::string& seen) mutable {
    Connection* connection = find(id);
    if (connection == nullptr) return;
    if (connection->hellos != number)
      return reply_error(id, request.id, {Code::kCancelled, "there was a later hello"});
    if (people_.known(connection->person) != session) return hello(id, std::move(request), number);
    const bool is_there = session_json != "null";
    unfollow(*connection);
    connection->greeted = true;
    reply_ok(id, request.id,
             "{\"protocol\":1,\"version\":" + sdk::json_string(about_.version) + "," +
                 number_field("connection", id) + ",\"surface\":" +
                 sdk::json_string(about_.surface) + ",\"title\":" + sdk::json_string(about_.title) +
                 ",\"agent\":" + agent_json(seen, about_.surface, backend) + ",\"backends\":" +
                 backends_json(seen, about_.surface) + ",\"session\":" + session_json + "}");
    if (!is_there) return;
    const bool knows = request.cursor && request.session_id == session;
    follow(id, session, knows ? *request.cursor : Cursor{});
  });
}

// Kept for a moment: after a restart every page comes back at once.
void Live::overview(sdk::Function<void(const std::string&)> done) {
  const auto now = std::chrono::steady_clock::now();
  if (!overview_.empty() && now - overview_at_ < kOverviewAge) return done(overview_);
  host_.overview([this, done = std::move(done)](Answer answer) mutable {
    if (answer.ok()) {
      overview_ = std::move(answer.result);
      overview_at_ = std::chrono::steady_clock::now();
    }
    done(answer.ok() ? overview_ : std::string());
  });
}

void Live::send(std::uint64_t id, ClientRequest request) {
  Connection& connection = *find(id);
  if (!request.message.blocks.empty() || !may_be_for_memory(request.message.text))
    return send_for_backend(id, std::move(request));
  const Message message = request.message;
  ask_memory(connection.person, connection.who, message,
             [this, id, request = std::move(request)](Answer answer) mutable {
               const bool for_backend =
                   answer.code == Code::kUnsupported || (answer.ok() && answer.result == "{}");
               if (!for_backend) return reply(id, request.id, answer);
               if (find(id) != nullptr) send_for_backend(id, std::move(request));
             });
}

void Live::ask_memory(const std::string& person, const Principal& who, const Message& message,
                      Callback done) {
  const std::string key = person + "\n" + message.key;
  const auto known = std::find_if(remembered_.begin(), remembered_.end(),
                                  [&](const auto& entry) { return entry->key == key; });
  if (known != remembered_.end()) {
    if ((*known)->done) {
      done((*known)->answer);
    } else {
      (*known)->waiting.push_back(std::move(done));
    }
    return;
  }
  auto entry = std::make_shared<Remembered>();
  entry->key = key;
  entry->waiting.push_back(std::move(done));
  remembered_.push_front(entry);
  if (remembered_.size() > kRemembered) remembered_.pop_back();
  host_.memory_message(who, message.text, [this, entry](Answer answer) {
    entry->done = true;
    entry->answer = answer;
    // What failed or is for the backend may come again.
    if (!answer.ok() || answer.result == "{}") remembered_.remove(entry);
    for (Callback& waiting : std::exchange(entry->waiting, {})) waiting(answer);
  });
}

void Live::send_for_backend(std::uint64_t id, ClientRequest request) {
  if (!request.session_id.empty()) {
    std::string session = request.session_id;
    return send_to(id, std::move(request), std::move(session), {});
  }
  const Principal who = find(id)->who;
  NewSession begun;
  begun.description = describe(request.message.text);
  host_.create(who, create_options(begun, "send:" + request.message.key),
               [this, id, request = std::move(request)](Answer answer) mutable {
                 if (!answer.ok()) return reply_error(id, request.id, answer.status());
                 const auto info = parse_session(answer.result);
                 if (!info) return reply_error(id, request.id, info.error());
                 send_to(id, std::move(request), info->session_id, std::move(answer.result));
               });
}

// `created`: the SESSION that was made for this message; empty: it was there before.
void Live::send_to(std::uint64_t id, ClientRequest request, std::string session,
                   std::string created) {
  Connection* connection = find(id);
  if (connection == nullptr) return;  // the page sends it again when it is back
  const Principal who = connection->who;
  const Message message = request.message;
  host_.send(who, session, message,
             [this, id, who, session, request = std::move(request),
              created = std::move(created)](Answer answer) mutable {
               if (answer.code == Code::kSessionDead) {
                 return people_.clear(who, session, "dead",
                                      [this, id, number = request.id, why = answer.status()](
                                          Status) { reply_error(id, number, why); });
               }
               if (!answer.ok()) return reply_error(id, request.id, answer.status());
               const auto sent = parse_send_result(answer.result);
               if (!sent) return reply_error(id, request.id, sent.error());
               const std::string result = "{\"session_id\":" + sdk::json_string(session) + "," +
                                          number_field("turn", sent->turn) +
                                          ",\"duplicate\":" + (sent->duplicate ? "true" : "false") +
                                          "}";
               // When a repeated message finds another current session, that was chosen after this
               // one.
               const bool makes_current =
                   !created.empty() && (!sent->duplicate || people_.known(person_key(who)).empty());
               if (!makes_current) return reply_ok(id, request.id, result);
               people_.set(who, session, std::move(created), "new",
                           [this, id, result, number = request.id](const Status& status) {
                             if (!status.ok()) return reply_error(id, number, status);
                             reply_ok(id, number, result);
                           });
             });
}

void Live::fresh(std::uint64_t id, ClientRequest request) {
  const Principal who = find(id)->who;
  const std::string key = request.message.key.empty() ? "" : "new:" + request.message.key;
  host_.create(who, create_options(request.fresh, key),
               [this, id, who, number = request.id](const Answer& answer) {
                 if (!answer.ok()) return reply_error(id, number, answer.status());
                 const auto info = parse_session(answer.result);
                 if (!info) return reply_error(id, number, info.error());
                 people_.set(who, info->session_id, answer.result, "new",
                             [this, id, number, result = answer.result](const Status& status) {
                               if (!status.ok()) return reply_error(id, number, status);
                               reply_ok(id, number, result);
                             });
               });
}

void Live::resume(std::uint64_t id, ClientRequest request) {
  const Principal who = find(id)->who;
  host_.resume(who, request.session_id, [this, id, who, number = request.id](const Answer& answer) {
    if (!answer.ok()) return reply_error(id, number, answer.status());
    const auto info = parse_session(answer.result);
    if (!info) return reply_error(id, number, info.error());
    people_.set(who, info->session_id, answer.result, "resumed",
                [this, id, number, result = answer.result](const Status& status) {
                  if (!status.ok()) return reply_error(id, number, status);
                  reply_ok(id, number, result);
                });
  });
}

void Live::end(std::uint64_t id, ClientRequest request, std::string session) {
  const Principal who = find(id)->who;
  host_.end(who, session, [this, id, who, session, number = request.id](const Answer& answer) {
    if (!answer.ok()) return reply_error(id, number, answer.status());
    people_.clear(who, session, "ended", [this, id, number, session](const Status& status) {
      if (!status.ok()) return reply_error(id, number, status);
      reply_ok(id, number, "{\"ended\":true,\"session_id\":" + sdk::json_string(session) + "}");
    });
  });
}

// ---------------------------------------------------------------- following the current session

void Live::current_changed(const std::string& person, const std::string& session,
                           const std::string& session_json, std::string_view reason) {
  const auto at = by_person_.find(person);
  if (at == by_person_.end()) return;
  const std::string text = "{\"type\":\"current\",\"session\":" +
                           (session.empty() ? std::string("null") : session_json) +
                           ",\"reason\":" + sdk::json_string(reason) + "}";
  for (const std::uint64_t id : std::vector<std::uint64_t>(at->second.begin(), at->second.end())) {
    Connection* connection = find(id);
    if (connection == nullptr || !connection->greeted) continue;  // its hello looks again
    unfollow(*connection);
    write(*connection, text, true);
    if (!session.empty()) follow(id, session, {});
  }
}

void Live::follow(std::uint64_t id, const std::string& session, Cursor cursor) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  unfollow(*connection);
  const std::uint64_t subscription = ++subscriptions_;
  connection->session = session;
  connection->prefix = "{\"type\":\"change\",\"session_id\":" + sdk::json_string(session) + ",";
  connection->subscription = subscription;
  connection->cursor = cursor;
  by_subscription_[subscription] = id;
  host_.subscribe(connection->who, session, subscription, cursor,
                  [this, id, subscription](const Answer& answer) {
                    if (answer.ok() || !by_subscription_.contains(subscription)) return;
                    Connection* failed = find(id);
                    if (failed == nullptr) return;
                    // The page comes back and asks anew what there is to see.
                    unfollow(*failed);
                    failed->closing = true;
                    failed->socket->close(kTryAgainLater,
                                          "cannot follow the session: " + answer.message);
                  });
}

void Live::unfollow(Connection& connection) {
  if (connection.subscription != 0) {
    by_subscription_.erase(connection.subscription);
    host_.unsubscribe(connection.subscription);
  }
  connection.subscription = 0;
  connection.session.clear();
  connection.live = connection.held = connection.lagged = false;
}

Flow Live::change(std::uint64_t subscription, const Change& change) {
  const auto at = by_subscription_.find(subscription);
  Connection* connection = at == by_subscription_.end() ? nullptr : find(at->second);
  if (connection == nullptr || change.json.size() < 2) return Flow::kOk;
  if (connection->blocked || !connection->outbox.empty()) {
    connection->held = true;
    return Flow::kBusy;
  }
  std::string text;
  text.reserve(connection->prefix.size() + change.json.size());
  text += connection->prefix;
  text += change.json.substr(1);  // after its '{'
  const Flow flow = connection->socket->send(text);
  if (flow == Flow::kBusy) {
    connection->blocked = connection->held = true;
    return Flow::kBusy;
  }
  connection->cursor = change.cursor;
  if (change.is_live) connection->live = true;
  if (connection->live && change.is_entry && says_session_dead(change.json))
    people_.clear(connection->who, connection->session, "dead", nullptr);
  return Flow::kOk;  // also when the page has gone: closed() follows
}

void Live::unsubscribed(std::uint64_t subscription, const Status& why) {
  const auto at = by_subscription_.find(subscription);
  if (at == by_subscription_.end()) return;
  const std::uint64_t id = at->second;
  by_subscription_.erase(at);
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->subscription = 0;
  connection->held = false;
  if (why.code == Code::kBusy) {
    connection->lagged = true;
    flush(id);
    return;
  }
  connection->closing = true;
  connection->socket->close(why.code == Code::kUnavailable ? kGoingAway : kTryAgainLater,
                            why.message);
}

}  // namespace viaduct::web_chat
