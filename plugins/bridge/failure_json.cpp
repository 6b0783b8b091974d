#include "plugins/bridge/failure.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <ctime>
#include <iomanip>
#include <limits>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using nlohmann::json;

// Discarded, too, when it is nested or long as nothing sane is.
json read(std::string_view text) {
  if (net::too_complex(text)) return json(json::value_t::discarded);
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::size_t kLongestWords = 500;

// What the server says, wherever it says it.
struct Said {
  std::string message, type, code;
};

std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number() ? value.dump() : "";
}
std::string member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? "" : text_of(*found);
}

Said parse_error(const json& given) {
  const json* value = &given;
  if (value->is_array() && !value->empty()) value = &value->front();
  if (!value->is_object()) return {};
  const json* error = value;
  if (const auto found = value->find("error"); found != value->end() && !found->is_null())
    error = &*found;
  if (error->is_string()) return {error->get<std::string>(), "", ""};
  if (!error->is_object()) return {};
  Said said{member(*error, "message"), member(*error, "type"), member(*error, "code")};
  if (said.message.empty() && error->contains("detail")) {
    const json& detail = (*error)["detail"];
    said.message = detail.is_string() ? detail.get<std::string>()
                                      : detail.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  if (said.message.empty()) said.message = said.type;
  return said;
}

bool contains(std::string_view text, std::string_view part) {
  const auto same = [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

// How the servers that are known say that a conversation is too long.
bool says_overflow(const Said& said) {
  constexpr std::array<std::string_view, 2> kCodes = {"context_length_exceeded",
                                                      "exceed_context_size_error"};
  constexpr std::array<std::string_view, 11> kWords = {
      "prompt is too long",                   // Anthropic
      "exceed context limit",                 // Anthropic, with max_tokens
      "maximum context length",               // OpenAI, vLLM, OpenRouter, Mistral
      "exceeds the available context size",   // llama.cpp
      "context length exceeded",              // Ollama and others
      "exceeds the context window",           // OpenAI, responses
      "input token count",                    // Gemini
      "context the overflows",                // LM Studio (as it writes it)
      "greater than the context length",      // LM Studio
      "reduce the length of the messages",    // Groq and others
      "longer than the maximum model length"  // vLLM
  };
  for (const auto code : kCodes)
    if (said.code == code || said.type == code) return true;
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](const auto words) { return contains(said.message, words); });
}

bool says_no_money(const Said& said) {
  return said.code == "insufficient_quota" || said.type == "insufficient_quota" ||
         said.type == "billing_error" || contains(said.message, "credit balance is too low");
}

std::string server(const Llm& llm) {
  return "The model server " + llm.shown_url();
}

// "server does something (words of the server)what to do"
Failure make(const Llm& llm, Code code, std::string_view does, const std::string& words,
             std::string_view then = "") {
  std::string message = server(llm) + " " + std::string(does);
  if (!words.empty()) message += " (" + words + ")";
  message += then;
  return {code, net::redacted(std::move(message), llm.secrets()), false, false, std::nullopt};
}

Failure overflow(const Llm& llm, const std::string& words) {
  Failure failure =
      make(llm, Code::kInvalidArgument, "cannot hold a conversation of this length", words);
  failure.overflow = true;
  return failure;
}

Failure no_money(const Llm& llm, const std::string& words) {
  return make(llm, Code::kFailedPrecondition, "wants to be paid first", words,
              ": look at the account that the key belongs to");
}

// Redacted before it is cut, so that no half of a secret stays.
std::string shortened(const Llm& llm, const std::string& words) {
  return net::one_line(net::redacted(words, llm.secrets()), kLongestWords);
}

bool is_transient(int status) {
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

std::optional<system_clock::time_point> parse_http_date(std::string_view value) {
  for (const char* const format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"}) {
    std::istringstream in{std::string(value)};
    in.imbue(std::locale::classic());
    std::tm parts{};
    in >> std::get_time(&parts, format);
    if (in.fail()) continue;
    return system_clock::from_time_t(::timegm(&parts));
  }
  return std::nullopt;
}

std::optional<milliseconds> as_milliseconds(double count) {
  constexpr double kMost = 365.0 * 86'400'000;
  if (!std::isfinite(count) || count < 0) return std::nullopt;
  return milliseconds{static_cast<std::int64_t>(std::ceil(std::min(count, kMost)))};
}

std::optional<double> parse_number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos) return {};
  std::istringstream in{std::string(text)};
  in.imbue(std::locale::classic());
  double number = 0;
  in >> number;
  if (in.fail() || !in.eof()) return std::nullopt;
  return number;
}

}  // namespace

Failure refused(const Llm& llm, const Refusal& refusal, system_clock::time_point now) {
  const json body = read(refusal.body);
  const Said said = parse_error(body);
  const std::string status = std::to_string(refusal.status);
  const std::string words =
      shortened(llm, said.message.empty() ? status : status + ": " + said.message);

  if (refusal.status == 413 || (refusal.status < 500 && says_overflow(said)) ||
      (refusal.status == 500 && says_overflow(said)))
    return overflow(llm, words);
  if (refusal.status == 402 || says_no_money(said)) return no_money(llm, words);
  switch (refusal.status) {
    case 401:
    case 403:
      return make(llm, Code::kFailedPrecondition,
                  llm.api_key.empty() ? "wants a key" : "does not accept the key", words,
                  ": set api_key of this backend to one that may use " + llm.model);
    case 404:
      if (llm.lacks_version())
        return make(llm, Code::kFailedPrecondition, "has nothing at this address", words,
                    ": base_url of this backend most likely lacks /v1, " + llm.shown_url() + "/v1");
      return make(llm, Code::kFailedPrecondition, "has no model \"" + llm.model + "\"", words,
                  ": look at model and base_url of this backend");
    default: break;
  }
  if (is_transient(refusal.status)) {
    const bool is_limit = refusal.status == 429;
    const bool is_load = refusal.status == 503 || refusal.status == 529;
    Failure failure = make(llm, Code::kUnavailable,
                           is_limit  ? "takes no more requests for now"
                           : is_load ? "is overloaded"
                                     : "failed",
                           words);
    failure.transient = true;
    if (const auto exact = parse_number(refusal.retry_after_ms))
      failure.retry_after = as_milliseconds(*exact);
    else
      failure.retry_after = parse_retry_after(refusal.retry_after, now);
    return failure;
  }
  if (refusal.status >= 300 && refusal.status < 400)
    return make(llm, Code::kFailedPrecondition, "is somewhere else", words,
                ": correct base_url of this backend");
  if (refusal.status < 300)
    return make(llm, Code::kFailedPrecondition, "does not answer as such a server does", words,
                ": look at api and base_url of this backend");
  return make(llm, Code::kInvalidArgument, "refused the request", words);
}

Failure error_event(const Llm& llm, std::string_view text) {
  const json body = read(text);
  const Said said = parse_error(body);
  const std::string words = shortened(llm, said.message);
  if (says_overflow(said)) return overflow(llm, words);
  if (says_no_money(said)) return no_money(llm, words);
  if (said.type == "authentication_error" || said.type == "permission_error")
    return make(llm, Code::kFailedPrecondition, "does not accept the key", words,
                ": set api_key of this backend to one that may use " + llm.model);
  if (said.type == "invalid_request_error")
    return make(llm, Code::kInvalidArgument, "refused the request", words);
  Failure failure = make(llm, Code::kUnavailable,
                         said.type == "overloaded_error" ? "is overloaded" : "failed", words);
  failure.transient = true;
  return failure;
}

Failure broken(const Llm& llm, std::string_view what) {
  Failure failure = make(llm, Code::kUnavailable, shortened(llm, std::string(what)), "");
  failure.transient = true;
  return failure;
}

std::optional<milliseconds> parse_retry_after(std::string_view value,
                                              system_clock::time_point now) {
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  if (const auto seconds = parse_number(value)) return as_milliseconds(*seconds * 1000);
  const auto date = parse_http_date(value);
  if (!date) return std::nullopt;
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(*date - now));
}

std::optional<milliseconds> Retry::next(const Failure& failure, double random) {
  if (!failure.transient || ++failures_ >= config_.attempts) return std::nullopt;
  const auto first = static_cast<double>(config_.backoff.count());
  const auto longest = static_cast<double>(config_.longest.count());
  // Half of it is by chance, so that sessions that failed together do not come back together.
  double wait = std::min(longest, std::ldexp(first, static_cast<int>(failures_) - 1));
  wait *= 0.5 + random / 2;
  if (failure.retry_after) {
    const auto asked = static_cast<double>(failure.retry_after->count());
    if (asked > longest) return std::nullopt;
    // Never earlier than asked; a little later, for the same reason.
    wait = std::max(wait, asked + std::min(asked, first) * random / 4);
  }
  return as_milliseconds(wait);
}

}  // namespace viaduct::bridge
