#include "host/cli/places.hpp"

#include <filesystem>

namespace viaduct::cli {

std::string version() {
  return VIADUCT_VERSION;
}

std::string executable() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

std::string installed_plugins() {
  const auto prefix = std::filesystem::path(executable()).parent_path().parent_path();
  return (prefix / "lib" / "viaduct" / "plugins").string();
}

std::string control_socket(const std::string& home) {
  return home + "/control.sock";
}

}  // namespace viaduct::cli
