// A configuration file in a folder of its own, with an environment and plugins made up.
#pragma once

#include "host/config/config.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::config {

inline constexpr const char* kMockSchema = R"({
  "type": "object",
  "properties": {
    "record": {"type": "string", "minLength": 1},
    "chunk_delay": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$", "default": "0ms"},
    "words": {"type": "integer", "minimum": 1, "maximum": 100},
    "loud": {"type": "boolean"},
    "api_key": {"type": "string"},
    "command": {"type": "array", "items": {"type": "string"}},
    "env": {"type": "object", "additionalProperties": {"type": "string"}},
    "rules": {"type": "array", "items": {
      "type": "object", "required": ["match"], "additionalProperties": false,
      "properties": {
        "match": {"type": "string"},
        "reply": {"type": "string"},
        "fail": {"enum": ["session_dead", "unavailable", "internal"]}
      }}}
  },
  "additionalProperties": false
})";
inline constexpr const char* kTitleSchema = R"({
  "type": "object",
  "properties": {"title": {"type": "string"}},
  "additionalProperties": false
})";
inline constexpr const char* kNothingSchema =
    R"({"type": "object", "additionalProperties": false})";

class ConfigFixture : public testing::Test {
 protected:
  ConfigFixture() {
    std::string name = (std::filesystem::temp_directory_path() / "viaduct-config-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = std::filesystem::canonical(name);
    environment_["HOME"] = "/home/alice";
    plugins_["mock"] = {kMockSchema, false};
    plugins_["web_chat"] = {kTitleSchema, true};
    plugins_["settings"] = {kNothingSchema, true};
  }
  ~ConfigFixture() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  Loaded load(std::string_view yaml) {
    write("viaduct.yaml", yaml);
    LoadOptions options;
    options.file = (folder_ / "viaduct.yaml").string();
    options.installed_plugins = "/installed";
    options.find_plugin = [this](const std::string& plugin, const std::vector<std::string>&,
                                 std::string& why) -> std::optional<PluginFacts> {
      const auto found = plugins_.find(plugin);
      if (found != plugins_.end()) return found->second;
      why = "there is no " + plugin + ".so";
      return std::nullopt;
    };
    options.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found != environment_.end() ? std::optional(found->second) : std::nullopt;
    };
    return config::load(options);
  }

  // Every error as "line:column: message", one to a line.
  std::string errors(std::string_view yaml) {
    std::string text;
    for (const Diagnostic& d : load(yaml).diagnostics)
      text += std::to_string(d.line) + ":" + std::to_string(d.column) + ": " + d.message + "\n";
    return text;
  }

  // The configuration of a file that has no errors.
  Config good(std::string_view yaml) {
    Loaded loaded = load(yaml);
    for (const Diagnostic& d : loaded.diagnostics) ADD_FAILURE() << d.text();
    return std::move(loaded.config);
  }

  // The `config:` of the backend "echo", given as YAML of one line.
  std::string echo(const std::string& config) {
    const Config loaded = good("backends: { echo: { plugin: mock, config: " + config + " } }\n");
    return loaded.backends.empty() ? "" : loaded.backends.front().config;
  }

  static const Origin* origin(const Config& config, std::string_view path) {
    for (const Origin& origin : config.origins)
      if (origin.path == path) return &origin;
    return nullptr;
  }

  std::filesystem::path folder_;
  std::map<std::string, std::string> environment_;
  std::map<std::string, PluginFacts> plugins_;
};

}  // namespace viaduct::config
