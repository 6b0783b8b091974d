#include "host/plugins/descriptor.hpp"

#include "host/plugins/abi_text.hpp"
#include "host/plugins/plugins_json.hpp"

#include <fmt/format.h>
#include <boost/dll/shared_library.hpp>

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace viaduct::plugins {
namespace {

constexpr std::uint16_t kMachine =
#if defined(__x86_64__)
    EM_X86_64;
#elif defined(__aarch64__)
    EM_AARCH64;
#elif defined(__riscv)
    EM_RISCV;
#else
    EM_NONE;  // not checked here: the loader refuses what does not fit
#endif

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "ARM 64";
    case EM_RISCV: return "RISC-V";
    case EM_386: return "x86, 32 bits";
    case EM_ARM: return "ARM, 32 bits";
    default: return fmt::format("machine {}", machine);
  }
}

std::unexpected<Error> refuse(const std::string& file, const std::string& why) {
  return fail(Errc::failed_precondition, file + ": " + why);
}

bool text_of(const char* text) {
  return text != nullptr && *text != '\0';
}

Result<PluginInfo> check_descriptor(const viaduct_plugin& plugin, const std::string& file) {
  // The first eight bytes tell whether the rest may be read.
  if (plugin.struct_size < VIADUCT_SIZE_WITH(viaduct_plugin, abi_minor))
    return refuse(file, "its descriptor is damaged (struct_size is too small)");
  if (plugin.abi_major != VIADUCT_ABI_MAJOR)
    return refuse(file, fmt::format("it was built for plugin ABI {}.{}, but this host has {}.{}: "
                                    "build it with this host's SDK",
                                    plugin.abi_major, plugin.abi_minor, VIADUCT_ABI_MAJOR,
                                    VIADUCT_ABI_MINOR));
  if (plugin.struct_size < VIADUCT_SIZE_WITH(viaduct_plugin, create))
    return refuse(file, fmt::format("its descriptor says ABI {}.{} but is shorter than that "
                                    "(struct_size {}, at least {})",
                                    plugin.abi_major, plugin.abi_minor, plugin.struct_size,
                                    VIADUCT_SIZE_WITH(viaduct_plugin, create)));
  if (plugin.kind != VIADUCT_KIND_SURFACE && plugin.kind != VIADUCT_KIND_BACKEND)
    return refuse(file, fmt::format("its kind is {}, neither surface ({}) nor backend ({})",
                                    plugin.kind, static_cast<int>(VIADUCT_KIND_SURFACE),
                                    static_cast<int>(VIADUCT_KIND_BACKEND)));
  if (!text_of(plugin.id)) return refuse(file, "its descriptor has no id");
  if (!text_of(plugin.version)) return refuse(file, "its descriptor has no version");
  if (plugin.create == nullptr) return refuse(file, "its descriptor has no create function");
  if (plugin.api == nullptr) return refuse(file, "its descriptor has no api table");
  const viaduct_instance_api& api = *plugin.api;
  if (api.struct_size < VIADUCT_SIZE_WITH(viaduct_instance_api, health))
    return refuse(file,
                  fmt::format("its api table is too short (struct_size {}, at least {})",
                              api.struct_size, VIADUCT_SIZE_WITH(viaduct_instance_api, health)));
  const std::pair<const char*, bool> required[] = {{"start", api.start != nullptr},
                                                   {"stop", api.stop != nullptr},
                                                   {"destroy", api.destroy != nullptr},
                                                   {"interface", api.interface != nullptr},
                                                   {"completed", api.completed != nullptr}};
  for (const auto& [function, there] : required)
    if (!there) return refuse(file, fmt::format("its api table has no function {}", function));
  if (plugin.config_schema == nullptr || !is_json_object(plugin.config_schema))
    return refuse(file, "its config_schema is no JSON object");

  PluginInfo info;
  info.file = file;
  info.name = std::filesystem::path(file).stem().string();
  info.id = repaired_utf8(plugin.id);
  info.version = repaired_utf8(plugin.version);
  if (plugin.summary != nullptr) info.summary = repaired_utf8(plugin.summary);
  info.schema = plugin.config_schema;
  if (plugin.config_example != nullptr) info.example = repaired_utf8(plugin.config_example);
  info.is_surface = plugin.kind == VIADUCT_KIND_SURFACE;
  info.concurrent = (plugin.flags & VIADUCT_PLUGIN_CONCURRENT) != 0;
  info.abi_major = plugin.abi_major;
  info.abi_minor = plugin.abi_minor;
  info.descriptor = &plugin;
  return info;
}

}  // namespace

Result<> check_file(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0)
    return fail(errno == ENOENT ? Errc::not_found : Errc::failed_precondition,
                fmt::format("{}: cannot be read: {}", file, std::strerror(errno)));
  struct stat facts{};
  Elf64_Ehdr header{};
  const bool known = ::fstat(descriptor, &facts) == 0;
  const ssize_t size = known && S_ISREG(facts.st_mode)
                           ? ::pread(descriptor, &header, sizeof header, 0)
                           : ssize_t{-1};
  ::close(descriptor);
  if (!known || !S_ISREG(facts.st_mode)) return refuse(file, "it is no regular file");
  if ((facts.st_mode & S_IWOTH) != 0)
    return refuse(file, fmt::format("everybody may write to it (mode {:04o}), and the host would "
                                    "run what they write: chmod o-w it",
                                    facts.st_mode & 07777));
  const std::string folder = std::filesystem::path(file).parent_path().string();
  struct stat place{};
  if (::stat(folder.c_str(), &place) == 0 && (place.st_mode & S_IWOTH) != 0 &&
      (place.st_mode & S_ISVTX) == 0)
    return refuse(file, fmt::format("everybody may put files into its folder (mode {:04o}), and "
                                    "the host would run them: chmod o-w {}",
                                    place.st_mode & 07777, folder));
  if (size < 0) return refuse(file, "it cannot be read");
  if (size < static_cast<ssize_t>(sizeof(Elf32_Ehdr)) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return refuse(file, "it is no shared library (not an ELF file)");
  // e_machine is at the same place in files of 32 and 64 bits.
  if (kMachine != EM_NONE &&
      (header.e_machine != kMachine || header.e_ident[EI_CLASS] != ELFCLASS64))
    return refuse(file, fmt::format("it is built for {}, but this host runs on {}",
                                    machine_name(header.e_machine), machine_name(kMachine)));
  if (header.e_type != ET_DYN)
    return refuse(file,
                  "it is no shared library (an ELF file of "
                  "another type)");
  return {};
}

Result<PluginInfo> load_plugin(const std::string& file) {
  namespace dll = boost::dll;
  dll::shared_library library;
  try {
    // NODELETE: the library stays although `library` closes it. Never DEEPBIND.
    library.load(dll::fs::path(file),
                 static_cast<dll::load_mode::type>(RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE));
  } catch (const std::exception& error) {
    return refuse(file, std::string("it cannot be loaded: ") + error.what());
  }
  if (!library.has(VIADUCT_PLUGIN_SYMBOL)) {
    for (int major = 2; major < 10; ++major)
      if (library.has(fmt::format("viaduct_plugin_v{}", major)))
        return refuse(
            file, fmt::format("it is a plugin for a newer host: it exports "
                              "viaduct_plugin_v{}, this host reads {} (ABI {}.{})",
                              major, VIADUCT_PLUGIN_SYMBOL, VIADUCT_ABI_MAJOR, VIADUCT_ABI_MINOR));
    return refuse(file, "it is no Viaduct plugin: it does not export " VIADUCT_PLUGIN_SYMBOL);
  }
  return check_descriptor(library.get<const viaduct_plugin>(VIADUCT_PLUGIN_SYMBOL), file);
}

}  // namespace viaduct::plugins
