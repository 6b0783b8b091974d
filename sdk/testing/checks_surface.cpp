// What a surface owes.
#include <algorithm>

#include "checks.hpp"

namespace viaduct::testing {
namespace {

bool is_socket(const Route& route) {
  return (route.flags & VIADUCT_ROUTE_WEBSOCKET) != 0;
}

// The pattern with something in the place of its parameters.
std::string path_of(const Route& route, std::string_view parameter) {
  std::string path;
  for (std::size_t i = 0; i < route.pattern.size(); ++i) {
    if (route.pattern[i] != '{') {
      path += route.pattern[i];
      continue;
    }
    path += parameter;
    i = std::min(route.pattern.find('}', i), route.pattern.size());
  }
  return path;
}

std::string name_of(const Route& route) {
  return route.method + " " + route.pattern;
}

std::vector<std::string> garbage_bodies() {
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "[";
  return {"",
          "{",
          "[]",
          "null",
          "3",
          "\"text\"",
          "{}",
          "{\"a\":\"\xff\xfe\"}",
          "\xff\xfe\xfd",
          std::string("\0\0\0", 3),
          "{\"message\":1,\"session_id\":[],\"text\":{},\"working_dir\":false,\"id\":null}",
          "{\"message\":\"\",\"session_id\":\"\",\"text\":\"\"}",
          "{\"message\":\"\\ud800\"}",
          "{\"message\":\"a\",\"message\":\"b\"}",
          "{\"a\":1}{\"b\":2}",
          deep,
          "a=b&c=d",
          "{\"message\":\"" + std::string(std::size_t{1} << 20, 'x') + "\"}"};
}

// Bodies that mean something to most surfaces.
std::vector<std::string> plausible_bodies() {
  return {
      "", "{}",
      R"({"message":"hello","text":"hello","content":"hello","session_id":"s_00000001","id":"s_00000001","working_dir":"~","description":"check","key":"k1","items":[],"query":"x"})",
      R"({"session_id":"s_99999999","message":"remember this: x"})"};
}

void require_response(const Probe& probe, const Response& response, const std::string& what,
                      bool any_status) {
  probe.require(response.answered, what + " was not answered");
  probe.require(response.complete, what + " was begun and never finished");
  if (any_status) return;
  const bool fine = response.status < 500 || response.status == 501 || response.status == 503;
  probe.require(fine,
                what + " was answered " + std::to_string(response.status) + ": bad input is a 4xx");
}

Response ask(const Probe& probe, FakeHost& host, const Route& route, std::string_view parameter,
             const std::string& body) {
  return host.request(route.method, path_of(route, parameter), body,
                      {{"content-type", "application/json"}}, {}, probe.patience());
}

void routes_registered(Probe& probe) {
  const auto host = probe.running();
  if (host->routes().empty() && host->files().empty()) {
    probe.warn("it has neither routes nor files");
  }
  if (!host->routes().empty()) {
    probe.require(host->interface(VIADUCT_HTTP_HANDLER) != nullptr,
                  "it has routes, but no " VIADUCT_HTTP_HANDLER);
  }
  if (host->interface(VIADUCT_SUBSCRIBER) != nullptr) {
    const auto* table = static_cast<const viaduct_subscriber*>(host->interface(VIADUCT_SUBSCRIBER));
    probe.require(VIADUCT_HAS(table, change) && VIADUCT_HAS(table, unsubscribed),
                  "its " VIADUCT_SUBSCRIBER " lacks a function");
  }
  probe.finish(*host);
}

void pages_answer(Probe& probe) {
  const auto host = probe.running();
  for (const auto& file : host->files()) {
    const Response response = host->request("GET", file, "", {}, {}, probe.patience());
    require_response(probe, response, "GET " + file, false);
    probe.require(!response.header("content-type").empty(), "GET " + file + " has no content type");
  }
  for (const auto& route : host->routes()) {
    if (route.method != "GET" || is_socket(route)) continue;
    const Response response = ask(probe, *host, route, "x", "");
    require_response(probe, response, name_of(route), false);
  }
  probe.finish(*host);
}

void requests_are_answered(Probe& probe) {
  const auto host = probe.running();
  bool any = false;
  for (const auto& route : host->routes()) {
    if (is_socket(route)) continue;
    any = true;
    for (const auto& body : garbage_bodies()) {
      require_response(probe, ask(probe, *host, route, "x", body), name_of(route), false);
    }
    for (const char* parameter :
         {"%00", "%2e%2e", "%E2%82%AC", "a%2Fb", "0123456789012345678901234567890123456789"}) {
      require_response(probe, ask(probe, *host, route, parameter, "{}"), name_of(route), false);
    }
    require_response(probe,
                     host->request(route.method, path_of(route, "x") + "?a=%&&=&b", "{}",
                                   {{"content-type", "text/plain"}}, {}, probe.patience()),
                     name_of(route), false);
    require_response(
        probe, host->request(route.method, path_of(route, "x"), "{}", {}, {}, probe.patience()),
        name_of(route), false);
  }
  probe.finish(*host);
  if (!any) probe.skip("it has no routes");
}

void service_failures(Probe& probe) {
  const auto host = probe.running();
  const char* sessions[] = {"create", "send",       "ask",       "cancel",   "answer", "resume",
                            "end",    "list",       "get",       "history",  "rename", "compact",
                            "fork",   "set_option", "subscribe", "discover", "adopt"};
  const char* others[] = {"documents.get",   "documents.put",      "documents.remove",
                          "documents.scan",  "memory.message",     "memory.remember",
                          "memory.recall",   "memory.work_status", "memory.work_log",
                          "secrets.resolve", "overview.get",       "overview.check"};
  const auto routes = host->routes();
  const auto drive = [&](const std::string& what) {
    for (const auto& route : routes) {
      if (is_socket(route)) continue;
      for (const auto& body : plausible_bodies()) {
        require_response(probe, ask(probe, *host, route, "s_00000001", body),
                         name_of(route) + " " + what, true);
      }
    }
  };
  // 4711: a code of a later version is a failure.
  for (viaduct_code code : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 4711}) {
    for (const char* operation : sessions) {
      host->sessions().fail_next(operation, code, "the check makes it fail", -1);
    }
    drive(std::string("when sessions fail with ") + code_name(code));
    for (const char* operation : others) {
      host->fail_next(operation, code, "the check makes it fail", -1);
    }
    drive(std::string("when everything fails with ") + code_name(code));
    host->sessions().heal();
    // Between failures it works again.
    drive("after the failures");
  }
  probe.finish(*host);
}

void late_answers(Probe& probe) {
  const auto host = probe.running();
  for (const char* operation :
       {"create", "send", "ask", "resume", "end", "list", "get", "history", "subscribe"}) {
    host->sessions().hold(operation);
  }
  std::vector<Exchange> exchanges;
  for (const auto& route : host->routes()) {
    if (is_socket(route)) continue;
    for (const auto& body : plausible_bodies()) {
      Request request;
      request.method = route.method;
      request.path = path_of(route, "s_00000001");
      request.body = body;
      request.headers = {{"content-type", "application/json"}};
      exchanges.push_back(host->start_request(request));
    }
  }
  probe.require(host->settle(probe.patience()), "its thread does not come to rest");
  // Every other viewer leaves; the answers come; then the host stops.
  for (std::size_t i = 0; i < exchanges.size(); i += 2) exchanges[i].disconnect();
  host->settle(probe.patience());
  for (const char* operation : {"create", "send", "ask", "resume", "end", "list"}) {
    host->sessions().release(operation);
  }
  host->settle(probe.patience());
  probe.finish(*host);
}

void sockets_survive_garbage(Probe& probe) {
  const auto host = probe.running();
  bool any = false;
  for (const auto& route : host->routes()) {
    if (!is_socket(route)) continue;
    any = true;
    const std::string path = path_of(route, "x");
    for (const auto& message : garbage_bodies()) {
      WebSocket socket = host->websocket(path, {}, {}, probe.patience());
      probe.require(socket.response().answered, name_of(route) + " was not answered");
      if (!socket.accepted()) continue;
      socket.send(message);
      host->settle(probe.patience());
      socket.close();
    }
    // A socket that speaks at once, twice, and leaves in the middle.
    WebSocket socket = host->websocket(path, {}, {}, probe.patience());
    socket.pause(0);
    for (const auto& message : plausible_bodies()) socket.send(message);
    host->settle(probe.patience());
    socket.proceed();
    host->settle(probe.patience());
    socket.close(1001, "going away");
    std::vector<WebSocket> many;
    for (int i = 0; i < 20; ++i) many.push_back(host->websocket(path, {}, {}, probe.patience()));
    for (auto& one : many) one.close();
    const Response refused = host->request("GET", path, "", {}, {}, probe.patience());
    probe.require(refused.answered, name_of(route) + " without an upgrade was not answered");
  }
  probe.finish(*host);
  if (!any) probe.skip("it has no WebSocket");
}

void sockets_gone(Probe& probe) {
  const auto host = probe.running();
  bool any = false;
  for (const auto& route : host->routes()) {
    if (!is_socket(route)) continue;
    any = true;
    for (int i = 0; i < 5; ++i) {
      WebSocket socket = host->websocket(path_of(route, "x"), {}, {}, probe.patience());
      if (!socket.accepted()) break;
      socket.send("{}");
      socket.close(1006);
    }
  }
  host->settle(probe.patience());
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(100));
  probe.finish(*host);
  if (!any) probe.skip("it has no WebSocket");
}

// What it may have posted once, and what it never would have.
std::vector<std::string> parcels() {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "[";
  for (int i = 0; i < 200; ++i) deep += "]";
  return {"{}",
          "null",
          "[]",
          "3",
          "\"text\"",
          deep,
          R"({"text":1,"channel":[],"kind":null})",
          R"({"text":"hello","channel":"C1","target":"t","kind":"message","ts":"1.2"})"};
}

void offer_parcels(FakeHost& host) {
  int number = 0;
  for (const auto& payload : parcels())
    for (const bool edit : {false, true})
      for (const bool interrupted : {false, true}) {
        const std::string key = "check " + std::to_string(++number);
        host.delivery().add_parcel(key, "target of " + key, payload, edit, interrupted);
      }
}

void parcels_are_answered(Probe& probe) {
  const auto host = probe.running();
  const auto* table = static_cast<const viaduct_sender*>(host->interface(VIADUCT_SENDER));
  if (table == nullptr) probe.skip("it posts nothing");
  probe.require(VIADUCT_HAS(table, send), "its " VIADUCT_SENDER " has no function send");
  offer_parcels(*host);
  const auto open = [&] {
    std::string keys;
    for (const auto& parcel : host->delivery().parcels())
      if (parcel.under_way || (parcel.attempts == 0 && parcel.state == "ready"))
        keys += (keys.empty() ? "" : ", ") + parcel.key + " " + parcel.payload;
    return keys;
  };
  host->wait_until([&] { return open().empty(); }, probe.patience());
  probe.require(open().empty(), "these parcels were not answered: " + open());
  probe.finish(*host);
}

void stop_while_sending(Probe& probe) {
  const auto host = probe.running();
  if (host->interface(VIADUCT_SENDER) == nullptr) probe.skip("it posts nothing");
  offer_parcels(*host);
  host->wait_until([&] { return host->delivery().parcels().front().attempts > 0; },
                   probe.patience());
  probe.require_ok(host->stop(probe.patience()), "stop");
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(100));
  host->destroy(probe.patience());
  probe.no_faults(*host);
}

void stop_with_all_open(Probe& probe) {
  const auto host = probe.running();
  for (const char* operation : {"create", "send", "ask", "resume", "list", "get", "subscribe"}) {
    host->sessions().hold(operation);
  }
  std::vector<Exchange> exchanges;
  std::vector<WebSocket> sockets;
  for (const auto& route : host->routes()) {
    if (is_socket(route)) {
      sockets.push_back(host->websocket(path_of(route, "x"), {}, {}, probe.patience()));
      continue;
    }
    for (const auto& body : plausible_bodies()) {
      Request request;
      request.method = route.method;
      request.path = path_of(route, "x");
      request.body = body;
      exchanges.push_back(host->start_request(request));
    }
  }
  probe.require_ok(host->stop(probe.patience()), "stop");
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(100));
  host->destroy(probe.patience());
  probe.no_faults(*host);
}

void restart_of_the_service(Probe& probe) {
  // Subscriptions end under it, and all sessions are of another epoch.
  const auto host = probe.running();
  for (const auto& route : host->routes()) {
    if (is_socket(route)) {
      WebSocket socket = host->websocket(path_of(route, "x"), {}, {}, probe.patience());
      for (const auto& body : plausible_bodies()) socket.send(body);
    } else {
      for (const auto& body : plausible_bodies()) ask(probe, *host, route, "s_00000001", body);
    }
  }
  host->sessions().drop_subscriptions(VIADUCT_E_BUSY, "too slow");
  host->settle(probe.patience());
  host->sessions().restart();
  for (const auto& id : host->sessions().ids()) host->sessions().kill(id);
  host->settle(probe.patience());
  for (const auto& route : host->routes()) {
    if (is_socket(route)) continue;
    for (const auto& body : plausible_bodies()) {
      require_response(probe, ask(probe, *host, route, "s_00000001", body), name_of(route), true);
    }
  }
  probe.finish(*host);
}

void calls_return_soon(Probe& probe) {
  const auto host = probe.running();
  for (const auto& route : host->routes()) {
    if (is_socket(route)) continue;
    for (const auto& body : plausible_bodies()) ask(probe, *host, route, "x", body);
  }
  probe.finish(*host);
  constexpr milliseconds kBudget{100};
  if (host->slowest() > kBudget) {
    probe.warn("a call held its thread for " + std::to_string(host->slowest().count()) +
               " ms, so that all its users waited");
  }
}

}  // namespace

void add_surface_checks(std::vector<CheckEntry>& checks) {
  const auto add = [&](const char* id, const char* description, void (*run)(Probe&)) {
    checks.push_back({id, "surface", description, For::kSurface, false, run});
  };
  add("routes-registered", "registers its routes once, and a handler for them", routes_registered);
  add("pages-answer", "answers GET of each page and route", pages_answer);
  add("requests-are-answered", "answers garbage with 4xx or 2xx, once, and never hangs",
      requests_are_answered);
  add("service-failures", "answers when the services fail, with each status code",
      service_failures);
  add("late-answers", "takes answers that come after the viewer left", late_answers);
  add("sockets-survive-garbage", "takes garbage on its WebSockets", sockets_survive_garbage);
  add("sockets-gone", "stops sending on a WebSocket that was closed", sockets_gone);
  add("stop-with-all-open", "stops while requests, calls and WebSockets are open",
      stop_with_all_open);
  add("parcels-are-answered",
      "answers each send and reconcile once, also of what it does not understand",
      parcels_are_answered);
  add("stop-while-sending", "stops while parcels are being sent, and is silent after that",
      stop_while_sending);
  add("service-restart", "lives on when subscriptions end and sessions die",
      restart_of_the_service);
  add("surface-calls-return-soon", "holds its thread for less than 100 ms", calls_return_soon);
}

}  // namespace viaduct::testing
