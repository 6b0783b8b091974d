#include "host/config/references.hpp"

#include "host/config/values.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace viaduct::config {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLargestFile = 64 << 10;

struct Reference {
  bool file = false;
  std::string name;  // of the variable, or the path
  std::optional<std::string> fallback;
};

bool is_variable(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
         std::string_view::npos;
}

// `body` is what stands between "${" and "}".
Result<Reference> parse_reference(std::string_view body) {
  const std::string written = "${" + std::string(body) + "}";
  if (body.starts_with("file:")) {
    if (body.size() == 5) return fail(Errc::invalid_argument, written + " names no file");
    return Reference{true, std::string(body.substr(5)), std::nullopt};
  }
  if (body.starts_with("env:")) {
    Reference reference;
    std::string_view name = body.substr(4);
    if (const auto dash = name.find(":-"); dash != std::string_view::npos) {
      reference.fallback = std::string(name.substr(dash + 2));
      name = name.substr(0, dash);
    }
    reference.name = name;
    if (is_variable(name)) return reference;
    return fail(Errc::invalid_argument, "${env:" + std::string(name) +
                                            "…} has no name of a variable; expected ${env:NAME} or "
                                            "${env:NAME:-default}");
  }
  std::string message =
      "unknown reference; expected ${env:NAME}, ${env:NAME:-default} or "
      "${file:PATH}, and $${ for the characters themselves";
  if (is_variable(body))
    message = "unknown reference " + written + "; did you mean ${env:" + std::string(body) +
              "}? ($${ stands for the characters themselves)";
  return fail(Errc::invalid_argument, std::move(message));
}

Result<std::string> read_secret_file(const std::string& written, const std::string& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status))
    return fail(Errc::not_found, written + ": there is no file " + in_quotes(path));
  if (!fs::is_regular_file(status))
    return fail(Errc::invalid_argument, written + ": " + in_quotes(path) + " is not a file");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(kLargestFile + 1, '\0');
  if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad())
    return fail(Errc::unavailable, written + ": cannot read " + in_quotes(path) + ": " +
                                       std::strerror(errno != 0 ? errno : EIO));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kLargestFile)
    return fail(Errc::invalid_argument,
                written + ": " + in_quotes(path) + " is larger than 64 KiB");
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return fail(Errc::not_found, written + ": " + in_quotes(path) + " is empty");
  if (invalid_utf8(text) || text.find('\0') != std::string::npos)
    return fail(Errc::invalid_argument, written + ": " + in_quotes(path) + " is not UTF-8 text");
  return text;
}

struct Filled {
  std::string text;
  bool fallback = false;
};

Result<Filled> fill_in(const Reference& reference, const Surroundings& surroundings) {
  if (reference.file) {
    const std::string written = "${file:" + reference.name + "}";
    auto path = absolute_path(reference.name, surroundings);
    if (!path) return std::unexpected(path.error());
    auto text = read_secret_file(written, *path);
    if (!text) return std::unexpected(text.error());
    return Filled{std::move(*text), false};
  }
  bool is_empty = false;
  if (surroundings.environment) {
    auto value = surroundings.environment(reference.name);
    if (value && invalid_utf8(*value))
      return fail(Errc::invalid_argument,
                  "${env:" + reference.name + "}: the value of the variable is not UTF-8 text");
    if (value && !value->empty()) return Filled{std::move(*value), false};
    is_empty = value.has_value();
  }
  if (reference.fallback) return Filled{*reference.fallback, true};
  return fail(Errc::not_found, "the environment variable " + reference.name +
                                   (is_empty ? " is empty" : " is not set") +
                                   "; set it, or write ${env:" + reference.name + ":-default}");
}

// What stands below these keys ends on a command line.
bool is_command_key(std::string_view key) {
  return key == "command" || key == "program" || key == "arguments" || key == "template";
}

class Filler {
 public:
  Filler(const Surroundings& surroundings, Report& report)
      : surroundings_(surroundings), report_(report) {}

  // `secret`: below a key whose name says so. `command`: … that makes a command line.
  void fill(Node& node, bool secret, bool command) {
    for (Node& item : node.items) fill(item, secret, command);
    for (Entry& entry : node.entries) {
      if (entry.key.find("${") != std::string::npos)
        report_.add(entry.line, entry.column,
                    "references are filled in values only, not in the key " + in_quotes(entry.key));
      fill(entry.value, secret || is_secret_key(entry.key), command || is_command_key(entry.key));
    }
    if (node.kind == Node::Kind::scalar) scalar(node, secret, command);
  }

 private:
  void scalar(Node& node, bool secret, bool command) {
    const std::string text = std::move(node.text);
    node.text.clear();
    std::size_t at = 0;
    for (;;) {
      const auto dollar = text.find("${", at);
      node.text.append(text, at, dollar - at);
      if (dollar == std::string::npos) break;
      if (dollar > at && text[dollar - 1] == '$') {
        node.text.pop_back();
        node.text += "${";
        at = dollar + 2;
        continue;
      }
      const auto end = text.find('}', dollar);
      if (end == std::string::npos) {
        problem(node, "a reference without its closing \"}\"");
        break;
      }
      replace(node, text.substr(dollar, end + 1 - dollar), secret, command);
      at = end + 1;
    }
    // Literals under such a key are hidden, too, but for counts such as max_tokens.
    if (secret && !(node.plain && scalar_type(node.text) != ScalarType::string)) {
      node.secret = true;
      node.secrets.push_back(node.text);
    }
  }

  void replace(Node& node, const std::string& written, bool secret, bool command) {
    auto reference = parse_reference(std::string_view(written).substr(2, written.size() - 3));
    if (!reference) return problem(node, reference.error().message);
    const bool names_secret = reference->file || secret || is_secret_variable(reference->name);
    if (command && names_secret) {
      return problem(node,
                     "a secret in a command could be seen by everybody on this machine; give " +
                         std::string(reference->file ? "the file's path" : "it") +
                         " to the program by its environment");
    }
    auto filled = fill_in(*reference, surroundings_);
    if (!filled) {
      const bool unset = !reference->file && filled.error().code == Errc::not_found;
      node.broken = true;
      return report_.add(node, filled.error().message, unset ? reference->name : "");
    }
    node.referenced = true;
    if (names_secret && !filled->fallback) {
      node.secret = true;
      node.secrets.push_back(filled->text);
    }
    node.references[written] = filled->text;
    if (!node.written.empty()) node.written += ' ';
    node.written += reference->file    ? written
                    : filled->fallback ? "${env:" + reference->name + "} is not set: default"
                                       : "${env:" + reference->name + "}";
    node.text += filled->text;
  }

  void problem(Node& node, std::string message) {
    node.broken = true;
    report_.add(node, std::move(message));
  }

  const Surroundings& surroundings_;
  Report& report_;
};

}  // namespace

void fill_references(Node& root, const Surroundings& surroundings, Report& report) {
  Filler(surroundings, report).fill(root, false, false);
}

Result<std::string> read_reference(const std::string& written, const Surroundings& surroundings) {
  if (!written.starts_with("${") || !written.ends_with('}'))
    return fail(Errc::invalid_argument, in_quotes(written) + " is not a reference");
  const auto reference = parse_reference(std::string_view(written).substr(2, written.size() - 3));
  if (!reference) return std::unexpected(reference.error());
  auto filled = fill_in(*reference, surroundings);
  if (!filled) return std::unexpected(filled.error());
  return std::move(filled->text);
}

Result<std::string> absolute_path(std::string_view path, const Surroundings& surroundings) {
  if (path.empty()) return fail(Errc::invalid_argument, "the path is empty");
  if (path.find('\0') != std::string_view::npos)
    return fail(Errc::invalid_argument, "the path has a NUL in it");
  if (path == "~" || path.starts_with("~/")) {
    const auto home = surroundings.environment ? surroundings.environment("HOME") : std::nullopt;
    if (!home || !home->starts_with('/'))
      return fail(Errc::failed_precondition,
                  "\"~\" stands for the home folder, but the environment variable HOME is not set");
    return (fs::path(*home) / path.substr(path.size() > 1 ? 2 : 1)).lexically_normal().string();
  }
  return (fs::path(surroundings.folder) / path).lexically_normal().string();
}

}  // namespace viaduct::config
