// Preset files: YAML to JSON, nothing else. What the keys mean is preset_json.cpp's business.
#include "plugins/bridge/preset.hpp"

#include <yaml-cpp/yaml.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <utility>

namespace viaduct::bridge {
namespace {

constexpr std::size_t kLargestFile = 256 << 10;
constexpr int kDeepest = 32;
constexpr std::size_t kLargestJson = 1 << 20;  // aliases can make more of little

struct Bad {
  YAML::Mark at;
  std::string what;
};

bool is_number(const std::string& text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t begin = at;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return at > begin && at == text.size() && at - begin < 18 &&
         (text[begin] != '0' || at == begin + 1);
}

void scalar(const YAML::Node& node, std::string& out) {
  const std::string& text = node.Scalar();
  const bool plain = node.Tag() == "?";
  if (plain && (text == "true" || text == "false" || is_number(text)))
    out += text;
  else
    out += json_text(text);
}

void convert(const YAML::Node& node, int depth, std::string& out) {
  if (depth > kDeepest) throw Bad{node.Mark(), "is nested too deeply"};
  if (out.size() > kLargestJson) throw Bad{node.Mark(), "the file becomes too large"};
  if (node.IsSequence()) {
    out += '[';
    bool first = true;
    for (const YAML::Node& item : node) {
      if (!std::exchange(first, false)) out += ',';
      convert(item, depth + 1, out);
    }
    out += ']';
  } else if (node.IsMap()) {
    out += '{';
    std::set<std::string> known;
    for (const auto& entry : node) {
      const YAML::Node& key = entry.first;
      if (!key.IsScalar()) throw Bad{key.Mark(), "a key must be a text"};
      if (!known.insert(key.Scalar()).second)
        throw Bad{key.Mark(), "the key \"" + key.Scalar() + "\" is there twice"};
      if (known.size() > 1) out += ',';
      out += json_text(key.Scalar()) + ":";
      convert(entry.second, depth + 1, out);
    }
    out += '}';
  } else if (node.IsScalar()) {
    scalar(node, out);
  } else {
    out += "null";
  }
}

}  // namespace

std::expected<std::string, std::string> read_preset_file(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(kLargestFile + 1, '\0');
  if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad())
    return std::unexpected(path + ": cannot be read: " + std::strerror(errno != 0 ? errno : EIO));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kLargestFile) return std::unexpected(path + ": is larger than 256 KiB");
  const auto place = [&path](const YAML::Mark& at) {
    if (at.is_null()) return path + ": ";
    return path + ":" + std::to_string(at.line + 1) + ":" + std::to_string(at.column + 1) + ": ";
  };
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) throw Bad{root.Mark(), "must have keys, such as program and lines"};
    std::string json;
    convert(root, 0, json);
    return json;
  } catch (const Bad& bad) {
    return std::unexpected(place(bad.at) + bad.what);
  } catch (const YAML::Exception& error) {
    return std::unexpected(place(error.mark) + error.msg);
  }
}

}  // namespace viaduct::bridge
