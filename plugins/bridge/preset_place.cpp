#include "plugins/bridge/preset_place.hpp"

#include "plugins/bridge/cli_places.hpp"

#include <dlfcn.h>
#include <cstdlib>
#include <filesystem>
#include <set>

namespace viaduct::bridge {
namespace {

namespace fs = std::filesystem;

std::string known_presets(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".yaml") names.insert(at->path().stem().string());
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "none in " + folder : all;
}

}  // namespace

std::string preset_folder() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&preset_folder), &info) == 0 ||
      info.dli_fname == nullptr)
    return {};
  return (fs::path(info.dli_fname).parent_path() / "bridge").string();
}

std::expected<Preset, std::string> find_preset(const Cli& cli) {
  if (cli.preset.empty()) {
    auto preset = parse_preset("", "", cli.overrides);
    if (!preset) return std::unexpected("template." + preset.error());
    preset->name = fs::path(preset->program).filename().string();
    return preset;
  }
  const bool is_path = cli.preset.find('/') != std::string::npos || cli.preset.ends_with(".yaml");
  const char* home = std::getenv("HOME");
  const std::string path = is_path ? expand_home(cli.preset, home == nullptr ? "" : home)
                                   : (fs::path(preset_folder()) / (cli.preset + ".yaml")).string();
  std::error_code error;
  if (!is_path && !fs::exists(path, error))
    return std::unexpected("preset: there is no preset \"" + cli.preset + "\"; there are " +
                           known_presets(preset_folder()) +
                           ", and a path names a file of your own");
  const auto json = read_preset_file(path);
  if (!json) return std::unexpected("preset: " + json.error());
  auto preset = parse_preset(fs::path(path).stem().string(), *json, cli.overrides);
  if (!preset)
    return std::unexpected("preset: " + path + (cli.overrides.empty() ? "" : " and `template`") +
                           ": " + preset.error());
  return preset;
}

}  // namespace viaduct::bridge
