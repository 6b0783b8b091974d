// How a command says that it failed: in words on stderr, or, with --json, as one JSON object on
// stdout: {"error": {"code", "message"}}, with "errors" (file, line, column, message) when it is
// the configuration. Any thread.
#pragma once

#include "host/config/config.hpp"
#include "host/error.hpp"

#include <vector>

namespace viaduct::cli {

void print_error(bool as_json, const Error& error);
void print_errors(bool as_json, const std::vector<config::Diagnostic>& diagnostics);

}  // namespace viaduct::cli
