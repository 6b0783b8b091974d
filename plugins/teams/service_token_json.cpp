#include "plugins/teams/assertion.hpp"
#include "plugins/teams/token_rules.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr std::size_t kLongestAccessToken = 32 << 10;
constexpr std::size_t kLongestWords = 400;

std::string text_of(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A number, or one in a text, as the older endpoint has it.
std::optional<seconds> seconds_of(const json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end()) return std::nullopt;
  std::int64_t count = 0;
  if (found->is_number_integer()) {
    count = found->get<std::int64_t>();
  } else if (found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  } else {
    return std::nullopt;
  }
  constexpr std::int64_t kMost = 24 * 3600;
  if (count <= 0) return std::nullopt;
  return seconds(std::min(count, kMost));
}

// What may stand in a header.
bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= kLongestAccessToken &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

// "7000215"; empty: none.
std::string aadsts_of(const json& from, const std::string& description) {
  if (const auto list = from.find("error_codes"); list != from.end() && list->is_array() &&
                                                  !list->empty() &&
                                                  list->front().is_number_unsigned())
    return std::to_string(list->front().get<std::uint64_t>());
  constexpr std::string_view kMark = "AADSTS";
  const std::size_t at = description.find(kMark);
  if (at == description.npos) return {};
  const std::size_t begin = at + kMark.size();
  const std::size_t end =
      std::min(description.find_first_not_of("0123456789", begin), description.size());
  return description.substr(begin, end - begin);
}

// "AADSTS50034: There is no such account. To sign in, … Trace ID: …" → "There is no such account.":
// without the code, which is said already, and the ids of the request.
std::string words_of(std::string_view description) {
  std::string_view words = description.substr(0, description.find_first_of("\r\n"));
  if (const auto end = words.find(": "); words.starts_with("AADSTS") && end != words.npos)
    words.remove_prefix(end + 2);
  if (const auto end = words.find(". "); end != words.npos) words = words.substr(0, end + 1);
  return std::string(words);
}

bool is_passing(int status, std::string_view error, std::string_view code) {
  constexpr std::string_view kCodes[] = {"90024", "90033", "90025", "50196"};
  return status == 429 || status == 408 || status >= 500 || error == "temporarily_unavailable" ||
         error == "server_error" || std::ranges::find(kCodes, code) != std::end(kCodes);
}

}  // namespace

FetchResult parse_token_answer(int status, std::string_view body, std::string_view secret,
                               std::optional<seconds> retry_after) {
  const json from = net::too_complex(body, 1000, 8)
                        ? json(json::value_t::discarded)
                        : json::parse(body, nullptr, /*allow_exceptions=*/false);
  TokenFailure failure;
  failure.retry_after = std::clamp(retry_after.value_or(seconds(0)), seconds(0), seconds(3600));
  if (!from.is_object()) {
    const bool is_elsewhere = status >= 300 && status < 400;
    if (is_elsewhere) failure.trouble = TokenTrouble::kSetUp;
    failure.message = "the login of Microsoft answers " + std::to_string(status) + " and no JSON" +
                      (is_elsewhere ? "; is endpoints.token right?" : "; it is tried again");
    return std::unexpected(std::move(failure));
  }
  if (status == 200) {
    FetchedToken fetched{text_of(from, "access_token"),
                         seconds_of(from, "expires_in").value_or(seconds(0))};
    if (chat::lower(text_of(from, "token_type")) == "bearer" && is_token(fetched.token) &&
        fetched.lives.count() > 0)
      return fetched;
    failure.message =
        "the login of Microsoft gives an answer without a bearer token; it is tried again";
    return std::unexpected(std::move(failure));
  }
  const std::string error = text_of(from, "error");
  const std::string description = text_of(from, "error_description");
  const std::string code = aadsts_of(from, description);
  const std::vector<std::string> secrets =
      secret.empty() ? std::vector<std::string>() : std::vector{std::string(secret)};
  failure.error = net::one_line(net::redacted(code.empty() ? error : code, secrets), 100);
  if (!is_passing(status, error, code)) failure.trouble = TokenTrouble::kSetUp;
  const std::string_view advice = words_of_aadsts(code);
  failure.message =
      advice.empty() ? "the login of Microsoft gives the bot no token" : std::string(advice);
  const std::string shown = code.empty() ? failure.error : "AADSTS" + failure.error;
  failure.message += " [" + (shown.empty() ? std::to_string(status) : shown) + "]";
  // Before it is cut: of a secret that it repeats a piece would be left.
  const std::string said =
      net::one_line(net::redacted(words_of(description), secrets), kLongestWords);
  if (!said.empty()) failure.message += ": " + said;
  return std::unexpected(std::move(failure));
}

std::string assertion_claims(const AssertionOf& of, const std::string& id, std::int64_t now) {
  constexpr std::int64_t kEarly = 60, kLives = 540;  // clocks differ
  return json{{"aud", of.audience}, {"iss", of.app_id},    {"sub", of.app_id},
              {"jti", id},          {"nbf", now - kEarly}, {"exp", now + kLives}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace viaduct::teams
