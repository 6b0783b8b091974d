// How working folders and sessions are called below <home>/projects, and back.
#include "plugins/bridge/transcript_folders.hpp"

#include <sys/stat.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <system_error>

namespace viaduct::bridge {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestName = 255;  // of a file, by the file system
constexpr std::size_t kKeptOfAName = 200;  // of a folder whose name would be longer
constexpr int kMostLookups = 20'000;       // of one name

std::string home_folder() {
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : home;
}

}  // namespace

std::string resolved(std::string_view given) {
  std::string path(given.empty() ? "~" : given);
  if (path == "~" || path.starts_with("~/")) path.replace(0, 1, home_folder());
  std::error_code why;
  fs::path whole = fs::absolute(path, why);
  if (why) whole = path;
  const fs::path canonical = fs::weakly_canonical(whole, why);
  std::string text = why ? whole.lexically_normal().string() : canonical.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::string encode_folder(std::string_view path) {
  std::string name(path);
  std::replace(name.begin(), name.end(), '/', '-');
  if (name.size() <= kLongestName) return name;
  // Too long for a name: its end, and a sum of all of it. session-info.json has it whole.
  std::uint64_t sum = 14695981039346656037u;
  for (const unsigned char c : path) sum = (sum ^ c) * 1099511628211u;
  char hex[24];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(sum));
  std::size_t from = name.size() - kKeptOfAName;
  while (from < name.size() && (static_cast<unsigned char>(name[from]) & 0xC0) == 0x80) ++from;
  return hex + ("-" + name.substr(from));
}

std::string decode_folder(std::string_view name) {
  if (!name.starts_with('-')) return std::string(name);
  std::vector<std::string> parts;
  for (std::string_view rest = name.substr(1);;) {
    const std::size_t dash = rest.find('-');
    parts.emplace_back(rest.substr(0, dash));
    if (dash == std::string_view::npos) break;
    rest.remove_prefix(dash + 1);
  }
  int lookups = 0;
  std::size_t best_taken = 0;
  std::string best;  // without the last slash
  const std::function<bool(const std::string&, std::size_t)> descend =
      [&](const std::string& folder, std::size_t taken) {
        if (taken > best_taken) {
          best = folder;
          best_taken = taken;
        }
        if (taken == parts.size()) return true;
        for (std::size_t end = parts.size(); end > taken; --end) {
          std::string below = folder + "/" + parts[taken];
          for (std::size_t i = taken + 1; i < end; ++i) below.append("-").append(parts[i]);
          const std::string_view last = std::string_view(below).substr(folder.size() + 1);
          if (last.empty() || last == "." || last == ".." || last.size() > kLongestName) continue;
          if (++lookups > kMostLookups) return false;
          struct stat about{};
          if (::stat(below.c_str(), &about) == 0 && S_ISDIR(about.st_mode) && descend(below, end))
            return true;
        }
        return false;
      };
  descend("", 0);
  for (std::size_t i = best_taken; i < parts.size(); ++i) best.append("/").append(parts[i]);
  return best;
}

bool is_plain_id(std::string_view id) {
  return !id.empty() && id.size() <= kLongestName - 16 &&
         id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
             std::string_view::npos;
}

std::string folder_id(std::string_view session_id) {
  std::string id(session_id);
  std::replace(id.begin(), id.end(), '_', '-');
  return id;
}

}  // namespace viaduct::bridge
