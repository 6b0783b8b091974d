#include "plugins/bridge/preset_place.hpp"

#include "plugins/bridge/cli_places.hpp"

#include <dlfcn.h>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>
#include <viaduct/net/fields.hpp>

namespace viaduct::bridge {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> known_presets(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".yaml") names.push_back(at->path().stem().string());
  std::ranges::sort(names);
  return names;
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
  if (!is_path && !fs::exists(path, error)) {
    const auto known = known_presets(preset_folder());
    if (known.empty()) return std::unexpected("preset: there are none in " + preset_folder());
    return std::unexpected("preset: " + net::must_be_one_of(cli.preset, known) +
                           " (or the path of a file of your own)");
  }
  const auto json = read_preset_file(path);
  if (!json) return std::unexpected("preset: " + json.error());
  auto preset = parse_preset(fs::path(path).stem().string(), *json, cli.overrides);
  if (!preset)
    return std::unexpected("preset: " + path + (cli.overrides.empty() ? "" : " and `template`") +
                           ": " + preset.error());
  return preset;
}

}  // namespace viaduct::bridge
