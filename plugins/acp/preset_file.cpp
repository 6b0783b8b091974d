#include "plugins/acp/preset_file.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace viaduct::acp {

std::expected<Presets, std::string> load_presets() {
  // Where this very library lies: the presets are in the folder of its name.
  Dl_info self{};
  if (::dladdr(reinterpret_cast<const void*>(&load_presets), &self) == 0)
    return std::unexpected("where the plugin lies cannot be found out");
  const auto file = std::filesystem::path(self.dli_fname).parent_path() / "acp" / "presets.yaml";
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::unexpected(file.string() + ": cannot be read; install it beside the plugin");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  auto presets = parse_presets(text);
  if (!presets) return std::unexpected(file.string() + ": " + presets.error());
  return presets;
}

}  // namespace viaduct::acp
