// What a backend owes.
#include <algorithm>
#include <set>

#include "checks.hpp"

namespace viaduct::testing {
namespace {

bool known_stop_reason(const std::string& reason) {
  static const std::set<std::string> kReasons{"end_turn",    "max_tokens", "max_turn_requests",
                                              "refusal",     "cancelled",  "timeout",
                                              "interrupted", "error"};
  return kReasons.count(reason) != 0;
}

// The answer to a prompt is one: with a JSON object and a stop reason that there is.
void require_turn(const Probe& probe, const Answer& answer, const std::string& what) {
  probe.require_answered(answer, what);
  if (!answer.ok()) {
    probe.require(!answer.message.empty(),
                  what + " failed with " + code_name(answer.code) + " and does not say why");
    return;
  }
  const Json json = answer.json();
  probe.require(json.is_object(), what + " was answered without a JSON object");
  if (json.contains("stop_reason")) {
    probe.require(known_stop_reason(json["stop_reason"].as_string()),
                  what + " ended with the unknown stop reason " + json["stop_reason"].dump());
  }
  if (json.contains("native_id")) {
    probe.require(json["native_id"].is_string() || json["native_id"].is_null(),
                  what + ": native_id is no text");
  }
  if (json.contains("restored")) {
    probe.require(json["restored"].is_bool(), what + ": restored is neither true nor false");
  }
}

void open_session(const Probe& probe, FakeHost& host, std::uint64_t session) {
  probe.require_ok(host.open(session, {}, probe.patience()), "open");
}

void prompt_answers_once(Probe& probe) {
  const auto host = probe.running();
  open_session(probe, *host, 1);
  const char* messages[] = {"hello", "what do you think?", "a\nb\n\nc", "`code` **bold** <b>x</b>"};
  std::uint64_t turn = 0;
  for (const char* message : messages) {
    const Answer answer = host->prompt(1, ++turn, message, probe.patience());
    require_turn(probe, answer, "prompt");
    if (!answer.ok()) {
      probe.warn(std::string("with its example configuration a prompt fails: ") + answer.message);
      break;
    }
  }
  host->settle(probe.patience());
  probe.no_faults(*host);
  // Some answer from threads of their own, a little later.
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(50));
  probe.require_answered(host->close(1, true, probe.patience()), "close");
  probe.finish(*host);
}

void event_order(Probe& probe) {
  const auto host = probe.running();
  open_session(probe, *host, 1);
  for (std::uint64_t turn = 1; turn <= 3; ++turn) {
    require_turn(probe, host->prompt(1, turn, "hello", probe.patience()), "prompt");
  }
  host->settle(probe.patience());
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(50));
  std::uint64_t last = 0;
  for (const auto& event : host->events(1)) {
    probe.require(event.turn == 0 || event.turn >= last, "events of several turns are mixed");
    if (event.turn != 0) last = event.turn;
    probe.require(event.kind >= VIADUCT_EVENT_TEXT && event.kind <= VIADUCT_EVENT_CONTENT,
                  "an event has the unknown kind " + std::to_string(event.kind));
  }
  probe.finish(*host);
}

void odd_text(Probe& probe) {
  const auto host = probe.running();
  open_session(probe, *host, 1);
  std::string large;
  while (large.size() < (std::size_t{1} << 20))
    large += "0123456789 abcdefghij \xC3\xA4\xE2\x82\xAC\n";
  const std::string messages[] = {
      std::string("a\0b", 3),
      "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB \xF0\x9F\x87\xA9\xF0\x9F\x87\xAA",  // joined
                                                                                        // emoji,
                                                                                        // flag
      "\xEF\xBF\xBF \xEF\xBB\xBF \xF4\x8F\xBF\xBF",  // non-characters, byte order mark
      "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \xE2\x80\xAE"
      "abc",                                // right to left, override
      "e\xCC\x81\xCC\x81\xCC\x81\xCC\x81",  // combining marks
      " ", "\x1b[31m\x07\x7f", "\"\\\"{}[]", large};
  std::uint64_t turn = 0;
  for (const auto& message : messages) {
    require_turn(probe, host->prompt(1, ++turn, message, probe.patience()), "prompt with odd text");
  }
  probe.require_answered(host->prompt(1, ++turn, "hello", probe.patience()), "prompt");
  probe.finish(*host);
}

void unknown_things(Probe& probe) {
  const auto host = probe.running();
  const viaduct_backend& table = *host->backend();
  const Answer answer = host->prompt(404, 1, "hello", probe.patience());
  probe.require_answered(answer, "prompt in an unknown session");
  if (answer.ok()) {
    probe.warn(
        "prompt in a session that was never opened succeeds; not_found is the answer that "
        "has the host restore it");
  } else if (answer.code != VIADUCT_E_NOT_FOUND) {
    probe.warn(std::string("prompt in an unknown session is ") + code_name(answer.code) +
               ", not not_found");
  }
  if (table.cancel != nullptr) {
    probe.require_answered(host->cancel(404, 7, probe.patience()), "cancel in an unknown session");
  }
  if (table.answer != nullptr) {
    probe.require_answered(host->answer(404, "no-such", "allow", probe.patience()),
                           "answer in an unknown session");
  }
  probe.require_answered(host->close(404, false, probe.patience()), "close of an unknown session");
  open_session(probe, *host, 1);
  if (table.cancel != nullptr) {
    probe.require_answered(host->cancel(1, 7, probe.patience()), "cancel of an unknown turn");
  }
  if (table.answer != nullptr) {
    probe.require_answered(host->answer(1, "no-such", "", probe.patience()),
                           "answer to an unknown request");
  }
  probe.require_answered(host->close(1, true, probe.patience()), "close");
  probe.require_answered(host->close(1, true, probe.patience()), "the second close");
  const Answer after = host->prompt(1, 8, "hello", probe.patience());
  probe.require_answered(after, "prompt after close");
  probe.finish(*host);
}

void concurrent_sessions(Probe& probe) {
  const auto host = probe.running();
  constexpr std::uint64_t kSessions = 16;
  const auto marker = [](std::uint64_t session) {
    return "marker-" + std::to_string(1000 + session);
  };
  std::vector<std::uint64_t> calls;
  for (std::uint64_t session = 1; session <= kSessions; ++session) {
    calls.push_back(host->start_open(session));
  }
  for (const auto call : calls) probe.require_ok(host->wait(call, probe.patience()), "open");
  for (std::uint64_t turn = 1; turn <= 5; ++turn) {
    calls.clear();
    for (std::uint64_t session = 1; session <= kSessions; ++session) {
      calls.push_back(host->start_prompt(session, turn, marker(session)));
    }
    for (const auto call : calls) require_turn(probe, host->wait(call, probe.patience()), "prompt");
  }
  for (std::uint64_t session = 1; session <= kSessions; ++session) {
    for (const auto& event : host->events(session)) {
      for (std::uint64_t other = 1; other <= kSessions; ++other) {
        if (other == session) continue;
        probe.require((event.text + event.json).find(marker(other)) == std::string::npos,
                      "what was said in one session appears in another");
      }
    }
  }
  calls.clear();
  for (std::uint64_t session = 1; session <= kSessions; ++session) {
    calls.push_back(host->start_close(session, true));
  }
  for (const auto call : calls) probe.require_answered(host->wait(call, probe.patience()), "close");
  probe.finish(*host);
}

void cancel_races(Probe& probe) {
  const auto host = probe.running();
  if (host->backend()->cancel == nullptr) {
    probe.finish(*host);
    probe.skip("it cannot cancel");
  }
  open_session(probe, *host, 1);
  require_turn(probe, host->prompt(1, 1, "hello", probe.patience()), "prompt");
  std::uint64_t turn = 1;
  constexpr int kTimes = 30;
  for (int i = 0; i < kTimes; ++i) {
    ++turn;
    const auto prompt = host->start_prompt(1, turn, "hello again and again");
    const auto cancel = host->start_cancel(1, turn);
    const auto again = host->start_cancel(1, turn);
    require_turn(probe, host->wait(prompt, probe.patience()), "a cancelled prompt");
    probe.require_answered(host->wait(cancel, probe.patience()), "cancel");
    probe.require_answered(host->wait(again, probe.patience()), "the second cancel");
    probe.require_answered(host->cancel(1, turn, probe.patience()), "cancel after the end");
  }
  // In the middle of an answer: the host takes nothing, until after the cancel.
  for (std::size_t room = 0; room < 3; ++room) {
    ++turn;
    host->pause(1, room);
    const auto prompt = host->start_prompt(1, turn, "a longer message, to be said in many words");
    host->wait_until([&] { return host->refused(1) > 0; }, milliseconds(200));
    probe.require_answered(host->cancel(1, turn, probe.patience()), "cancel");
    host->proceed(1);
    require_turn(probe, host->wait(prompt, probe.patience()), "a prompt cancelled half-way");
  }
  ++turn;
  require_turn(probe, host->prompt(1, turn, "hello", probe.patience()), "a prompt after a cancel");
  probe.finish(*host);
}

void back_pressure(Probe& probe) {
  const auto host = probe.running();
  open_session(probe, *host, 1);
  const std::string message = "one two three four five six seven eight nine ten";
  std::uint64_t turn = 0;
  const auto plain = [&] {
    require_turn(probe, host->prompt(1, ++turn, message, probe.patience()), "prompt");
    return host->text(1, turn);
  };
  const std::string expected = plain();
  const bool steady = plain() == expected;  // it says the same each time
  bool busy = false;
  for (std::size_t room : {0U, 1U, 2U, 5U}) {
    ++turn;
    host->pause(1, room);
    const std::size_t refused = host->refused(1);
    const auto prompt = host->start_prompt(1, turn, message);
    // Each time it is refused it gets room for `room` more, and none is given but so.
    const bool stopped =
        host->wait_until([&] { return host->refused(1) > refused; }, milliseconds(300));
    busy = busy || stopped;
    host->proceed(1);
    const Answer answer = host->wait(prompt, probe.patience());
    if (!answer.answered && stopped) probe.fail("after BUSY it never goes on: " + answer.message);
    require_turn(probe, answer, "prompt");
    if (steady && answer.ok()) {
      probe.require(host->text(1, turn) == expected,
                    "after BUSY text is missing, doubled or in another order");
    }
  }
  probe.finish(*host);
  if (!busy) probe.skip("it said too little to be refused");
}

void gone_is_heeded(Probe& probe) {
  const auto host = probe.running();
  for (std::uint64_t session = 1; session <= 5; ++session) {
    open_session(probe, *host, session);
    host->pause(session, 1);
    const auto prompt = host->start_prompt(session, 1, "one two three four five six");
    probe.require_answered(host->close(session, false, probe.patience()), "close");
    probe.require_answered(host->wait(prompt, probe.patience()), "the prompt of a closed session");
    host->proceed(session);
  }
  host->settle(probe.patience());
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(100));
  probe.finish(*host);
}

void close_answers_turn(Probe& probe) {
  const auto host = probe.running();
  open_session(probe, *host, 1);
  host->pause(1, 0);
  const auto prompt = host->start_prompt(1, 1, "one two three");
  probe.require_answered(host->close(1, false, probe.patience()), "close");
  const Answer answer = host->wait(prompt, milliseconds(0));
  probe.require(answer.answered, "close was answered before the open turn was");
  // The session can be opened anew.
  host->proceed(1);
  open_session(probe, *host, 2);
  require_turn(probe, host->prompt(2, 1, "hello", probe.patience()), "prompt");
  probe.finish(*host);
}

void stop_finishes_open_turns(Probe& probe) {
  const auto host = probe.running();
  std::vector<std::uint64_t> prompts;
  for (std::uint64_t session = 1; session <= 3; ++session) {
    open_session(probe, *host, session);
    host->pause(session, 0);
    prompts.push_back(host->start_prompt(session, 1, "one two three"));
  }
  probe.require_ok(host->stop(probe.patience()), "stop");
  for (const auto prompt : prompts) {
    probe.require(host->wait(prompt, milliseconds(0)).answered,
                  "stop was answered before an open turn was");
  }
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(50));
  host->destroy(probe.patience());
  probe.no_faults(*host);
}

void restore_and_inject(Probe& probe) {
  const auto host = probe.running();
  const viaduct_backend& table = *host->backend();
  const bool restores = (table.can & VIADUCT_CAN_RESTORE) != 0;
  const bool injects = (table.can & VIADUCT_CAN_INJECT) != 0;
  if (!restores && !injects) {
    probe.finish(*host);
    probe.skip("it can do neither");
  }
  const Answer opened = host->open(1, {}, probe.patience());
  probe.require_ok(opened, "open");
  const Answer answer = host->prompt(1, 1, "hello", probe.patience());
  require_turn(probe, answer, "prompt");
  std::string native_id = opened.json()["native_id"].as_string();
  if (answer.json()["native_id"].is_string()) native_id = answer.json()["native_id"].as_string();
  probe.require_answered(host->close(1, false, probe.patience()), "close");
  if (restores) {
    probe.require(!native_id.empty(), "it can restore, but names no native_id");
    OpenOptions options;
    options.session_id = "s_1";
    options.native_id = native_id;
    probe.require_ok(host->restore(2, options, probe.patience()), "restore");
    require_turn(probe, host->prompt(2, 2, "hello", probe.patience()), "prompt after restore");
    options.native_id = "no such native session \xE2\x82\xAC";
    const Answer unknown = host->restore(3, options, probe.patience());
    probe.require_answered(unknown, "restore of an unknown native session");
    if (unknown.code == VIADUCT_E_INTERNAL) {
      probe.warn("restore of an unknown native session is internal, not not_found");
    }
    options.native_id.clear();
    probe.require_answered(host->restore(4, options, probe.patience()), "restore without an id");
  }
  if (injects) {
    OpenOptions options;
    options.transcript =
        R"([{"entry":1,"seq":1,"turn":1,"type":"user_message","at":"2026-01-31T12:00:00.000001Z","complete":true,"text":"hello","data":{}},)"
        R"({"entry":2,"seq":2,"turn":1,"type":"text","at":"2026-01-31T12:00:00.000002Z","complete":true,"text":"good day","data":{}},)"
        R"({"entry":3,"seq":3,"turn":1,"type":"no_such_type","at":"2026-01-31T12:00:00.000003Z","complete":true,"text":"","data":{"a":[]}},)"
        R"({"entry":4,"seq":4,"turn":1,"type":"turn_end","at":"2026-01-31T12:00:00.000004Z","complete":true,"text":"","data":{"stop_reason":"end_turn","duration_ms":1}}])";
    const Answer injected = host->inject(5, options, probe.patience());
    probe.require_answered(injected, "inject");
    if (injected.ok()) {
      probe.require(host->text(5).empty(), "inject made the agent speak");
      require_turn(probe, host->prompt(5, 2, "hello", probe.patience()), "prompt after inject");
    }
    for (const char* bad : {"", "[", "{}", "[1,null,{}]"}) {
      options.transcript = bad;
      probe.require_answered(host->inject(6, options, probe.patience()),
                             "inject of what is no transcript");
      probe.require_answered(host->close(6, true, probe.patience()), "close");
    }
  }
  probe.finish(*host);
}

// A session whose transcript goes in with a prompt, since it can go in in no other way.
void restored_with_a_prompt(Probe& probe) {
  const auto host = probe.running();
  if ((host->backend()->can & VIADUCT_CAN_INJECT) != 0) {
    probe.finish(*host);
    probe.skip("it is given what was said before by inject");
  }
  open_session(probe, *host, 1);
  std::string restored = "The conversation so far, for context.\n\nUser:\n    hello\n\n";
  const Answer answer = host->prompt_restored(1, 1, restored, "go on", probe.patience());
  require_turn(probe, answer, "prompt with what was said before");
  const bool had_none = answer.json().contains("restored") && !answer.json()["restored"].as_bool();
  if (answer.ok() && !had_none && host->restored_was_read(probe.patience()) == false) {
    probe.warn(
        "it does not look at what was said before, viaduct_prompt.restored; an agent that forgets "
        "nothing is given it in front of the text");
  }
  while (restored.size() < (std::size_t{1} << 20)) restored += "    and again \xE2\x82\xAC\n";
  require_turn(probe, host->prompt_restored(1, 2, restored, "go on", probe.patience()),
               "prompt with 1 MiB of what was said before");
  probe.require_answered(host->prompt(1, 3, "hello", probe.patience()), "prompt");
  probe.finish(*host);
}

void optional_functions(Probe& probe) {
  const auto host = probe.running();
  open_session(probe, *host, 1);
  probe.require_answered(host->set_option(1, "no-such", "value", probe.patience()), "set_option");
  probe.require_answered(host->compact(1, probe.patience()), "compact");
  probe.require_answered(host->compact(404, probe.patience()), "compact of an unknown session");
  probe.require_answered(host->fork(1, 2, {}, probe.patience()), "fork");
  probe.require_answered(host->fork(404, 3, {}, probe.patience()), "fork of an unknown session");
  probe.require_answered(host->discover("/nonexistent", probe.patience()), "discover");
  probe.require_answered(host->resumed(1, {}, probe.patience()), "resumed");
  require_turn(probe, host->prompt(1, 1, "hello", probe.patience()), "prompt");
  probe.finish(*host);
}

// What was said in a session of another program, by the id that discover gave.
void require_content(const Probe& probe, const Answer& answer) {
  const Json json = answer.json();
  probe.require(json.is_object() && json["working_dir"].is_string(),
                "read gives no object with a working_dir");
  probe.require(json["entries"].is_array(), "read gives no array of entries");
  probe.require(!json.contains("native_id") || json["native_id"].is_string(),
                "read: native_id is no text");
  probe.require(!json.contains("title") || json["title"].is_string(), "read: title is no text");
  for (const Json& entry : json["entries"].items()) {
    probe.require(entry.is_object() && entry["type"].is_string(),
                  "read gives an entry without type: " + entry.dump());
    probe.require(!entry.contains("text") || entry["text"].is_string(),
                  "read gives an entry whose text is none: " + entry.dump());
    probe.require(!entry.contains("data") || entry["data"].is_object(),
                  "read gives an entry whose data is no object: " + entry.dump());
  }
}

void discover_and_read(Probe& probe) {
  const auto host = probe.running();
  const viaduct_backend& table = *host->backend();
  if ((table.can & VIADUCT_CAN_DISCOVER) == 0) {
    probe.finish(*host);
    probe.skip("it cannot discover");
  }
  const Answer found = host->discover("", probe.patience());
  probe.require_answered(found, "discover");
  std::vector<std::string> ids;
  if (found.ok()) {
    const Json json = found.json();
    probe.require(json["sessions"].is_array(), "discover gives no array of sessions");
    for (const Json& session : json["sessions"].items()) {
      probe.require(
          session["native_id"].is_string() && !session["native_id"].as_string().empty() &&
              session["working_dir"].is_string(),
          "discover gives a session without native_id and working_dir: " + session.dump());
      ids.push_back(session["native_id"].as_string());
    }
  }
  if (VIADUCT_HAS(&table, read)) {
    for (std::size_t i = 0; i < ids.size() && i < 5; ++i) {
      const Answer content = host->read(ids[i], probe.patience());
      probe.require_answered(content, "read");
      if (content.ok()) require_content(probe, content);
    }
    for (const char* unknown : {"no such native session \xE2\x82\xAC", "", "../../etc/passwd"}) {
      const Answer none = host->read(unknown, probe.patience());
      probe.require_answered(none, "read of an unknown native session");
      if (none.ok()) require_content(probe, none);
      if (none.ok() || none.code == VIADUCT_E_INTERNAL)
        probe.warn(std::string("read of an unknown native session is ") + code_name(none.code) +
                   ", not not_found");
    }
  } else {
    probe.warn("it discovers sessions, but has no read, so that nobody can go on with them");
  }
  probe.finish(*host);
}

void purge_removes(Probe& probe) {
  const auto host = probe.running();
  const viaduct_backend& table = *host->backend();
  if (!VIADUCT_HAS(&table, purge)) {
    probe.finish(*host);
    probe.skip("it keeps nothing that could be purged");
  }
  OpenOptions options;
  options.session_id = "s_purged";
  const Answer opened = host->open(1, options, probe.patience());
  probe.require_ok(opened, "open");
  const Answer answer = host->prompt(1, 1, "hello", probe.patience());
  require_turn(probe, answer, "prompt");
  options.native_id = opened.json()["native_id"].as_string();
  if (answer.json()["native_id"].is_string())
    options.native_id = answer.json()["native_id"].as_string();
  probe.require_answered(host->close(1, true, probe.patience()), "close");
  probe.require_answered(host->purge(options, probe.patience()), "purge");
  probe.require_answered(host->purge(options, probe.patience()), "the second purge");
  options.session_id = "s_unknown";
  options.native_id = "no such native session";
  probe.require_answered(host->purge(options, probe.patience()), "purge of an unknown session");
  host->settle(probe.patience());
  probe.no_faults(*host);
  open_session(probe, *host, 2);
  require_turn(probe, host->prompt(2, 1, "hello", probe.patience()), "prompt after a purge");
  probe.finish(*host);
}

void thousand_turns(Probe& probe) {
  const auto host = probe.running();
  open_session(probe, *host, 1);
  constexpr std::uint64_t kTurns = 1000;
  const auto begun = std::chrono::steady_clock::now();
  const auto budget = probe.patience() * 5;
  std::uint64_t turn = 0;
  while (turn < kTurns && std::chrono::steady_clock::now() - begun < budget) {
    ++turn;
    require_turn(probe, host->prompt(1, turn, "hello", probe.patience()),
                 "prompt " + std::to_string(turn));
  }
  probe.require(host->settle(probe.patience()), "its thread does not come to rest");
  if (turn < kTurns) {
    probe.warn("only " + std::to_string(turn) + " turns in " + std::to_string(budget.count()) +
               " ms");
  }
  probe.finish(*host);
}

void calls_return_soon(Probe& probe) {
  const auto host = probe.running();
  for (std::uint64_t session = 1; session <= 5; ++session) {
    open_session(probe, *host, session);
    require_turn(probe, host->prompt(session, 1, "hello", probe.patience()), "prompt");
  }
  probe.finish(*host);
  constexpr milliseconds kBudget{100};
  if (host->slowest() > kBudget) {
    probe.warn("a call held its thread for " + std::to_string(host->slowest().count()) +
               " ms, so that all its sessions waited");
  }
}

}  // namespace

void add_backend_checks(std::vector<CheckEntry>& checks) {
  const auto add = [&](const char* id, const char* description, void (*run)(Probe&)) {
    checks.push_back({id, "backend", description, For::kBackend, false, run});
  };
  add("prompt-answers-once", "answers a prompt exactly once, with JSON and sound events",
      prompt_answers_once);
  add("event-order", "says nothing outside of its turns and sessions", event_order);
  add("odd-text", "takes odd UTF-8 and a message of 1 MiB", odd_text);
  add("unknown-things", "answers calls for sessions, turns and requests that it does not know",
      unknown_things);
  add("concurrent-sessions", "keeps 16 sessions at once apart", concurrent_sessions);
  add("cancel-races", "answers prompt and cancel, whichever comes first", cancel_races);
  add("back-pressure", "goes on after BUSY without losing or doubling anything", back_pressure);
  add("gone-is-heeded", "stops speaking of a session that was closed", gone_is_heeded);
  add("close-answers-turn", "answers the open turn before close", close_answers_turn);
  add("stop-finishes-open-turns", "answers open turns before stop", stop_finishes_open_turns);
  add("restore-and-inject", "gets a session back by its native id or by a transcript",
      restore_and_inject);
  add("restored-with-a-prompt",
      "takes what was said before with a prompt, where it can go in in no other way",
      restored_with_a_prompt);
  add("optional-functions", "answers what it offers beyond that, also for what it does not know",
      optional_functions);
  add("discover-and-read",
      "gives sessions of other programs, and what was said in them, well formed",
      discover_and_read);
  add("purge-answers", "removes what it keeps of a session, also of one that it does not know",
      purge_removes);
  add("thousand-turns", "answers 1000 turns", thousand_turns);
  add("backend-calls-return-soon", "holds its thread for less than 100 ms", calls_return_soon);
}

}  // namespace viaduct::testing
