#include <viaduct/chat/doctor.hpp>

#include <viaduct/sdk/base.hpp>

#include <ctime>

namespace viaduct::chat {
namespace {

constexpr std::int64_t kMostAhead = 60;  // seconds

}  // namespace

std::string checks_json(const std::vector<Check>& checks) {
  std::string all;
  for (const Check& one : checks)
    all += (all.empty() ? "" : ",") + (R"({"name":)" + sdk::json_string(one.name)) + R"(,"ok":)" +
           (one.ok ? "true" : "false") + R"(,"message":)" + sdk::json_string(one.message) + "}";
  return R"({"checks":[)" + all + "]}";
}

std::optional<std::int64_t> ahead_of(std::string_view date, std::int64_t now) {
  std::tm time{};
  const std::string text(date);
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return now - static_cast<std::int64_t>(::timegm(&time));
}

Check check_clock(std::string_view whose, std::string_view date, std::string_view then) {
  const auto ahead = ahead_of(date, std::time(nullptr));
  if (!ahead) return {"clock", true, std::string(whose) + " does not say what time it is"};
  const std::int64_t off = *ahead < 0 ? -*ahead : *ahead;
  if (off <= kMostAhead)
    return {"clock", true, "as that of " + std::string(whose) + ", within a minute"};
  return {"clock", false,
          "this host's clock is " + std::to_string(off) + " seconds " +
              (*ahead < 0 ? "behind" : "ahead of") + " that of " + std::string(whose) +
              "; set it by NTP: at five minutes " + std::string(then)};
}

}  // namespace viaduct::chat
