#include "host/cli/changes.hpp"

#include <algorithm>
#include <map>

namespace viaduct::cli {
namespace {

template <class List>
void compare(const List& running, const List& fresh, std::vector<std::string>& names) {
  for (const auto& one : fresh)
    if (std::ranges::find(running, one) == running.end()) names.push_back(one.name);
  for (const auto& one : running)
    if (std::ranges::find(fresh, one.name, &config::Instance::name) == fresh.end())
      names.push_back(one.name);
}

}  // namespace

bool is_reloadable(const config::Origin& origin) {
  return origin.path.starts_with("backends.") || origin.path.starts_with("surfaces.") ||
         origin.path.starts_with("plugins.");
}

Changes changes(const config::Config& running, const config::Config& fresh) {
  Changes all;
  compare(running.backends, fresh.backends, all.reload);
  compare(running.surfaces, fresh.surfaces, all.reload);
  std::map<std::string, std::string> values;
  for (const config::Origin& origin : running.origins)
    if (!is_reloadable(origin)) values[origin.path] = origin.value;
  for (const config::Origin& origin : fresh.origins) {
    if (is_reloadable(origin)) continue;
    const auto found = values.extract(origin.path);
    if (found.empty() || found.mapped() != origin.value) all.restart.push_back(origin.path);
  }
  for (const auto& [path, value] : values) all.restart.push_back(path);
  return all;
}

}  // namespace viaduct::cli
