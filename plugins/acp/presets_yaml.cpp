// The known agents: presets.yaml.
#include "plugins/acp/config.hpp"

#include <yaml-cpp/yaml.h>
#include <set>

namespace viaduct::acp {
namespace {

struct Bad {
  YAML::Mark at;
  std::string what;
};

std::string text(const YAML::Node& node, const std::string& name) {
  if (!node.IsScalar() || node.Scalar().empty())
    throw Bad{node.Mark(), name + ": must be a text that is not empty"};
  return node.Scalar();
}

// Calls each(key, value) for each pair of a map, whose keys are different.
template <class Each>
void for_each(const YAML::Node& node, const std::string& name, Each each) {
  if (!node.IsMap()) throw Bad{node.Mark(), name + ": must have keys"};
  std::set<std::string> known;
  for (const auto& pair : node) {
    const std::string key = text(pair.first, name);
    if (!known.insert(key).second)
      throw Bad{pair.first.Mark(), name + ": \"" + key + "\" is there twice"};
    each(key, pair.second, pair.first.Mark());
  }
}

Preset parse_preset(const YAML::Node& node, const std::string& name) {
  Preset preset;
  for_each(node, name, [&](const std::string& key, const YAML::Node& value, YAML::Mark at) {
    const std::string where = name + "." + key;
    if (key == "command") {
      if (!value.IsSequence() || value.size() == 0)
        throw Bad{value.Mark(), where + ": must be a list of the program and its arguments"};
      for (const YAML::Node& one : value) preset.command.push_back(text(one, where));
    } else if (key == "install") {
      preset.install = text(value, where);
    } else if (key == "login") {
      preset.login = text(value, where);
    } else if (key == "auth_method") {
      preset.auth_method = text(value, where);
    } else if (key == "env" || key == "key_logins") {
      auto& all = key == "env" ? preset.environment : preset.key_logins;
      for_each(value, where, [&](const std::string& variable, const YAML::Node& given, YAML::Mark) {
        all.emplace_back(variable, text(given, where + "." + variable));
      });
    } else if (key == "share") {
      if (value.as<std::string>("") != "true" && value.as<std::string>("") != "false")
        throw Bad{value.Mark(), where + ": must be true or false"};
      preset.share = value.as<bool>();
    } else {
      throw Bad{at, where + ": unknown key"};
    }
  });
  for (const auto& [key, missing] :
       {std::pair("command", preset.command.empty()), std::pair("install", preset.install.empty()),
        std::pair("login", preset.login.empty())})
    if (missing) throw Bad{node.Mark(), name + "." + key + ": must be given"};
  return preset;
}

}  // namespace

std::expected<Presets, std::string> parse_presets(const std::string& yaml) {
  const auto place = [](const YAML::Mark& at) {
    if (at.is_null()) return std::string();
    return std::to_string(at.line + 1) + ":" + std::to_string(at.column + 1) + ": ";
  };
  try {
    Presets presets;
    for_each(YAML::Load(yaml), "presets",
             [&](const std::string& name, const YAML::Node& node, YAML::Mark) {
               presets.emplace(name, parse_preset(node, name));
             });
    return presets;
  } catch (const Bad& bad) {
    return std::unexpected(place(bad.at) + bad.what);
  } catch (const YAML::Exception& error) {
    return std::unexpected(place(error.mark) + error.msg);
  }
}

}  // namespace viaduct::acp
