// What can be said of the file and of loading it.
#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "checks.hpp"
#include "elf.hpp"

namespace viaduct::testing {

namespace {

std::size_t count_entries(const char* folder) {
  std::size_t count = 0;
  std::error_code error;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    ++count;
  }
  return count;
}

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string result;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
    result += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) result += " and " + std::to_string(names.size() - kShown) + " more";
  return result;
}

Exports exports_of(const Probe& probe) {
  std::string why;
  auto exports = read_exports(probe.file(), why);
  if (!exports) probe.fail(why);
  return *exports;
}

void exports_only_entry(Probe& probe) {
  auto names = exports_of(probe).defined;
  const auto entry = std::find(names.begin(), names.end(), VIADUCT_PLUGIN_SYMBOL);
  if (entry == names.end()) probe.fail("not a plugin: it does not export " VIADUCT_PLUGIN_SYMBOL);
  names.erase(entry);
  // What a sanitizer exports is not the author's.
  names.erase(std::remove_if(names.begin(), names.end(),
                             [](const std::string& name) {
                               return name.rfind("__asan", 0) == 0 ||
                                      name.rfind("__odr_asan", 0) == 0 ||
                                      name.rfind("__start_asan", 0) == 0 ||
                                      name.rfind("__stop_asan", 0) == 0 ||
                                      name.rfind("__lsan", 0) == 0 ||
                                      name.rfind("__tsan", 0) == 0 || name.rfind("__ubsan", 0) == 0;
                             }),
              names.end());
  if (!names.empty()) {
    probe.fail("it exports more than its entry: " + joined(names) +
               " (use a version script, as viaduct_add_plugin does)");
  }
}

void no_unique_symbols(Probe& probe) {
  const auto names = exports_of(probe).unique;
  if (!names.empty()) probe.fail(joined(names) + ": compile with -fno-gnu-unique");
}

void loads_now_and_local(Probe& probe) {
  void* library = ::dlopen(probe.file().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    probe.fail(why == nullptr ? "it cannot be loaded" : why);
  }
  if (::dlsym(library, VIADUCT_PLUGIN_SYMBOL) == nullptr) probe.fail("it has no entry");
}

void loads_fast(Probe& probe) {
  const auto begun = std::chrono::steady_clock::now();
  const void* library = ::dlopen(probe.file().c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto took =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
  if (library == nullptr) probe.fail("it cannot be loaded");
  constexpr milliseconds kBudget{100};
  if (took > kBudget) probe.warn("loading it took " + std::to_string(took.count()) + " ms");
}

void quiet_on_load(Probe& probe) {
  const std::size_t threads = count_threads();
  const std::size_t descriptors = count_descriptors();
  const std::string before = captured_output();
  ::dlopen(probe.file().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (count_threads() > threads) probe.fail("loading it started a thread");
  if (count_descriptors() > descriptors) probe.fail("loading it left a file open");
  const std::string after = captured_output();
  if (after != before) probe.fail("loading it wrote: " + after.substr(before.size()));
}

void process_untouched(Probe& probe) {
  struct Process {
    std::string folder, locale;
    mode_t mask = 0;
    std::vector<void (*)(int)> handlers;
    bool operator==(const Process&) const = default;
  };
  const auto look = [] {
    Process process;
    std::error_code error;
    process.folder = std::filesystem::current_path(error).string();
    process.locale = std::setlocale(LC_ALL, nullptr);
    process.mask = ::umask(022);
    ::umask(process.mask);
    for (int number = 1; number < 32; ++number) {
      struct sigaction action{};
      ::sigaction(number, nullptr, &action);
      process.handlers.push_back(action.sa_handler);
    }
    return process;
  };
  const Process before = look();
  const auto host = probe.running();
  probe.finish(*host);
  const Process after = look();
  probe.require(before.folder == after.folder, "it changed the working folder of the process");
  probe.require(before.locale == after.locale, "it changed the locale of the process");
  probe.require(before.mask == after.mask, "it changed the umask of the process");
  probe.require(before.handlers == after.handlers, "it changed a signal's handler of the process");
}

// "com.example.echo"
bool is_reverse_dns(std::string_view id) {
  bool dot = false;
  char last = '.';
  for (const char c : id) {
    if (c == '.') {
      if (last == '.') return false;
      dot = true;
    } else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '_')) {
      return false;
    }
    last = c;
  }
  return dot && last != '.';
}

bool is_semantic(std::string_view version) {
  int parts = 0;
  std::size_t at = 0;
  while (parts < 3) {
    const std::size_t begin = at;
    while (at < version.size() && version[at] >= '0' && version[at] <= '9') ++at;
    if (at == begin) return false;
    ++parts;
    if (parts < 3 && (at >= version.size() || version[at++] != '.')) return false;
  }
  return at == version.size() || version[at] == '-' || version[at] == '+';
}

void descriptor_sane(Probe& probe) {
  const auto host = probe.loaded();
  const viaduct_plugin& plugin = *host->plugin();
  probe.require(is_reverse_dns(plugin.id),
                std::string("its id is not reverse DNS (com.example.name): ") + plugin.id);
  probe.require(is_semantic(plugin.version),
                std::string("its version is not semantic (1.2.3): ") + plugin.version);
  probe.require(is_utf8(plugin.summary), "its summary is not UTF-8");
  if (plugin.summary[0] == 0) probe.warn("it has no summary");
  if (std::strchr(plugin.summary, '\n') != nullptr) probe.warn("its summary has several lines");
  probe.require((plugin.flags & ~std::uint32_t{VIADUCT_PLUGIN_CONCURRENT}) == 0 ||
                    plugin.abi_minor > VIADUCT_ABI_MINOR,
                "it sets flags that its header does not have");
  probe.require(plugin.api->reserved == 0, "a reserved field of the instance table is not zero");
}

// A part of JSON Schema that is enough to see an example that cannot be meant.
std::string breaks(const Json& schema, const Json& value, const std::string& where) {
  const auto is_type = [&](const std::string& type) {
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "boolean" && value.is_bool()) ||
           (type == "null" && value.is_null()) || (type == "number" && value.is_number()) ||
           (type == "integer" && value.is_integer());
  };
  if (!schema.is_object()) return "";
  const Json& type = schema["type"];
  if (type.is_string() && !is_type(type.as_string())) {
    return where + " is no " + type.as_string();
  }
  if (type.is_array() && std::none_of(type.items().begin(), type.items().end(),
                                      [&](const Json& one) { return is_type(one.as_string()); })) {
    return where + " is of none of the types that the schema allows";
  }
  if (schema["enum"].is_array() &&
      std::none_of(schema["enum"].items().begin(), schema["enum"].items().end(),
                   [&](const Json& one) { return one.dump() == value.dump(); })) {
    return where + " is none of the values that the schema allows";
  }
  if (value.is_object()) {
    for (const auto& name : schema["required"].items()) {
      if (!value.contains(name.as_string())) return where + " lacks " + name.as_string();
    }
    const Json& properties = schema["properties"];
    for (const auto& key : value.keys()) {
      if (properties.contains(key)) {
        auto wrong = breaks(properties[key], value[key], where + "/" + key);
        if (!wrong.empty()) return wrong;
      } else if (schema["additionalProperties"].is_bool() &&
                 !schema["additionalProperties"].as_bool() &&
                 !schema.contains("patternProperties")) {
        return where + " has " + key + ", which the schema does not know";
      }
    }
  }
  if (value.is_array() && schema["items"].is_object()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      auto wrong = breaks(schema["items"], value[i], where + "/" + std::to_string(i));
      if (!wrong.empty()) return wrong;
    }
  }
  return "";
}

// Whether an object of the schema may have keys that it does not name; branches close it, too, if
// each of them does.
bool takes_unknown_keys(const Json& schema) {
  if (schema.contains("additionalProperties")) return false;
  for (const char* branches : {"oneOf", "anyOf"}) {
    const auto items = schema[branches].items();
    if (!items.empty() && std::none_of(items.begin(), items.end(), takes_unknown_keys))
      return false;
  }
  return true;
}

void schema_and_example(Probe& probe) {
  const auto host = probe.loaded();
  const auto schema = Json::parse(host->plugin()->config_schema);
  probe.require(schema && schema->is_object(), "its schema is no JSON object");
  const auto example = Json::parse(host->plugin()->config_example);
  probe.require(example && example->is_object(), "its example is no JSON object");
  const std::string wrong = breaks(*schema, *example, "the example");
  probe.require(wrong.empty(), wrong);
  if (!schema->contains("type") && !schema->contains("properties")) {
    probe.warn("its schema says nothing, so that no mistake in `config:` is found");
  } else if (schema->contains("properties") && takes_unknown_keys(*schema)) {
    probe.warn("its schema lets unknown keys pass (\"additionalProperties\": false)");
  }
}

}  // namespace

std::size_t count_threads() {
  return count_entries("/proc/self/task");
}
std::size_t count_descriptors() {
  return count_entries("/proc/self/fd");
}

void add_library_checks(std::vector<CheckEntry>& checks) {
  constexpr const char* kGroup = "library";
  checks.push_back({"exports-only-entry", kGroup,
                    "exports " VIADUCT_PLUGIN_SYMBOL " and nothing else", For::kAll, false,
                    exports_only_entry});
  checks.push_back({"no-unique-symbols", kGroup, "has no symbol that is the same in all libraries",
                    For::kAll, false, no_unique_symbols});
  checks.push_back({"loads-now-and-local", kGroup, "loads with RTLD_NOW and RTLD_LOCAL", For::kAll,
                    true, loads_now_and_local});
  checks.push_back({"loads-fast", kGroup, "loads within 100 ms", For::kAll, false, loads_fast});
  checks.push_back({"quiet-on-load", kGroup, "starts, opens and prints nothing while it is loaded",
                    For::kAll, false, quiet_on_load});
  checks.push_back({"descriptor-sane", kGroup,
                    "has a descriptor of this ABI with all that it needs", For::kAll, true,
                    descriptor_sane});
  checks.push_back({"schema-and-example", kGroup,
                    "has a JSON Schema, and an example that satisfies it", For::kAll, false,
                    schema_and_example});
}

void add_process_check(std::vector<CheckEntry>& checks) {
  checks.push_back({"process-untouched", "instance",
                    "leaves signals, locale, working folder and umask of the process alone",
                    For::kAll, false, process_untouched});
}

}  // namespace viaduct::testing
