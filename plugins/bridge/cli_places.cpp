#include "plugins/bridge/cli_places.hpp"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <viaduct/net/child_process.hpp>

namespace viaduct::bridge {
namespace {

bool is_pattern(const std::string& name) {
  return name.find_first_of("*?") != std::string::npos;
}

// What is not there is no trouble.
bool is_trouble(int error) {
  return error != 0 && error != ENOENT && error != ENOTDIR;
}

std::unexpected<std::string> trouble(const std::string& path, int error) {
  return std::unexpected(path + ": " + std::strerror(error));
}

// Whether `rest` of a pattern matches something below `folder`.
std::expected<bool, std::string> matches(const std::string& folder,
                                         const std::vector<std::string>& rest, std::size_t at) {
  if (at == rest.size()) return true;
  const bool last = at + 1 == rest.size();
  if (!is_pattern(rest[at])) {
    const std::string path = folder + "/" + rest[at];
    struct stat found{};
    if (::stat(path.c_str(), &found) == 0) return last ? true : matches(path, rest, at + 1);
    if (is_trouble(errno)) return trouble(path, errno);
    return false;
  }
  DIR* const listing = ::opendir(folder.empty() ? "/" : folder.c_str());
  if (listing == nullptr) {
    if (is_trouble(errno)) return trouble(folder, errno);
    return false;
  }
  std::vector<std::string> names;
  errno = 0;
  for (const dirent* one = ::readdir(listing); one != nullptr; one = ::readdir(listing))
    if (std::string_view(one->d_name) != "." && std::string_view(one->d_name) != ".." &&
        ::fnmatch(rest[at].c_str(), one->d_name, FNM_PERIOD | FNM_NOESCAPE) == 0)
      names.emplace_back(one->d_name);
  const int error = errno;
  ::closedir(listing);
  if (is_trouble(error)) return trouble(folder, error);
  std::expected<bool, std::string> result = false;
  for (const std::string& name : names) {
    auto found = last ? true : matches(folder + "/" + name, rest, at + 1);
    if (found && *found) return true;
    if (!found) result = std::move(found);
  }
  return result;
}

}  // namespace

std::vector<std::string> child_environment(const Preset& preset, const Cli& cli) {
  auto named = preset.environment;
  for (const auto& [name, value] : cli.env) {
    std::erase_if(named, [&name](const auto& one) { return one.first == name; });
    named.emplace_back(name, value);
  }
  return net::clean_environment(named);
}

std::string variable(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& one : environment)
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
      return one.substr(name.size() + 1);
  return {};
}

std::string expand_home(std::string_view path, std::string_view home) {
  if (path != "~" && !path.starts_with("~/")) return std::string(path);
  return std::string(home) + std::string(path.substr(1));
}

std::string find_program(const std::string& name, const std::vector<std::string>& environment) {
  return net::find_program(expand_home(name, variable(environment, "HOME")), environment);
}

std::expected<bool, std::string> has_session_file(const std::vector<std::string>& patterns,
                                                  const std::string& session,
                                                  const std::string& home) {
  std::expected<bool, std::string> result = false;
  for (const std::string& pattern : patterns) {
    std::string path = expand_home(pattern, home);
    std::vector<std::string> names;
    std::string root;
    for (std::size_t at = 1; at <= path.size();) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      std::string name = path.substr(at, end - at);
      at = end + 1;
      if (name.empty()) continue;
      for (std::size_t here = name.find("{session}"); here != std::string::npos;
           here = name.find("{session}", here + session.size()))
        name.replace(here, 9, session);
      names.push_back(std::move(name));
    }
    auto found = matches(root, names, 0);
    if (found && *found) return true;
    if (!found) result = std::move(found);
  }
  return result;
}

}  // namespace viaduct::bridge
