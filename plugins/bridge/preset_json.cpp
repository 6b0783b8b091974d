#include "plugins/bridge/preset.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace viaduct::bridge {
namespace {

using nlohmann::json;
using Texts = std::vector<std::string>;

constexpr int kDeepest = 6;  // rules in rules, values in values

struct Bad {
  std::string what;
};

std::string below(const std::string& where, const std::string& key) {
  return where.empty() ? key : where + "." + key;
}
std::string below(const std::string& where, std::size_t index) {
  return where + "[" + std::to_string(index) + "]";
}

// A scalar as the YAML has it.
std::optional<std::string> scalar(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return value.dump();
  return std::nullopt;
}

class Keys {
 public:
  Keys(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) throw Bad{where_ + ": must have keys"};
  }
  std::string at(const std::string& name) const { return below(where_, name); }
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw Bad{at(name) + ": " + what};
  }
  const json* find(const std::string& name) {
    known_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  std::string text(const std::string& name) {
    const json* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_string() || value->get_ref<const std::string&>().find('\0') != std::string::npos)
      fail(name, "must be a text");
    return value->get<std::string>();
  }
  bool flag(const std::string& name) {
    const json* value = find(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(name, "must be true or false");
    return value->get<bool>();
  }
  // A list of texts, or one.
  Texts texts(const std::string& name) {
    const json* value = find(name);
    if (value == nullptr) return {};
    Texts all;
    const auto add = [&](const json& one) {
      auto words = scalar(one);
      if (!words || words->find('\0') != std::string::npos)
        fail(name, "must be a list of texts, such as [--version]");
      all.push_back(*std::move(words));
    };
    if (value->is_array())
      for (const json& one : *value) add(one);
    else
      add(*value);
    return all;
  }
  void finish() const {
    for (const auto& item : object_.items()) {
      if (known_.contains(item.key())) continue;
      std::string names;
      for (const std::string& one : known_) names += (names.empty() ? "" : ", ") + one;
      throw Bad{at(item.key()) + ": unknown key; there are " + names};
    }
  }

 private:
  const json& object_;
  std::string where_;
  std::set<std::string> known_;
};

Pointer parse_pointer(const std::string& text, const std::string& where) {
  Pointer pointer;
  if (text.empty()) return pointer;
  if (text[0] != '/') throw Bad{where + ": \"" + text + "\" is no JSON Pointer such as /a/b"};
  for (std::size_t at = 1; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    std::string token = text.substr(at, end - at);
    for (std::size_t tilde = token.find('~'); tilde != std::string::npos;
         tilde = token.find('~', tilde + 1)) {
      if (tilde + 1 == token.size() || (token[tilde + 1] != '0' && token[tilde + 1] != '1'))
        throw Bad{where + ": in a JSON Pointer ~ is written ~0, and a slash in a name ~1"};
      token.replace(tilde, 2, token[tilde + 1] == '0' ? "~" : "/");
    }
    pointer.push_back(std::move(token));
    at = end + 1;
  }
  return pointer;
}

Value parse_value(const json& given, const std::string& where, int depth = 0) {
  if (depth > kDeepest) throw Bad{where + ": is nested too deeply"};
  Value value;
  if (const auto text = scalar(given)) {
    if (text->empty() || (*text)[0] == '/') {
      value.kind = Value::Kind::kPointer;
      value.pointer = parse_pointer(*text, where);
      return value;
    }
    value.kind = Value::Kind::kText;
    value.text = *text;
    for (std::size_t at = text->find("{/"); at != std::string::npos; at = text->find("{/", at)) {
      const std::size_t end = text->find('}', at);
      if (end == std::string::npos) throw Bad{where + ": a { without its }"};
      parse_pointer(text->substr(at + 1, end - at - 1), where);
      at = end;
    }
    return value;
  }
  const auto list = [&](const json& items, const std::string& place) {
    if (!items.is_array() || items.empty()) throw Bad{place + ": must be a list of pointers"};
    for (std::size_t i = 0; i < items.size(); ++i)
      value.values.push_back(parse_value(items[i], below(place, i), depth + 1));
  };
  if (given.is_array()) {
    value.kind = Value::Kind::kFirst;
    list(given, where);
    return value;
  }
  if (!given.is_object())
    throw Bad{where + ": must be a pointer such as /a/b, a text, a list, {at, map} or {sum}"};
  Keys keys(given, where);
  if (const json* sum = keys.find("sum")) {
    value.kind = Value::Kind::kSum;
    list(*sum, keys.at("sum"));
    keys.finish();
    return value;
  }
  value.kind = Value::Kind::kMap;
  const json* at = keys.find("at");
  if (at == nullptr) keys.fail("at", "must be given: what to look up in `map`");
  value.values.push_back(parse_value(*at, keys.at("at"), depth + 1));
  const json* map = keys.find("map");
  if (map == nullptr || !map->is_object()) keys.fail("map", "must have keys and what they become");
  for (const auto& [from, to] : map->items()) {
    const auto text = scalar(to);
    if (!text) throw Bad{below(keys.at("map"), from) + ": must be a text"};
    value.map.emplace_back(from, *text);
  }
  if (const json* otherwise = keys.find("otherwise")) {
    value.otherwise = scalar(*otherwise);
    if (!value.otherwise) keys.fail("otherwise", "must be a text");
  }
  keys.finish();
  return value;
}

Value value_of(Keys& keys, const std::string& name) {
  const json* given = keys.find(name);
  return given == nullptr ? Value{} : parse_value(*given, keys.at(name));
}

std::vector<Condition> parse_when(const json& given, const std::string& where) {
  if (!given.is_object())
    throw Bad{where + ": must have pointers as keys, such as { /type: result }"};
  std::vector<Condition> when;
  for (const auto& [pointer, wanted] : given.items()) {
    const std::string place = below(where, pointer);
    Condition condition{parse_pointer(pointer, place), {}};
    if (pointer.empty()) throw Bad{where + ": an empty pointer says nothing"};
    const auto add = [&](const json& one) {
      const auto text = scalar(one);
      if (!text) throw Bad{place + ": must be a value, a list of values, \"*\" or null"};
      condition.any_of.push_back(*text);
    };
    if (wanted.is_array()) {
      if (wanted.empty()) throw Bad{place + ": an empty list never holds"};
      for (const json& one : wanted) add(one);
    } else if (!wanted.is_null()) {
      add(wanted);
    }
    when.push_back(std::move(condition));
  }
  return when;
}

std::vector<Rule> parse_rules(const json& given, const std::string& where, int depth);

Rule parse_rule(const json& given, const std::string& where, int depth) {
  if (depth > kDeepest) throw Bad{where + ": is nested too deeply"};
  Keys keys(given, where);
  Rule rule;
  if (const json* when = keys.find("when")) rule.when = parse_when(*when, keys.at("when"));
  rule.each = value_of(keys, "each");
  if (const json* lines = keys.find("lines"))
    rule.rules = parse_rules(*lines, keys.at("lines"), depth + 1);
  if (rule.each && rule.rules.empty()) keys.fail("lines", "must be given, for what `each` finds");
  rule.session = value_of(keys, "session");
  rule.text = value_of(keys, "text");
  rule.text_delta = value_of(keys, "text_delta");
  rule.final_text = value_of(keys, "final_text");
  rule.thought = value_of(keys, "thought");
  rule.thought_delta = value_of(keys, "thought_delta");
  rule.notice = value_of(keys, "notice");
  rule.error = value_of(keys, "error");
  rule.stop = value_of(keys, "stop");
  rule.done = keys.flag("done");
  if (const json* tool = keys.find("tool")) {
    Keys of(*tool, keys.at("tool"));
    rule.tool = ToolRule{value_of(of, "id"),     value_of(of, "title"), value_of(of, "kind"),
                         value_of(of, "status"), value_of(of, "input"), value_of(of, "output")};
    if (!rule.tool->id) of.fail("id", "must be given");
    of.finish();
  }
  if (const json* plan = keys.find("plan")) {
    Keys of(*plan, keys.at("plan"));
    rule.plan = PlanRule{value_of(of, "each"), value_of(of, "content"), value_of(of, "status"),
                         value_of(of, "priority")};
    if (!rule.plan->entries || !rule.plan->content)
      of.fail(rule.plan->entries ? "content" : "each", "must be given");
    of.finish();
  }
  if (const json* usage = keys.find("usage")) {
    Keys of(*usage, keys.at("usage"));
    rule.usage = UsageRule{value_of(of, "input"), value_of(of, "output"), value_of(of, "cached"),
                           value_of(of, "cost"),  of.flag("add"),         of.flag("total")};
    of.finish();
  }
  keys.finish();
  return rule;
}

std::vector<Rule> parse_rules(const json& given, const std::string& where, int depth) {
  if (!given.is_array() || given.empty()) throw Bad{where + ": must be a list of rules"};
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < given.size(); ++i)
    rules.push_back(parse_rule(given[i], below(where, i), depth));
  return rules;
}

bool any_done(const std::vector<Rule>& rules) {
  return std::any_of(rules.begin(), rules.end(),
                     [](const Rule& rule) { return rule.done || any_done(rule.rules); });
}

bool is_variable(const std::string& name) {
  return !name.empty() && name.find_first_of(std::string("=\0", 2)) == std::string::npos;
}

Preset parse(std::string name, const json& given) {
  Keys keys(given, "");
  Preset preset;
  preset.name = std::move(name);
  preset.program = keys.text("program");
  if (preset.program.empty() || preset.program[0] == '-')
    keys.fail("program", "must be given: the agent program, such as claude");
  preset.install = keys.text("install");
  preset.version = keys.texts("version");
  if (const json* login = keys.find("login")) {
    Keys of(*login, "login");
    preset.login = of.texts("check");
    preset.login_says = of.texts("says");
    preset.login_hint = of.text("hint");
    of.finish();
  }
  preset.fresh = keys.texts("new");
  if (keys.find("new") == nullptr) keys.fail("new", "must be given: the arguments of a first turn");
  preset.resume = keys.texts("resume");
  preset.model = keys.texts("model");
  preset.compact = keys.text("compact");
  if (const json* environment = keys.find("environment")) {
    if (!environment->is_object()) keys.fail("environment", "must have names and values");
    for (const auto& [variable, value] : environment->items()) {
      const auto text = scalar(value);
      if (!is_variable(variable) || !text || text->find('\0') != std::string::npos)
        keys.fail("environment." + variable, "must be a name and a text");
      preset.environment.emplace_back(variable, *text);
    }
  }
  preset.keys = keys.texts("keys");
  preset.lost = keys.texts("lost");
  preset.session_files = keys.texts("session_file");
  preset.shares_folders = keys.flag("shares_folders");
  const json* lines = keys.find("lines");
  if (lines == nullptr) keys.fail("lines", "must be given: what its output means");
  preset.lines = parse_rules(*lines, "lines", 0);
  keys.finish();

  for (const auto* list : {&preset.lost, &preset.login_says})
    if (std::find(list->begin(), list->end(), "") != list->end())
      keys.fail(list == &preset.lost ? "lost" : "login.says", "an empty text is in everything");
  const auto names_session = [](const std::string& one) {
    return one.find("{session}") != std::string::npos;
  };
  if (!preset.resume.empty() &&
      std::none_of(preset.resume.begin(), preset.resume.end(), names_session))
    keys.fail("resume", "must have {session} in it");
  if (std::any_of(preset.fresh.begin(), preset.fresh.end(), names_session))
    keys.fail("new", "must not have {session} in it: there is none yet");
  for (const std::string& file : preset.session_files)
    if (!names_session(file) || !(file.starts_with('/') || file.starts_with("~/")))
      keys.fail("session_file", "must begin with / or ~/, and have {session} in it");
  for (const auto* list : {&preset.fresh, &preset.resume})
    for (const std::string& one : *list)
      if (one.find("{prompt}") != std::string::npos)
        keys.fail(list == &preset.fresh ? "new" : "resume",
                  "the prompt goes in by standard input, never as an argument");
  return preset;
}

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

}  // namespace

bool Preset::tells_end() const {
  return any_done(lines);
}

std::vector<std::string> arguments(const Preset& preset, const StartWith& with) {
  std::vector<std::string> all;
  const auto filled = [&with](std::string one) {
    replace_all(one, "{working_dir}", with.working_dir);
    replace_all(one, "{session}", with.session);
    return one;
  };
  for (const std::string& one : with.session.empty() ? preset.fresh : preset.resume) {
    if (one == "{model}") {
      if (with.model.empty()) continue;
      for (std::string part : preset.model) {
        replace_all(part, "{model}", with.model);
        all.push_back(std::move(part));
      }
    } else if (one == "{extra}") {
      all.insert(all.end(), with.extra.begin(), with.extra.end());
    } else {
      all.push_back(filled(one));
    }
  }
  return all;
}

std::string json_text(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::expected<Preset, std::string> parse_preset(std::string name, std::string_view file_json,
                                                std::string_view template_json) {
  json given = file_json.empty() ? json::object() : json::parse(file_json, nullptr, false);
  if (!given.is_object()) return std::unexpected("must have keys, such as program and lines");
  if (!template_json.empty()) {
    const json over = json::parse(template_json, nullptr, false);
    if (!over.is_object()) return std::unexpected("template: must have keys, such as program");
    given.merge_patch(over);
  }
  try {
    return parse(std::move(name), given);
  } catch (const Bad& bad) {
    return std::unexpected(bad.what);
  }
}

}  // namespace viaduct::bridge
