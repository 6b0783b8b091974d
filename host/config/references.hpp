// ${env:NAME}, ${env:NAME:-default} and ${file:PATH} in the values of a configuration. Any thread.
#pragma once

#include "host/config/config.hpp"
#include "host/config/yaml.hpp"

#include <functional>
#include <optional>
#include <string>

namespace viaduct::config {

using Environment = std::function<std::optional<std::string>(const std::string&)>;

// What references are read with.
struct Surroundings {
  std::string folder;  // of the YAML file; relative paths begin there
  Environment environment;
};

// Replaces the references in every scalar below `root`, and marks what is secret. A variable that
// is empty counts as not set. "$${" stands for "${".
void fill_references(Node& root, const Surroundings& surroundings, Report& report);

// What one reference, as written, stands for now.
Result<std::string> read_reference(const std::string& written, const Surroundings& surroundings);

// "~/x", "x" and "/x" as an absolute path.
Result<std::string> absolute_path(std::string_view path, const Surroundings& surroundings);

}  // namespace viaduct::config
