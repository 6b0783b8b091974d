#include "tests/fuzz/acp_feed.hpp"

#include "plugins/acp/protocol.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace viaduct::acp {
namespace {

void expect(bool holds, const char* what, std::string_view line) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\nline: %.*s\n", what, static_cast<int>(line.size()),
               line.data());
  std::abort();
}

AgentCapabilities able() {
  AgentCapabilities can;
  can.image = can.audio = can.embedded_context = true;
  return can;
}

void feed_updates(std::string_view payload) {
  const auto update = parse_update(payload);
  if (!update) return;
  expect(!update->session_id.empty(), "an update has a session", payload);
  ReplayLog log(4096);
  log.add(*update);
  log.add(*update);
  expect(log.json().starts_with('['), "a replay is a list", payload);
}

void feed_sessions(std::string_view payload) {
  (void)parse_initialize(payload);
  (void)parse_list(payload);
  (void)parse_prompt(payload);
  const auto session = parse_session(payload);
  if (!session) return;
  const std::vector<Option> options = replaced(session->options, session->options);
  expect(options_json(options).starts_with("{\"options\":["), "options are a list", payload);
  for (const Option& option : options) {
    if (option.choices.empty()) continue;
    const auto chosen = choose(options, option.id, option.choices.front().value);
    expect(chosen.has_value(), "what there is can be chosen", payload);
    (void)set_option_request("s", option, chosen->value);
  }
}

void feed_requests(std::string_view payload) {
  if (const auto request = parse_permission(payload)) {
    expect(!request->options.empty(), "a permission has options", payload);
    (void)permission_json(*request, 1);
    (void)request->allowing();
    (void)request->rejecting();
  }
  if (const auto asked = parse_elicitation(payload)) {
    std::vector<std::pair<std::string, std::string>> answers;
    for (const Question& question : asked->questions)
      answers.emplace_back(question.field, question.choices.front().value);
    (void)elicitation_result("accept", payload, answers);
  }
  (void)parse_read_file(payload);
  (void)parse_write_file(payload);
  (void)parse_create_terminal(payload);
  (void)parse_terminal_call(payload);
  (void)request_of(payload);
  (void)session_of(payload);
  (void)tool_call(payload);
}

}  // namespace

void feed(std::string_view line) {
  if (const auto incoming = parse_line(line)) {
    const bool is_call = incoming->kind == Incoming::Kind::kRequest ||
                         incoming->kind == Incoming::Kind::kNotification;
    expect(is_call || incoming->method.empty(), "an answer has no method", line);
    if (incoming->kind == Incoming::Kind::kRequest) {
      // The peer reads its own id in the answer.
      const auto answer = parse_line(result_line(incoming->id, "{}"));
      expect(answer && answer->kind == Incoming::Kind::kResult, "an answer can be read", line);
      expect(answer && answer->id == incoming->id, "an id comes back as it was", line);
    }
    if (incoming->kind == Incoming::Kind::kError)
      expect(!incoming->error.words().empty(), "an error has words", line);
    else
      expect(parse_line(notification_line("m", incoming->payload)).has_value(),
             "a payload is one line of JSON", line);
    (void)own_id(incoming->id);
    feed_updates(incoming->payload);
    feed_sessions(incoming->payload);
    feed_requests(incoming->payload);
  }
  // And as a payload itself, which has not been looked through.
  feed_updates(line);
  feed_sessions(line);
  feed_requests(line);
  (void)prompt_params("s", line, line, line, AgentCapabilities{});
  (void)prompt_params("s", "", line, "", able());
  (void)parse_config(line, {});
  RpcError error{1, std::string(line), std::string(line)};
  expect(!error.words().empty(), "an error has words", line);
}

}  // namespace viaduct::acp
