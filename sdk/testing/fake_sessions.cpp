#include <viaduct/testing/fake_sessions.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <utility>

#include "core.hpp"

namespace viaduct::testing {
namespace {

constexpr std::size_t kReplay = 100;    // newest entries after a reset
constexpr std::size_t kQueue = 10'000;  // changes that may wait for one subscriber

std::string timestamp(std::uint64_t tick) {
  // Every time is another, as with the host's resolution.
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "2026-01-31T%02u:%02u:%02u.%06uZ",
                static_cast<unsigned>(12 + tick / 3'600'000'000U % 12),
                static_cast<unsigned>(tick / 60'000'000U % 60),
                static_cast<unsigned>(tick / 1'000'000U % 60),
                static_cast<unsigned>(tick % 1'000'000U));
  return buffer;
}

std::string next_time(Core& core) {
  return timestamp(++core.sessions.activity);
}

void touch(Core& core, Session& session) {
  session.last_active = next_time(core);
  session.activity = core.sessions.activity;
}

bool waits_for_permission(const Session& session) {
  return std::any_of(session.entries.begin(), session.entries.end(), [](const LogEntry& entry) {
    return entry.type == "permission" && entry.data["status"].as_string() == "pending";
  });
}

const char* state_of(const Session& session) {
  if (session.running == 0) return "idle";
  return waits_for_permission(session) ? "waiting" : "running";
}

Json session_json(const Session& session) {
  return Json::object({{"session_id", session.id},
                       {"title", session.title},
                       {"description", session.description},
                       {"project_id", "viaduct"},
                       {"working_dir", session.working_dir},
                       {"backend", session.backend},
                       {"state", state_of(session)},
                       {"ended", session.ended},
                       {"created_at", session.created_at},
                       {"last_active", session.last_active},
                       {"turns_waiting", session.waiting.size()}});
}

Json entry_json(const LogEntry& entry) {
  return Json::object({{"entry", entry.number},
                       {"seq", entry.seq},
                       {"turn", entry.turn},
                       {"type", entry.type},
                       {"at", entry.at},
                       {"complete", entry.complete},
                       {"text", entry.text},
                       {"data", entry.data}});
}

Json change_json(const Core& core, std::string_view kind, std::uint64_t seq) {
  return Json::object({{"change", kind}, {"epoch", core.sessions.epoch}, {"seq", seq}});
}

QueuedChange state_change(const Core& core, const Session& session, std::uint64_t seq) {
  Json json = change_json(core, "state", seq);
  json.set("session", session_json(session));
  json.set("running_turn", session.running);
  Json waiting = Json::array();
  for (const auto turn : session.waiting) waiting.push_back(turn);
  json.set("waiting_turns", std::move(waiting));
  json.set("commands", Json::array());
  json.set("options", Json::array());
  return {VIADUCT_CHANGE_STATE, {core.sessions.epoch, seq}, 0, 0, "", json.dump()};
}

QueuedChange entry_change(const Core& core, const LogEntry& entry, std::uint64_t seq) {
  Json json = change_json(core, "entry", seq);
  json.set("entry", entry_json(entry));
  return {VIADUCT_CHANGE_ENTRY, {core.sessions.epoch, seq}, entry.number, 0, "", json.dump()};
}

// ---------------------------------------------------------------- subscribers

void pump(Core& core, std::uint64_t id);

void deliver(Core& core, std::uint64_t id) {
  QueuedChange change;
  const std::uint64_t of = core.generation;
  {
    const std::lock_guard lock(core.mutex);
    const auto found = core.sessions.subscriptions.find(id);
    if (found == core.sessions.subscriptions.end() || core.instance == nullptr ||
        core.phase == Phase::kStopped) {
      return;
    }
    found->second.delivering = false;
    if (found->second.busy || found->second.queue.empty()) return;
    change = found->second.queue.front();
  }
  const auto* subscriber =
      static_cast<const viaduct_subscriber*>(core.interface_of(VIADUCT_SUBSCRIBER));
  viaduct_flow flow = VIADUCT_FLOW_GONE;
  if (VIADUCT_HAS(subscriber, change)) {
    const viaduct_change message{sizeof(viaduct_change), change.kind,   change.cursor,
                                 change.entry,           change.offset, view(change.text),
                                 view(change.json)};
    flow = call_plugin(core, "change", subscriber->change, core.instance, id, &message);
  }
  const std::lock_guard lock(core.mutex);
  const auto found = core.sessions.subscriptions.find(id);
  if (found == core.sessions.subscriptions.end() || of != core.generation) return;
  if (flow == VIADUCT_FLOW_OK) {
    found->second.queue.pop_front();
    pump(core, id);
  } else if (flow == VIADUCT_FLOW_BUSY) {
    // proceed may have come inside the call; then this one is sent again at once.
    if (!std::exchange(found->second.proceed_came, false)) {
      found->second.busy = true;
    } else {
      pump(core, id);
    }
  } else {
    core.fault("bad-argument", "change() answered " + std::to_string(flow) +
                                   ", or there is no viaduct.subscriber/1");
    core.sessions.subscriptions.erase(found);
  }
}

void pump(Core& core, std::uint64_t id) {
  Subscription& subscription = core.sessions.subscriptions.at(id);
  if (subscription.busy || subscription.delivering || subscription.queue.empty()) return;
  subscription.delivering = true;
  core.push([&core, id] { deliver(core, id); });
}

void drop(Core& core, std::uint64_t id, viaduct_code code, const std::string& message) {
  core.sessions.subscriptions.erase(id);
  core.push([&core, id, code, message] {
    {
      const std::lock_guard lock(core.mutex);
      if (core.instance == nullptr || core.phase == Phase::kStopped) return;
    }
    const auto* subscriber =
        static_cast<const viaduct_subscriber*>(core.interface_of(VIADUCT_SUBSCRIBER));
    if (!VIADUCT_HAS(subscriber, unsubscribed)) return;
    const viaduct_status status{sizeof(viaduct_status), code, view(message)};
    call_plugin(core, "unsubscribed", subscriber->unsubscribed, core.instance, id, &status);
  });
}

void publish(Core& core, const Session& session, const QueuedChange& change) {
  std::vector<std::uint64_t> slow;
  for (auto& [id, subscription] : core.sessions.subscriptions) {
    if (subscription.session != session.id) continue;
    if (subscription.queue.size() >= kQueue) {
      slow.push_back(id);
      continue;
    }
    subscription.queue.push_back(change);
    pump(core, id);
  }
  for (const auto id : slow) drop(core, id, VIADUCT_E_BUSY, "the subscriber was too slow");
  core.changed.notify_all();
}

void publish_state(Core& core, const Session& session) {
  publish(core, session, state_change(core, session, session.seq));
}

// ---------------------------------------------------------------- the log

LogEntry& append(Core& core, Session& session, std::uint64_t turn, std::string type,
                 std::string text, Json data, bool complete) {
  LogEntry entry;
  entry.number = session.entries.size() + 1;
  entry.seq = ++session.seq;
  entry.turn = turn;
  entry.type = std::move(type);
  entry.at = next_time(core);
  entry.text = std::move(text);
  entry.data = std::move(data);
  entry.complete = complete;
  session.entries.push_back(std::move(entry));
  publish(core, session, entry_change(core, session.entries.back(), session.seq));
  return session.entries.back();
}

void delta(Core& core, Session& session, LogEntry& entry, std::string_view text, bool complete) {
  const std::uint64_t offset = entry.text.size();
  entry.text += text;
  entry.seq = ++session.seq;
  entry.complete = complete;
  Json json = change_json(core, "delta", session.seq);
  json.set("entry", entry.number);
  json.set("offset", offset);
  json.set("text", text);
  json.set("complete", complete);
  publish(core, session,
          {VIADUCT_CHANGE_DELTA,
           {core.sessions.epoch, session.seq},
           entry.number,
           offset,
           std::string(text),
           json.dump()});
}

Turn* turn_of(Session& session, std::uint64_t number) {
  return number == 0 || number > session.turns.size() ? nullptr : &session.turns[number - 1];
}

void finish_text(Core& core, Session& session) {
  if (session.growing == 0) return;
  LogEntry& entry = session.entries[std::exchange(session.growing, 0) - 1];
  delta(core, session, entry, "", true);
}

void say_in(Core& core, Session& session, std::string_view text) {
  Turn* turn = turn_of(session, session.running);
  if (turn == nullptr) return;
  turn->text += text;
  if (session.growing == 0) {
    session.growing =
        append(core, session, turn->number, "text", std::string(text), Json::object(), false)
            .number;
  } else {
    delta(core, session, session.entries[session.growing - 1], text, false);
  }
}

void answer_ask(Core& core, std::uint64_t call, const Turn& turn) {
  if (turn.code != VIADUCT_OK) {
    core.answer_plugin(call, turn.code, turn.message, "");
  } else if (turn.stop_reason == "interrupted") {
    core.answer_plugin(call, VIADUCT_E_UNAVAILABLE, "the turn was interrupted", "");
  } else {
    core.answer_plugin(
        call, VIADUCT_OK, "",
        Json::object(
            {{"turn", turn.number}, {"stop_reason", turn.stop_reason}, {"text", turn.text}})
            .dump());
  }
}

void begin_next(Core& core, Session& session);

void finish_turn(Core& core, Session& session, Turn& turn, std::string stop_reason,
                 viaduct_code code, std::string message) {
  turn.ended = true;
  turn.code = code;
  turn.message = std::move(message);
  turn.stop_reason = std::move(stop_reason);
  const bool was_running = session.running == turn.number;
  if (was_running) {
    finish_text(core, session);
    for (auto& entry : session.entries) {
      if (entry.type != "permission" || entry.data["status"].as_string() != "pending") continue;
      entry.data.set("status", "cancelled");
      entry.data.set("reason", "the turn has ended");
      entry.complete = true;
      entry.seq = ++session.seq;
      publish(core, session, entry_change(core, entry, session.seq));
    }
    session.running = 0;
  } else {
    session.waiting.erase(std::remove(session.waiting.begin(), session.waiting.end(), turn.number),
                          session.waiting.end());
  }
  Json data = Json::object({{"stop_reason", turn.stop_reason}, {"duration_ms", 1}});
  if (turn.code != VIADUCT_OK) {
    data.set("error", Json::object({{"code", code_name(turn.code)}, {"message", turn.message}}));
  }
  append(core, session, turn.number, "turn_end", "", std::move(data), true);
  touch(core, session);
  for (const auto call : std::exchange(turn.asked, {})) answer_ask(core, call, turn);
  if (turn.code == VIADUCT_E_SESSION_DEAD) session.dead = true;
  if (was_running) begin_next(core, session);
  publish_state(core, session);
}

void begin_next(Core& core, Session& session) {
  if (session.running != 0 || session.waiting.empty()) return;
  session.running = session.waiting.front();
  session.waiting.pop_front();
  publish_state(core, session);
  Turn& turn = *turn_of(session, session.running);
  for (const auto& chunk : turn.reply.chunks) say_in(core, session, chunk);
  if (!turn.reply.open) {
    finish_turn(core, session, turn,
                turn.reply.code == VIADUCT_OK ? turn.reply.stop_reason : "error", turn.reply.code,
                turn.reply.message);
  }
}

Reply default_reply(const std::string& text) {
  Reply reply;
  const std::string whole = "[reply to: " + text + "]";
  std::size_t begin = 0;
  while (begin < whole.size()) {
    const std::size_t space = whole.find(' ', begin);
    const std::size_t end = space == std::string::npos ? whole.size() : space + 1;
    reply.chunks.push_back(whole.substr(begin, end - begin));
    begin = end;
  }
  return reply;
}

// ---------------------------------------------------------------- the table

struct Asked {
  Core& core;
  std::uint64_t call;
  Principal who;
  std::string session_id;
};

void refuse(const Asked& asked, viaduct_code code, std::string message) {
  asked.core.answer_plugin(asked.call, code, std::move(message), "");
}
void answer(const Asked& asked, const Json& result) {
  asked.core.answer_plugin(asked.call, VIADUCT_OK, "", result.dump());
}

bool owns(const Principal& who, const Session& session) {
  if (session.owner.tenant != who.tenant) return false;
  if (!session.owner.place.empty() || !who.place.empty()) return session.owner.place == who.place;
  return session.owner.user_id == who.user_id;
}

// The session, or null when it is not the principal's: then that is answered.
Session* find(const Asked& asked) {
  const auto found = asked.core.sessions.sessions.find(asked.session_id);
  if (found != asked.core.sessions.sessions.end() && owns(asked.who, found->second)) {
    return &found->second;
  }
  refuse(asked, VIADUCT_E_NOT_FOUND, "no such session");
  return nullptr;
}

// What every operation begins with. `work` is carried out with the lock held, now or when the
// operation is released.
void operation(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
               const char* name, std::string session_id, SessionCall record,
               std::function<void(const Asked&)> work) {
  const std::string full = std::string("sessions.") + name;
  HostEntry entry(host, full.c_str());
  if (entry.refused || !entry.core.begin_plugin_call(call, full.c_str())) return;
  auto principal = entry.core.principal_of(who, call);
  if (!principal) return;
  record.operation = name;
  record.user_id = principal->user_id;
  record.session_id = session_id;
  entry.core.sessions.calls.push_back(std::move(record));
  entry.core.changed.notify_all();
  if (entry.core.take_failure(full, call)) return;
  auto run = [&core = entry.core, call, who = std::move(*principal), id = std::move(session_id),
              work = std::move(work)] { work(Asked{core, call, who, id}); };
  if (entry.core.sessions.held.count(name) != 0) {
    entry.core.sessions.waiting.emplace_back(name, std::move(run));
  } else {
    run();
  }
}

Session& make_session(Core& core, const Principal& owner) {
  SessionsState& state = core.sessions;
  char number[24];
  std::snprintf(number, sizeof number, "s_%08llu", static_cast<unsigned long long>(++state.minted));
  Session& session = state.sessions[number];
  session.id = number;
  session.owner = owner;
  session.backend = "echo";
  session.created_at = next_time(core);
  touch(core, session);
  state.order.push_back(session.id);
  return session;
}

void create(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
            viaduct_str options) noexcept {
  std::string text(text_of(options));
  operation(host, call, who, "create", "", {"", "", "", text, "", 0}, [text](const Asked& asked) {
    const auto json = Json::parse(text.empty() ? "{}" : text);
    if (!json || !json->is_object()) {
      asked.core.fault("bad-argument", "sessions.create: the options are no JSON object");
      refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "the options are no JSON object");
      return;
    }
    Session& session = make_session(asked.core, asked.who);
    if (json->contains("working_dir")) session.working_dir = (*json)["working_dir"].as_string();
    if (json->contains("backend")) session.backend = (*json)["backend"].as_string();
    session.description = (*json)["description"].as_string();
    answer(asked, session_json(session));
  });
}

struct OwnedMessage {
  std::string key, text;
};

void take_message(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                  viaduct_str session_id, const viaduct_message* message, bool ask) {
  OwnedMessage owned;
  if (message != nullptr && message->struct_size >= sizeof(viaduct_message)) {
    owned = {std::string(text_of(message->key)), std::string(text_of(message->text))};
  }
  const bool blocks = message != nullptr && message->blocks_json.size != 0;
  operation(
      host, call, who, ask ? "ask" : "send", std::string(text_of(session_id)),
      {"", "", "", owned.text, owned.key, 0}, [owned, ask, blocks](const Asked& asked) {
        Core& core = asked.core;
        if ((owned.text.empty() && !blocks) || !is_utf8(owned.text) || !is_utf8(owned.key)) {
          refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "the message is empty, or not UTF-8");
          return;
        }
        Session* session = find(asked);
        if (session == nullptr) return;
        if (session->dead || session->ended) {
          refuse(asked, VIADUCT_E_SESSION_DEAD,
                 session->ended ? "the session has ended" : "the session is dead");
          return;
        }
        Turn* turn = nullptr;
        for (auto& known : session->turns) {
          if (!owned.key.empty() && known.key == owned.key) turn = &known;
        }
        const bool duplicate = turn != nullptr;
        if (!duplicate) {
          session->turns.emplace_back();
          turn = &session->turns.back();
          turn->number = session->turns.size();
          turn->key = owned.key;
          turn->reply =
              core.sessions.agent ? core.sessions.agent(owned.text) : default_reply(owned.text);
          append(core, *session, turn->number, "user_message", owned.text,
                 Json::object({{"author", Json::object({{"user_id", asked.who.user_id},
                                                        {"display_name", asked.who.display_name},
                                                        {"surface", core.options.instance_name}})},
                               {"key", owned.key}}),
                 true);
          session->waiting.push_back(turn->number);
          touch(core, *session);
        }
        if (!ask) {
          answer(asked, Json::object({{"turn", turn->number}, {"duplicate", duplicate}}));
        } else if (turn->ended) {
          answer_ask(core, asked.call, *turn);
        } else {
          turn->asked.push_back(asked.call);
        }
        if (!duplicate) {
          publish_state(core, *session);
          begin_next(core, *session);
        }
      });
}

void send(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
          viaduct_str session_id, const viaduct_message* message) noexcept {
  take_message(host, call, who, session_id, message, false);
}
void ask(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
         viaduct_str session_id, const viaduct_message* message) noexcept {
  take_message(host, call, who, session_id, message, true);
}

void cancel(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
            viaduct_str session_id, std::uint64_t turn) noexcept {
  operation(host, call, who, "cancel", std::string(text_of(session_id)), {"", "", "", "", "", turn},
            [turn](const Asked& asked) {
              Session* session = find(asked);
              if (session == nullptr) return;
              std::vector<std::uint64_t> cancelled;
              for (const auto waiting : session->waiting) {
                if (turn == 0 || turn == waiting) cancelled.push_back(waiting);
              }
              if (session->running != 0 && (turn == 0 || turn == session->running)) {
                cancelled.push_back(session->running);
              }
              for (const auto number : cancelled) {
                finish_turn(asked.core, *session, *turn_of(*session, number), "cancelled",
                            VIADUCT_OK, "");
              }
              answer(asked, Json::object());
            });
}

void answer_permission(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                       viaduct_str session_id, std::uint64_t entry, viaduct_str option) noexcept {
  std::string chosen(text_of(option));
  operation(host, call, who, "answer", std::string(text_of(session_id)),
            {"", "", "", chosen, "", entry}, [entry, chosen](const Asked& asked) {
              Session* session = find(asked);
              if (session == nullptr) return;
              if (entry == 0 || entry > session->entries.size() ||
                  session->entries[entry - 1].type != "permission") {
                refuse(asked, VIADUCT_E_NOT_FOUND, "no such permission request");
                return;
              }
              LogEntry& request = session->entries[entry - 1];
              const std::string status = request.data["status"].as_string();
              if (status == "expired" || status == "cancelled") {
                refuse(asked, VIADUCT_E_FAILED_PRECONDITION, "the permission request expired");
                return;
              }
              if (status == "pending") {
                const auto& options = request.data["options"].items();
                if (std::none_of(options.begin(), options.end(), [&](const Json& one) {
                      return one["optionId"].as_string() == chosen;
                    })) {
                  refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "no such option");
                  return;
                }
                request.data.set("status", "selected");
                request.data.set("option_id", chosen);
                request.data.set("by", asked.who.display_name);
                request.complete = true;
                request.seq = ++session->seq;
                publish(asked.core, *session, entry_change(asked.core, request, session->seq));
                publish_state(asked.core, *session);
              }
              answer(asked, Json::object({{"outcome", "selected"},
                                          {"option_id", request.data["option_id"]},
                                          {"by", request.data["by"]}}));
            });
}

void resume(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
            viaduct_str session_id) noexcept {
  operation(host, call, who, "resume", std::string(text_of(session_id)), {},
            [](const Asked& asked) {
              Session* session = find(asked);
              if (session == nullptr) return;
              if (session->dead) {
                refuse(asked, VIADUCT_E_SESSION_DEAD, "the session is dead");
                return;
              }
              const bool was_ended = std::exchange(session->ended, false);
              touch(asked.core, *session);
              Json json = session_json(*session);
              json.set("context", was_ended ? "native" : "live");
              answer(asked, json);
              publish_state(asked.core, *session);
            });
}

void end(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
         viaduct_str session_id) noexcept {
  operation(host, call, who, "end", std::string(text_of(session_id)), {}, [](const Asked& asked) {
    Session* session = find(asked);
    if (session == nullptr) return;
    session->ended = true;
    while (!session->waiting.empty() || session->running != 0) {
      const auto number = session->waiting.empty() ? session->running : session->waiting.back();
      finish_turn(asked.core, *session, *turn_of(*session, number), "cancelled", VIADUCT_OK, "");
    }
    answer(asked, Json::object({{"ended", true}}));
    publish_state(asked.core, *session);
  });
}

void list(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
          viaduct_str query) noexcept {
  std::string text(text_of(query));
  operation(host, call, who, "list", "", {"", "", "", text, "", 0}, [text](const Asked& asked) {
    const auto json = Json::parse(text.empty() ? "{}" : text);
    if (!json || !json->is_object()) {
      asked.core.fault("bad-argument", "sessions.list: the query is no JSON object");
      refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "the query is no JSON object");
      return;
    }
    constexpr std::int64_t kDefault = 50;
    const std::size_t limit = static_cast<std::size_t>(std::clamp<std::int64_t>(
        json->contains("limit") ? (*json)["limit"].as_int() : kDefault, 1, 200));
    std::vector<const Session*> found;
    for (const auto& [id, session] : asked.core.sessions.sessions) {
      if (!owns(asked.who, session)) continue;
      if (json->contains("active") && (*json)["active"].as_bool() == session.ended) continue;
      found.push_back(&session);
    }
    std::sort(found.begin(), found.end(),
              [](const Session* a, const Session* b) { return a->activity > b->activity; });
    if ((*json)["before"].is_string()) {
      const auto before = std::stoull("0" + (*json)["before"].as_string());
      found.erase(std::remove_if(found.begin(), found.end(),
                                 [&](const Session* one) { return one->activity >= before; }),
                  found.end());
    }
    Json sessions = Json::array();
    for (std::size_t i = 0; i < found.size() && i < limit; ++i) {
      sessions.push_back(session_json(*found[i]));
    }
    Json result = Json::object({{"sessions", std::move(sessions)}});
    result.set("next",
               found.size() > limit ? Json(std::to_string(found[limit - 1]->activity)) : Json());
    answer(asked, result);
  });
}

void get(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
         viaduct_str session_id) noexcept {
  operation(host, call, who, "get", std::string(text_of(session_id)), {}, [](const Asked& asked) {
    if (const Session* session = find(asked)) answer(asked, session_json(*session));
  });
}

void history(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
             viaduct_str session_id, std::uint64_t before, std::uint32_t limit) noexcept {
  operation(host, call, who, "history", std::string(text_of(session_id)),
            {"", "", "", "", "", before}, [before, limit](const Asked& asked) {
              const Session* session = find(asked);
              if (session == nullptr) return;
              constexpr std::uint32_t kMost = 500;
              if (limit == 0 || limit > kMost) {
                refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "the limit is 1 to 500");
                return;
              }
              const std::size_t last =
                  before == 0 ? session->entries.size()
                              : std::min<std::size_t>(session->entries.size(), before - 1);
              const std::size_t first = last > limit ? last - limit : 0;
              Json entries = Json::array();
              for (std::size_t i = first; i < last; ++i) {
                entries.push_back(entry_json(session->entries[i]));
              }
              answer(asked, Json::object({{"entries", std::move(entries)}, {"more", first > 0}}));
            });
}

void rename(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
            viaduct_str session_id, viaduct_str title) noexcept {
  std::string text(text_of(title));
  operation(host, call, who, "rename", std::string(text_of(session_id)), {"", "", "", text, "", 0},
            [text](const Asked& asked) {
              Session* session = find(asked);
              if (session == nullptr) return;
              session->title = text;
              answer(asked, session_json(*session));
              publish_state(asked.core, *session);
            });
}

void compact(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
             viaduct_str session_id) noexcept {
  operation(host, call, who, "compact", std::string(text_of(session_id)), {},
            [](const Asked& asked) {
              if (find(asked) == nullptr) return;
              refuse(asked, VIADUCT_E_UNSUPPORTED, "the backend cannot compact");
            });
}

void fork(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
          viaduct_str session_id) noexcept {
  operation(host, call, who, "fork", std::string(text_of(session_id)), {}, [](const Asked& asked) {
    const Session* session = find(asked);
    if (session == nullptr) return;
    const Session original = *session;
    Session& copy = make_session(asked.core, original.owner);
    copy.title = original.title;
    copy.description = original.description;
    copy.working_dir = original.working_dir;
    copy.entries = original.entries;
    copy.seq = original.seq;
    copy.turns.resize(original.turns.size());
    for (std::size_t i = 0; i < copy.turns.size(); ++i) {
      copy.turns[i].number = i + 1;
      copy.turns[i].ended = true;
    }
    answer(asked, session_json(copy));
  });
}

void set_option(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                viaduct_str session_id, viaduct_str option, viaduct_str value) noexcept {
  operation(host, call, who, "set_option", std::string(text_of(session_id)),
            {"", "", "", std::string(text_of(option)) + "=" + std::string(text_of(value)), "", 0},
            [](const Asked& asked) {
              if (find(asked) == nullptr) return;
              answer(asked, Json::object({{"options", Json::array()}}));
            });
}

void subscribe(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
               viaduct_str session_id, std::uint64_t id, const viaduct_cursor* cursor) noexcept {
  const viaduct_cursor from = cursor == nullptr ? viaduct_cursor{0, 0} : *cursor;
  operation(host, call, who, "subscribe", std::string(text_of(session_id)),
            {"", "", "", "", "", id}, [id, from](const Asked& asked) {
              Core& core = asked.core;
              const Session* session = find(asked);
              if (session == nullptr) return;
              const auto [at, fresh] = core.sessions.subscriptions.try_emplace(id);
              if (!fresh) {
                core.fault("bad-argument", "subscription id " + std::to_string(id) + " is in use");
                refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "the subscription id is in use");
                return;
              }
              answer(asked, Json::object());
              Subscription& subscription = at->second;
              subscription.session = session->id;
              const bool reset = from.epoch != core.sessions.epoch || from.seq > session->seq;
              const std::uint64_t seen = reset ? 0 : from.seq;
              subscription.queue.push_back(state_change(core, *session, seen));
              std::size_t first = 0;
              if (reset) {
                first = session->entries.size() > kReplay ? session->entries.size() - kReplay : 0;
                Json json = change_json(core, "reset", 0);
                json.set("first", first + 1);
                subscription.queue.push_back(
                    {VIADUCT_CHANGE_RESET, {core.sessions.epoch, 0}, 0, 0, "", json.dump()});
              }
              for (std::size_t i = first; i < session->entries.size(); ++i) {
                if (session->entries[i].seq <= seen) continue;
                subscription.queue.push_back(entry_change(core, session->entries[i], seen));
              }
              subscription.queue.push_back({VIADUCT_CHANGE_LIVE,
                                            {core.sessions.epoch, session->seq},
                                            0,
                                            0,
                                            "",
                                            change_json(core, "live", session->seq).dump()});
              pump(core, id);
            });
}

void unsubscribe(const viaduct_host* host, std::uint64_t id) noexcept {
  HostEntry entry(host, "sessions.unsubscribe");
  if (entry.refused) return;
  entry.core.sessions.calls.push_back({"unsubscribe", "", "", "", "", id});
  entry.core.sessions.subscriptions.erase(id);
  entry.core.changed.notify_all();
}

void proceed(const viaduct_host* host, std::uint64_t id) noexcept {
  HostEntry entry(host, "sessions.proceed");
  if (entry.refused) return;
  const auto found = entry.core.sessions.subscriptions.find(id);
  if (found == entry.core.sessions.subscriptions.end()) return;
  if (!std::exchange(found->second.busy, false)) {
    found->second.proceed_came = true;
    return;
  }
  pump(entry.core, id);
}

bool is_operator(const Asked& asked) {
  if ((asked.who.flags & VIADUCT_PRINCIPAL_OPERATOR) != 0) return true;
  refuse(asked, VIADUCT_E_PERMISSION_DENIED, "this is for operators");
  return false;
}

Json left_behind_json(const LeftBehind& one) {
  return Json::object({{"backend", one.backend},
                       {"native_id", one.native_id},
                       {"working_dir", one.working_dir},
                       {"title", one.title},
                       {"updated_at", Json()},
                       {"session_id", one.session.empty() ? Json() : Json(one.session)}});
}

void discover(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
              viaduct_str query) noexcept {
  std::string text(text_of(query));
  operation(host, call, who, "discover", "", {"", "", "", text, "", 0}, [text](const Asked& asked) {
    const auto json = Json::parse(text.empty() ? "{}" : text);
    if (!json || !json->is_object()) {
      asked.core.fault("bad-argument", "sessions.discover: the query is no JSON object");
      refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "the query is no JSON object");
      return;
    }
    if (!is_operator(asked)) return;
    constexpr std::int64_t kDefault = 50;
    const auto limit = static_cast<std::size_t>(std::clamp<std::int64_t>(
        json->contains("limit") ? (*json)["limit"].as_int() : kDefault, 1, 500));
    Json sessions = Json::array();
    std::size_t left_out = 0;
    const auto& all = asked.core.sessions.left_behind;
    for (auto one = all.rbegin(); one != all.rend(); ++one) {
      if (json->contains("backend") && (*json)["backend"].as_string() != one->backend) continue;
      if (sessions.size() == limit)
        ++left_out;
      else
        sessions.push_back(left_behind_json(*one));
    }
    answer(asked, Json::object({{"sessions", std::move(sessions)},
                                {"left_out", left_out},
                                {"failures", Json::array()}}));
  });
}

void adopt(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
           viaduct_str native_id, viaduct_str backend) noexcept {
  std::string id(text_of(native_id));
  std::string of(text_of(backend));
  operation(host, call, who, "adopt", "", {"", "", "", id, "", 0}, [id, of](const Asked& asked) {
    if (!is_operator(asked)) return;
    LeftBehind* found = nullptr;
    for (auto& one : asked.core.sessions.left_behind) {
      if (one.native_id.rfind(id, 0) != 0 || (!of.empty() && of != one.backend)) continue;
      if (found != nullptr) {
        refuse(asked, VIADUCT_E_INVALID_ARGUMENT, "Several sessions begin with " + id);
        return;
      }
      found = &one;
    }
    if (id.empty() || found == nullptr) {
      refuse(asked, VIADUCT_E_NOT_FOUND, "No program has left a session " + id);
      return;
    }
    if (found->session.empty()) {
      Session& made = make_session(asked.core, asked.who);
      made.title = found->title;
      made.working_dir = found->working_dir;
      made.backend = found->backend;
      found->session = made.id;
    }
    const Session& session = asked.core.sessions.sessions.at(found->session);
    if (!owns(asked.who, session)) {
      refuse(asked, VIADUCT_E_CONFLICT, "it is a session of somebody else");
      return;
    }
    answer(asked, Json::object({{"session", session_json(session)},
                                {"from", left_behind_json(*found)},
                                {"context", "native"},
                                {"error", Json()}}));
  });
}

constexpr viaduct_sessions kSessions{sizeof(viaduct_sessions),
                                     0,
                                     create,
                                     send,
                                     ask,
                                     cancel,
                                     answer_permission,
                                     resume,
                                     end,
                                     list,
                                     get,
                                     history,
                                     rename,
                                     compact,
                                     fork,
                                     set_option,
                                     subscribe,
                                     unsubscribe,
                                     proceed,
                                     discover,
                                     adopt};

Session* session_of(Core& core, const std::string& id) {
  const auto found = core.sessions.sessions.find(id);
  return found == core.sessions.sessions.end() ? nullptr : &found->second;
}

}  // namespace

const viaduct_sessions& sessions_table() {
  return kSessions;
}

void sessions_stopped(Core& core) {
  core.sessions.subscriptions.clear();
  core.sessions.waiting.clear();
  for (auto& [id, session] : core.sessions.sessions) {
    for (auto& turn : session.turns) turn.asked.clear();
  }
}

// ---------------------------------------------------------------- the test's side

void FakeSessions::on_message(std::function<Reply(const std::string& text)> agent) {
  const std::lock_guard lock(core_->mutex);
  core_->sessions.agent = std::move(agent);
}

bool FakeSessions::say(const std::string& session_id, std::string_view text) {
  const std::lock_guard lock(core_->mutex);
  Session* session = session_of(*core_, session_id);
  if (session == nullptr || session->running == 0) return false;
  say_in(*core_, *session, text);
  return true;
}

std::uint64_t FakeSessions::add_entry(const std::string& session_id, std::string_view type,
                                      std::string_view text, Json data, bool complete) {
  const std::lock_guard lock(core_->mutex);
  Session* session = session_of(*core_, session_id);
  if (session == nullptr) return 0;
  finish_text(*core_, *session);
  return append(*core_, *session, session->running, std::string(type), std::string(text),
                std::move(data), complete)
      .number;
}

void FakeSessions::update_entry(const std::string& session_id, std::uint64_t entry, Json data,
                                bool complete) {
  const std::lock_guard lock(core_->mutex);
  Session* session = session_of(*core_, session_id);
  if (session == nullptr || entry == 0 || entry > session->entries.size()) return;
  LogEntry& present = session->entries[entry - 1];
  present.data = std::move(data);
  present.complete = complete;
  present.seq = ++session->seq;
  publish(*core_, *session, entry_change(*core_, present, session->seq));
}

std::uint64_t FakeSessions::ask_permission(const std::string& session_id, std::string_view title) {
  Json options = Json::array(
      {Json::object({{"optionId", "allow"}, {"name", "Allow"}, {"kind", "allow_once"}}),
       Json::object({{"optionId", "reject"}, {"name", "Reject"}, {"kind", "reject_once"}})});
  const auto entry = add_entry(
      session_id, "permission", "",
      Json::object({{"title", title}, {"options", std::move(options)}, {"status", "pending"}}),
      false);
  const std::lock_guard lock(core_->mutex);
  if (const Session* session = session_of(*core_, session_id)) publish_state(*core_, *session);
  return entry;
}

void FakeSessions::expire_permission(const std::string& session_id, std::uint64_t entry,
                                     std::string_view reason) {
  const std::lock_guard lock(core_->mutex);
  Session* session = session_of(*core_, session_id);
  if (session == nullptr || entry == 0 || entry > session->entries.size()) return;
  LogEntry& request = session->entries[entry - 1];
  request.data.set("status", "expired");
  request.data.set("reason", reason);
  request.complete = true;
  request.seq = ++session->seq;
  publish(*core_, *session, entry_change(*core_, request, session->seq));
  publish_state(*core_, *session);
}

bool FakeSessions::end_turn(const std::string& session_id, std::string_view stop_reason,
                            viaduct_code code, std::string_view message) {
  const std::lock_guard lock(core_->mutex);
  Session* session = session_of(*core_, session_id);
  if (session == nullptr || session->running == 0) return false;
  finish_turn(*core_, *session, *turn_of(*session, session->running), std::string(stop_reason),
              code, std::string(message));
  return true;
}

void FakeSessions::fail_next(const std::string& operation, viaduct_code code, std::string message,
                             int times) {
  const std::lock_guard lock(core_->mutex);
  core_->failures["sessions." + operation] = {code, std::move(message), times};
}

void FakeSessions::heal() {
  const std::lock_guard lock(core_->mutex);
  core_->failures.clear();
}

void FakeSessions::hold(const std::string& operation) {
  const std::lock_guard lock(core_->mutex);
  core_->sessions.held.insert(operation);
}

void FakeSessions::release(const std::string& operation) {
  const std::lock_guard lock(core_->mutex);
  core_->sessions.held.erase(operation);
  auto waiting = std::exchange(core_->sessions.waiting, {});
  for (auto& [name, run] : waiting) {
    if (name == operation) {
      run();
    } else {
      core_->sessions.waiting.emplace_back(name, std::move(run));
    }
  }
}

void FakeSessions::kill(const std::string& session_id) {
  const std::lock_guard lock(core_->mutex);
  if (Session* session = session_of(*core_, session_id)) session->dead = true;
}

void FakeSessions::drop_subscriptions(viaduct_code code, std::string_view message) {
  const std::lock_guard lock(core_->mutex);
  std::vector<std::uint64_t> ids;
  for (const auto& [id, subscription] : core_->sessions.subscriptions) ids.push_back(id);
  for (const auto id : ids) drop(*core_, id, code, std::string(message));
}

void FakeSessions::restart() {
  drop_subscriptions(VIADUCT_E_UNAVAILABLE, "the host stops");
  const std::lock_guard lock(core_->mutex);
  ++core_->sessions.epoch;
  for (auto& [id, session] : core_->sessions.sessions) {
    while (session.running != 0) {
      finish_turn(*core_, session, *turn_of(session, session.running), "interrupted", VIADUCT_OK,
                  "");
    }
  }
}

std::vector<SessionCall> FakeSessions::calls() const {
  const std::lock_guard lock(core_->mutex);
  return core_->sessions.calls;
}
std::size_t FakeSessions::count(std::string_view operation) const {
  const std::lock_guard lock(core_->mutex);
  return static_cast<std::size_t>(
      std::count_if(core_->sessions.calls.begin(), core_->sessions.calls.end(),
                    [&](const SessionCall& call) { return call.operation == operation; }));
}
void FakeSessions::forget_calls() {
  const std::lock_guard lock(core_->mutex);
  core_->sessions.calls.clear();
}
std::vector<std::string> FakeSessions::ids() const {
  const std::lock_guard lock(core_->mutex);
  return core_->sessions.order;
}
Json FakeSessions::session(const std::string& session_id) const {
  const std::lock_guard lock(core_->mutex);
  const Session* session = session_of(*core_, session_id);
  return session == nullptr ? Json() : session_json(*session);
}
std::vector<Json> FakeSessions::log(const std::string& session_id) const {
  const std::lock_guard lock(core_->mutex);
  std::vector<Json> result;
  if (const Session* session = session_of(*core_, session_id)) {
    for (const auto& entry : session->entries) result.push_back(entry_json(entry));
  }
  return result;
}
std::size_t FakeSessions::subscriptions() const {
  const std::lock_guard lock(core_->mutex);
  return core_->sessions.subscriptions.size();
}

std::string FakeSessions::add_session(const Principal& owner, std::string_view description,
                                      std::string_view working_dir) {
  const std::lock_guard lock(core_->mutex);
  Session& session = make_session(*core_, owner);
  session.description = description;
  session.working_dir = working_dir;
  return session.id;
}

void FakeSessions::add_left_behind(std::string native_id, std::string title,
                                   std::string working_dir, std::string backend) {
  const std::lock_guard lock(core_->mutex);
  core_->sessions.left_behind.push_back(
      {std::move(native_id), std::move(title), std::move(working_dir), std::move(backend), ""});
}

void FakeSessions::user_says(const std::string& session_id, std::string_view text) {
  const std::lock_guard lock(core_->mutex);
  Session* session = session_of(*core_, session_id);
  if (session == nullptr) return;
  session->turns.emplace_back();
  Turn& turn = session->turns.back();
  turn.number = session->turns.size();
  const std::string message(text);
  turn.reply = core_->sessions.agent ? core_->sessions.agent(message) : default_reply(message);
  append(*core_, *session, turn.number, "user_message", message,
         Json::object({{"author", Json::object({{"user_id", session->owner.user_id},
                                                {"display_name", session->owner.display_name},
                                                {"surface", "elsewhere"}})},
                       {"key", ""}}),
         true);
  session->waiting.push_back(turn.number);
  touch(*core_, *session);
  publish_state(*core_, *session);
  begin_next(*core_, *session);
}

}  // namespace viaduct::testing
