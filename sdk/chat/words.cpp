#include <viaduct/chat/words.hpp>

#include <cstdlib>
#include <ctime>

namespace viaduct::chat {

std::string folder_words(std::string_view path) {
  const char* const home = std::getenv("HOME");
  const std::string_view top = home == nullptr ? "" : home;
  if (top.size() < 2 || !path.starts_with(top)) return std::string(path);
  const std::string_view rest = path.substr(top.size());
  if (!rest.empty() && rest.front() != '/') return std::string(path);
  return "~" + std::string(rest);
}

std::string ago_words(std::string_view moment, std::chrono::system_clock::time_point now) {
  std::tm parts{};
  if (strptime(std::string(moment).c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return "";
  const auto then = std::chrono::system_clock::from_time_t(timegm(&parts));
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(now - then).count();
  if (minutes < 1) return "just now";
  const auto some = [](long long count, const char* unit) {
    return std::to_string(count) + " " + unit + (count == 1 ? "" : "s") + " ago";
  };
  if (minutes < 60) return some(minutes, "minute");
  if (minutes < 48 * 60) return some(minutes / 60, "hour");
  return some(minutes / (24 * 60), "day");
}

std::string unanswered_words(std::size_t count) {
  return count == 1 ? "1 message was not answered."
                    : std::to_string(count) + " messages were not answered.";
}

}  // namespace viaduct::chat
