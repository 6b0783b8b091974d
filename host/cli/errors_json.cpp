#include "host/cli/errors.hpp"

#include <nlohmann/json.hpp>

#include <iostream>

namespace viaduct::cli {
namespace {

using nlohmann::json;

json shape(const Error& error) {
  return {{"error", {{"code", name(error.code)}, {"message", error.message}}}};
}

void print_json(const json& value) {
  std::cout << value.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
}

}  // namespace

void print_error(bool as_json, const Error& error) {
  if (as_json)
    print_json(shape(error));
  else
    std::cerr << error.message << '\n';
}

void print_errors(bool as_json, const std::vector<config::Diagnostic>& diagnostics) {
  Error all{Errc::invalid_argument, ""};
  json places = json::array();
  for (const auto& d : diagnostics) {
    all.message += (all.message.empty() ? "" : "\n") + d.text();
    places.push_back(
        {{"file", d.file}, {"line", d.line}, {"column", d.column}, {"message", d.message}});
  }
  if (!as_json) return print_error(false, all);
  json whole = shape(all);
  whole["errors"] = std::move(places);
  print_json(whole);
}

}  // namespace viaduct::cli
