#include "host/config/plugin_config.hpp"

#include "host/config/values.hpp"

#include <fmt/format.h>

#include <stdexcept>
// A pattern or a schema that RapidJSON did not foresee must not end the process.
#define RAPIDJSON_ASSERT(x) ((x) ? static_cast<void>(0) : throw std::logic_error("RapidJSON: " #x))
#ifdef __clang__  // RapidJSON adds to null pointers, harmlessly
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/document.h>
#include <rapidjson/internal/regex.h>
#include <rapidjson/schema.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace viaduct::config {

namespace {

using nlohmann::json;

// ---------------------------------------------------------------- the schema itself

const std::set<std::string>& known_keywords() {
  static const std::set<std::string> kKnown{"type",
                                            "properties",
                                            "required",
                                            "additionalProperties",
                                            "enum",
                                            "items",
                                            "minItems",
                                            "maxItems",
                                            "uniqueItems",
                                            "minimum",
                                            "maximum",
                                            "exclusiveMinimum",
                                            "multipleOf",
                                            "exclusiveMaximum",
                                            "minLength",
                                            "maxLength",
                                            "pattern",
                                            "minProperties",
                                            "maxProperties",
                                            "oneOf",
                                            "anyOf",
                                            "allOf",
                                            "not",
                                            "title",
                                            "description",
                                            "default",
                                            "examples",
                                            "$schema",
                                            "id",
                                            "$comment",
                                            "x-credential",
                                            "x-expects",
                                            "x-folder",
                                            "x-route",
                                            "x-secret",
                                            "x-wanted"};
  return kKnown;
}

bool is_type_name(const json& name) {
  static const std::set<std::string> kTypes{"null",   "boolean", "object", "array",
                                            "string", "integer", "number"};
  return name.is_string() && kTypes.contains(name.get<std::string>());
}

std::string pattern_fault(const std::string& pattern) {
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '\\') {
      if (pattern.compare(at, 2, "(?") == 0) return "\"(?\" in a pattern is not supported";
      const bool repeats =
          pattern[at] == '*' || pattern[at] == '+' || pattern[at] == '?' || pattern[at] == '}';
      if (repeats && at + 1 < pattern.size() && (pattern[at + 1] == '?' || pattern[at + 1] == '+'))
        return "non-greedy and possessive repeats in a pattern are not supported";
      continue;
    }
    ++at;
    if (at == pattern.size() ||
        std::string_view("^$|()?*+.[]{}\\fnrtv").find(pattern[at]) == std::string_view::npos)
      return fmt::format("the pattern {} uses an escape that is not supported", in_quotes(pattern));
  }
  bool fine = false;
  try {
    fine = rapidjson::internal::GenericRegex<rapidjson::UTF8<>>(pattern.c_str()).IsValid();
  } catch (const std::logic_error&) {
  }
  return fine ? "" : fmt::format("the pattern {} cannot be read", in_quotes(pattern));
}

std::string fault_at(const json& schema, const std::string& path);

std::string fault_of_each(const json& schemas, const std::string& path) {
  for (const auto& [name, schema] : schemas.items())
    if (auto fault = fault_at(schema, path + "/" + name); !fault.empty()) return fault;
  return {};
}

bool is_count(const json& value) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() < (1u << 31);
}

// What is wrong with the value of one keyword.
std::string keyword_fault(const std::string& keyword, const json& value, const std::string& at) {
  const auto expect = [&](bool fine, std::string_view what) {
    return fine ? std::string() : fmt::format("{} must be {}", at, what);
  };
  if (keyword == "type") {
    const bool list =
        value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), is_type_name);
    return expect(list || is_type_name(value), "the name of a type or a list of such");
  }
  if (keyword == "properties") {
    if (!value.is_object()) return expect(false, "an object");
    return fault_of_each(value, at);
  }
  if (keyword == "required")
    return expect(value.is_array() && !value.empty() &&
                      std::all_of(value.begin(), value.end(),
                                  [](const json& name) { return name.is_string(); }),
                  "a list of names");
  if (keyword == "enum")
    return expect(value.is_array() && !value.empty(), "a list with something in it");
  if (keyword == "additionalProperties" && value.is_boolean()) return {};
  if (keyword == "additionalProperties" || keyword == "items" || keyword == "not")
    return fault_at(value, at);
  if (keyword == "oneOf" || keyword == "anyOf" || keyword == "allOf") {
    if (!value.is_array() || value.empty()) return expect(false, "a list of schemas");
    return fault_of_each(value, at);
  }
  if (keyword == "x-expects" || keyword == "x-wanted") return expect(value.is_string(), "a string");
  if (keyword == "uniqueItems" || keyword == "exclusiveMinimum" || keyword == "exclusiveMaximum" ||
      keyword == "x-credential" || keyword == "x-folder" || keyword == "x-secret")
    return expect(value.is_boolean(), "true or false");
  if (keyword == "x-route")
    return expect(value.is_object() && value.value("path", json()).is_string() &&
                      value.value("unless", json::object()).is_object(),
                  "an object with a path");
  if (keyword == "minimum" || keyword == "maximum") return expect(value.is_number(), "a number");
  if (keyword == "multipleOf")
    return expect(value.is_number() && value.get<double>() > 0, "a number above 0");
  if (keyword.starts_with("min") || keyword.starts_with("max"))
    return expect(is_count(value), "a count");
  if (keyword == "pattern") {
    if (!value.is_string()) return expect(false, "a string");
    const auto fault = pattern_fault(value.get<std::string>());
    return fault.empty() ? fault : at + ": " + fault;
  }
  return {};
}

std::string fault_at(const json& schema, const std::string& path) {
  if (!schema.is_object())
    return fmt::format("{} must be a schema, which is an object", path.empty() ? "it" : path);
  for (const auto& [keyword, value] : schema.items()) {
    if (!known_keywords().contains(keyword))
      return fmt::format("{}/{} is not a keyword that Viaduct checks", path, in_quotes(keyword));
    if (auto fault = keyword_fault(keyword, value, path + "/" + keyword); !fault.empty())
      return fault;
  }
  return {};
}

// Puts what a schema refers to in its place; an error in words.
std::string expand(json& schema, const json& definitions, int depth) {
  if (depth > 40) return "its definitions refer to themselves, or it is nested too deeply";
  if (schema.is_array()) {
    for (json& item : schema)
      if (auto fault = expand(item, definitions, depth + 1); !fault.empty()) return fault;
  }
  if (!schema.is_object()) return {};
  if (const auto reference = schema.find("$ref");
      reference != schema.end() && reference->is_string()) {
    constexpr std::string_view kPrefix = "#/definitions/";
    const auto path = reference->get<std::string>();
    if (!path.starts_with(kPrefix) || !definitions.contains(path.substr(kPrefix.size())))
      return fmt::format("\"$ref\" cannot be {}; expected #/definitions/… and a name that is there",
                         in_quotes(path));
    json target = definitions[path.substr(kPrefix.size())];
    if (!target.is_object()) return fmt::format("{} must be a schema, which is an object", path);
    for (const char* note : {"title", "description", "default", "x-credential", "x-expects",
                             "x-folder", "x-secret", "x-wanted"})
      if (schema.contains(note)) target[note] = schema[note];
    schema = std::move(target);
    return expand(schema, definitions, depth + 1);
  }
  for (auto& [key, value] : schema.items()) {
    if (key == "enum" || key == "default" || key == "examples" || key == "x-route") continue;
    if (key == "properties" && value.is_object()) {  // whose keys are no keywords
      for (json& property : value)
        if (auto fault = expand(property, definitions, depth + 1); !fault.empty()) return fault;
      continue;
    }
    if (auto fault = expand(value, definitions, depth + 1); !fault.empty()) return fault;
  }
  return {};
}

// ---------------------------------------------------------------- validation

// The keyword that `instance` breaks; empty: none.
std::string broken_keyword(const json& schema, const json& instance) {
  rapidjson::Document schema_document;
  schema_document.Parse(schema.dump().c_str());
  rapidjson::Document document;
  document.Parse(instance.dump().c_str());
  const rapidjson::SchemaDocument compiled(schema_document);
  rapidjson::SchemaValidator validator(compiled);
  if (document.Accept(validator)) return {};
  const char* keyword = validator.GetInvalidSchemaKeyword();
  return keyword != nullptr ? keyword : "type";
}

// The schema of one key of a map, also where a branch of anyOf and the like has it.
const json* child_schema(const json& schema, const std::string& key) {
  if (const auto properties = schema.find("properties"); properties != schema.end())
    if (const auto found = properties->find(key); found != properties->end()) return &*found;
  for (const char* branches : {"anyOf", "oneOf", "allOf"})
    if (const auto list = schema.find(branches); list != schema.end())
      for (const json& branch : *list)
        if (const json* found = child_schema(branch, key)) return found;
  const auto rest = schema.find("additionalProperties");
  return rest != schema.end() && rest->is_object() ? &*rest : nullptr;
}

const json* item_schema(const json& schema) {
  if (const auto items = schema.find("items"); items != schema.end()) return &*items;
  for (const char* branches : {"anyOf", "oneOf", "allOf"})
    if (const auto list = schema.find(branches); list != schema.end())
      for (const json& branch : *list)
        if (const json* found = item_schema(branch)) return found;
  return nullptr;
}

void collect_types(const json& schema, std::set<std::string>& types) {
  if (const auto type = schema.find("type"); type != schema.end()) {
    if (type->is_string()) types.insert(type->get<std::string>());
    if (type->is_array())
      for (const json& name : *type) types.insert(name.get<std::string>());
  }
  for (const char* branches : {"anyOf", "oneOf", "allOf"})
    if (const auto list = schema.find(branches); list != schema.end())
      for (const json& branch : *list) collect_types(branch, types);
}

json number(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const int base = digits.starts_with("0x") ? 16 : digits.starts_with("0o") ? 8 : 10;
  if (base != 10) digits.remove_prefix(2);
  const char* const end = digits.data() + digits.size();
  std::int64_t integer = 0;
  if (auto r = std::from_chars(digits.data(), end, integer, base);
      r.ec == std::errc() && r.ptr == end)
    return integer;
  std::uint64_t large = 0;
  if (auto r = std::from_chars(digits.data(), end, large, base);
      r.ec == std::errc() && r.ptr == end)
    return large;
  double real = 0;
  if (auto r = std::from_chars(digits.data(), end, real);
      base == 10 && r.ec == std::errc() && r.ptr == end && std::isfinite(real))
    return real;
  return nullptr;  // not to be had in JSON
}

json scalar(std::string_view text) {
  switch (scalar_type(text)) {
    case ScalarType::null: return nullptr;
    case ScalarType::boolean: return text[0] == 't' || text[0] == 'T';
    case ScalarType::integer:
    case ScalarType::number: return number(text);
    case ScalarType::string: break;
  }
  return std::string(text);
}

std::string type_in_words(const std::string& type) {
  if (type == "null") return "nothing";
  if (type == "boolean") return "true or false";
  if (type == "object") return "a map";
  if (type == "array") return "a list";
  if (type == "integer") return "a whole number";
  return "a " + type;
}

// The words that a text may be, of each form that has some.
void collect_words(const json& schema, std::vector<std::string>& words) {
  for (const json& word : schema.value("enum", json::array()))
    if (word.is_string()) words.push_back(word.get<std::string>());
  for (const char* branches : {"anyOf", "oneOf", "allOf"})
    if (const auto list = schema.find(branches); list != schema.end())
      for (const json& branch : *list) collect_words(branch, words);
}

std::string type_in_words(const json& schema) {
  std::set<std::string> types;
  collect_types(schema, types);
  if (types.contains("number")) types.erase("integer");
  std::string text;
  std::vector<std::string> words;
  collect_words(schema, words);
  for (const std::string& word : words) text += (text.empty() ? "" : " or ") + in_quotes(word);
  for (const std::string& type : types) text += (text.empty() ? "" : " or ") + type_in_words(type);
  return text.empty() ? "something else" : text;
}

class Checker {
 public:
  Checker(std::string path, std::string file, Report& report, std::vector<Origin>& origins)
      : path_(std::move(path)), file_(std::move(file)), report_(report), origins_(origins) {}

  json to_json(const Node& node, const json* schema, const std::string& path) {
    switch (node.kind) {
      case Node::Kind::null: origin(node, path, "null"); return nullptr;
      case Node::Kind::list: {
        json list = json::array();
        const json* items = schema != nullptr ? item_schema(*schema) : nullptr;
        for (std::size_t i = 0; i < node.items.size(); ++i)
          list.push_back(to_json(node.items[i], items, fmt::format("{}[{}]", path, i)));
        return list;
      }
      case Node::Kind::map: {
        json map = json::object();
        for (const Entry& entry : node.entries)
          map[entry.key] =
              to_json(entry.value, schema != nullptr ? child_schema(*schema, entry.key) : nullptr,
                      path.empty() ? entry.key : path + "." + entry.key);
        return map;
      }
      case Node::Kind::scalar: break;
    }
    json value = node.text;
    if (node.referenced) {
      std::set<std::string> types;
      if (schema != nullptr) collect_types(*schema, types);
      if (!types.empty() && !types.contains("string")) {
        json typed = scalar(node.text);
        const bool wanted = (typed.is_boolean() && types.contains("boolean")) ||
                            (typed.is_number_integer() && types.contains("integer")) ||
                            (typed.is_number() && types.contains("number"));
        if (wanted) value = std::move(typed);
      }
    } else if (node.plain) {
      value = scalar(node.text);
      if (value.is_null() && scalar_type(node.text) != ScalarType::null)
        report_.add(node,
                    fmt::format("{}: {} is not a number that JSON has", whole(path), shown(node)));
    }
    origin(node, path, value.dump());
    return value;
  }

  // Everything of `instance`, which `node` became, that is against `schema`.
  void check(const json& schema, const json& instance, const Node& node, const std::string& path) {
    if (node.broken) return;
    const std::size_t before = report_.size();
    json rest = schema;  // what this function does not see to itself
    if (instance.is_object()) {
      check_map(schema, instance, node, path);
      for (const char* keyword : {"properties", "required", "additionalProperties"})
        rest.erase(keyword);
    } else if (instance.is_array()) {
      if (const auto items = schema.find("items"); items != schema.end())
        for (std::size_t i = 0; i < instance.size(); ++i)
          check(*items, instance[i], node.items[i], fmt::format("{}[{}]", path, i));
      rest.erase("items");
    }
    if (has_broken(node)) return;
    const std::string keyword = broken_keyword(rest, instance);
    if (keyword.empty()) return;
    // What is missing is so, whatever else is wrong.
    const bool forms = keyword == "anyOf" || keyword == "oneOf";
    if (forms && is_required_only(schema.at(keyword)))
      return complain(keyword, rest, instance, node, path);
    if (forms &&
        (report_.size() > before || check_likely(schema.at(keyword), instance, node, path)))
      return;
    complain(keyword, rest, instance, node, path);
  }

 private:
  void check_map(const json& schema, const json& instance, const Node& node,
                 const std::string& path) {
    const json properties = schema.value("properties", json::object());
    std::vector<std::string> names;
    for (const auto& [name, ignored] : properties.items()) names.push_back(name);
    const auto more = schema.find("additionalProperties");
    for (const Entry& entry : node.entries) {
      const std::string below = path.empty() ? entry.key : path + "." + entry.key;
      if (properties.contains(entry.key)) {
        check(properties[entry.key], instance[entry.key], entry.value, below);
      } else if (more != schema.end() && more->is_object()) {
        check(*more, instance[entry.key], entry.value, below);
      } else if (more != schema.end() && *more == false) {
        std::vector<std::string> free;
        for (const std::string& name : names)
          if (!instance.contains(name)) free.push_back(name);
        static const std::set<std::string> kBeside{"plugin", "backend", "backends", "config"};
        const bool one_level_up = path.empty() && kBeside.contains(entry.key);
        report_.add(entry.line, entry.column,
                    fmt::format("unknown key {}{}{}", in_quotes(entry.key), in(path),
                                one_level_up ? "; it belongs beside \"plugin\", one level up"
                                             : hint(entry.key, free)));
      }
    }
    for (const json& name : schema.value("required", json::array()))
      if (!instance.contains(name.get<std::string>()))
        report_.add(node,
                    fmt::format("{} is missing{}", in_quotes(name.get<std::string>()), in(path)));
  }

  // Forms that say nothing but which keys each has.
  static bool is_required_only(const json& branches) {
    return std::ranges::all_of(branches, [](const json& branch) {
      return branch.size() == 1 && branch.contains("required");
    });
  }

  // How far the instance is from the branch: constants that it contradicts, then other enums that
  // it contradicts and keys that the branch does not know.
  static std::pair<int, int> distance(const json& branch, const json& instance) {
    std::pair<int, int> far{0, 0};
    if (!instance.is_object()) return far;
    const json properties = branch.value("properties", json::object());
    const bool closed = branch.value("additionalProperties", json()) == json(false);
    for (const auto& [name, value] : instance.items()) {
      const auto property = properties.find(name);
      if (property == properties.end()) {
        if (closed) ++far.second;
        continue;
      }
      const json values = property->value("enum", json::array());
      if (values.empty() || std::find(values.begin(), values.end(), value) != values.end())
        continue;
      ++(values.size() == 1 ? far.first : far.second);
    }
    return far;
  }

  // The keys that make each form: `"preset" or "command"`; empty: that is not what makes them.
  static std::string forms_in_words(const json& branches) {
    std::string text;
    for (const json& branch : branches) {
      std::string keys;
      for (const json& key : branch.value("required", json::array()))
        keys += (keys.empty() ? "" : " and ") + in_quotes(key.get<std::string>());
      if (keys.empty()) return {};
      text += (text.empty() ? "" : " or ") + keys;
    }
    return text;
  }

  // Says what is wrong by the one branch that was meant, if that is clear: the only one of the
  // instance's type, or of several the nearest.
  bool check_likely(const json& branches, const json& instance, const Node& node,
                    const std::string& path) {
    std::vector<const json*> meant;
    for (const json& branch : branches)
      if (branch.contains("type") && broken_keyword({{"type", branch["type"]}}, instance).empty())
        meant.push_back(&branch);
    if (meant.size() > 1) {
      auto least = distance(*meant.front(), instance);
      for (const json* branch : meant) least = std::min(least, distance(*branch, instance));
      std::erase_if(meant,
                    [&](const json* branch) { return distance(*branch, instance) != least; });
    }
    if (meant.size() != 1) return false;
    const json* likely = meant.front();
    const std::size_t before = report_.size();
    check(*likely, instance, node, path);
    return report_.size() > before;
  }

  void complain(const std::string& keyword, const json& schema, const json& instance,
                const Node& node, const std::string& path) {
    const auto limit = [&] { return schema.contains(keyword) ? schema[keyword].dump() : ""; };
    const std::string what = whole(path);
    std::string text;
    std::vector<std::string> words;
    collect_words(schema, words);
    if (const std::string meant = keyword != "enum" && instance.is_string() && !node.secret
                                      ? nearest(node.text, words)
                                      : "";
        !meant.empty()) {
      report_.add(node, fmt::format("{} cannot be {}; did you mean {}?", what, shown(node),
                                    in_quotes(meant)));
      return;
    }
    if (const auto expects = schema.find("x-expects"); expects != schema.end() &&
                                                       (keyword == "anyOf" || keyword == "oneOf") &&
                                                       is_required_only(schema.at(keyword))) {
      report_.add(node, fmt::format("{} needs {}", what, expects->get<std::string>()));
      return;
    }
    if (const auto expects = schema.find("x-expects");
        expects != schema.end() &&
        (keyword == "type" || keyword == "pattern" || keyword == "anyOf" || keyword == "oneOf")) {
      report_.add(node, fmt::format("{} cannot be {}; expected {}", what,
                                    is_scalar(instance) ? shown(node) : kind_in_words(node),
                                    expects->get<std::string>()));
      return;
    }
    if (keyword == "type" || ((keyword == "anyOf" || keyword == "oneOf") && !is_scalar(instance))) {
      text = fmt::format("{} must be {}, not {}", what, type_in_words(schema), is(node, instance));
      if (keyword != "type") {
        const std::string forms = forms_in_words(schema.at(keyword));
        text = forms.empty() ? what + " has none of the forms that it may have"
                             : fmt::format("{} needs {}", what, forms);
      }
    } else if (keyword == "enum") {
      std::vector<std::string> names;
      for (const json& name : schema["enum"])
        names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
      text = fmt::format("{} cannot be {}{}", what, shown(node),
                         node.secret ? "" : hint(node.text, names));
    } else if (keyword == "minimum" || keyword == "maximum") {
      const bool open =
          schema.value(keyword == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum", false);
      text = fmt::format("{} must be {} {}, not {}", what,
                         keyword == "minimum" ? (open ? "more than" : "at least")
                                              : (open ? "less than" : "at most"),
                         limit(), shown(node));
    } else if (keyword == "minLength") {
      text = limit() == "1" ? what + " must not be empty"
                            : fmt::format("{} must have at least {} characters", what, limit());
    } else if (keyword == "maxLength") {
      text = fmt::format("{} must have at most {} characters", what, limit());
    } else if (keyword == "minItems" || keyword == "minProperties") {
      text = limit() == "1" ? what + " must not be empty"
                            : fmt::format("{} must have at least {} entries", what, limit());
    } else if (keyword == "maxItems" || keyword == "maxProperties") {
      text = fmt::format("{} must have at most {} entries", what, limit());
    } else if (keyword == "pattern") {
      text = fmt::format("{} cannot be {}; expected a text that matches {}", what, shown(node),
                         schema.value("pattern", ""));
    } else if (keyword == "uniqueItems") {
      text = what + " has the same entry twice";
    } else if (keyword == "multipleOf") {
      text = fmt::format("{} must be a multiple of {}, not {}", what, limit(), shown(node));
    } else {
      text = fmt::format("{} cannot be {}; expected {}", what, shown(node), type_in_words(schema));
    }
    if (const auto description = schema.find("description");
        description != schema.end() && description->is_string())
      text += " (" + description->get<std::string>() + ")";
    report_.add(node, std::move(text));
  }

  static bool is_scalar(const json& instance) {
    return !instance.is_object() && !instance.is_array();
  }

  static std::string is(const Node& node, const json& instance) {
    if (!is_scalar(instance)) return kind_in_words(node);
    if (instance.is_null()) return "nothing";
    if (node.secret) return instance.is_string() ? "a string" : "the secret value";
    return (instance.is_string() ? "the string " : "") + shown(node);
  }

  // From the top of the file, so that it says which instance it is about.
  std::string whole(const std::string& path) const {
    return path.empty() ? path_ : path_ + "." + path;
  }
  std::string in(const std::string& path) const { return " in " + whole(path); }

  void origin(const Node& node, const std::string& path, std::string value) {
    Origin origin;
    origin.path = whole(path);
    origin.secret = node.secret;
    if (!node.secret) origin.value = std::move(value);
    origin.origin = fmt::format("{}:{}:{}", file_, node.line, node.column);
    if (!node.written.empty()) origin.origin += " " + node.written;
    origins_.push_back(std::move(origin));
  }

  std::string path_;
  std::string file_;
  Report& report_;
  std::vector<Origin>& origins_;
};

}  // namespace

Result<std::string> prepare_schema(const std::string& schema) {
  json parsed = json::parse(schema, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return fail(Errc::invalid_argument, "it is not JSON");
  json definitions = json::object();
  if (parsed.is_object() && parsed.contains("definitions")) {
    definitions = parsed["definitions"];
    parsed.erase("definitions");
    if (!definitions.is_object())
      return fail(Errc::invalid_argument, "/definitions must be an object");
  }
  if (parsed.is_object()) parsed.erase("x-needs-backend");  // see schema_needs_backend()
  std::string fault = expand(parsed, definitions, 0);
  if (fault.empty()) fault = fault_at(parsed, "");
  if (!fault.empty()) return fail(Errc::invalid_argument, std::move(fault));
  return parsed.dump();
}

std::string check_plugin_config(const Node* node, int line, int column, const std::string& schema,
                                const std::string& path, const std::string& file, Report& report,
                                std::vector<Origin>& origins) {
  const json parsed = json::parse(schema, nullptr, /*allow_exceptions=*/false);
  Node nothing;
  nothing.kind = Node::Kind::map;
  nothing.line = line;
  nothing.column = column;
  if (node == nullptr || node->kind == Node::Kind::null) node = &nothing;
  if (node->broken) return "{}";
  if (node->kind != Node::Kind::map) {
    report.add(*node, path + " must be a map, not " + shown(*node));
    return "{}";
  }
  Checker checker(path, file, report, origins);
  const std::size_t before = report.size();
  const json instance = checker.to_json(*node, &parsed, "");
  if (report.size() == before) checker.check(parsed, instance, *node, "");
  // The check above walks maps and lists by itself; this is the proof that it forgot nothing.
  if (report.empty() && !broken_keyword(parsed, instance).empty())
    report.add(*node, path + " is against the plugin's schema");
  for (const auto& [name, property] : parsed.value("properties", json::object()).items())
    if (property.contains("default") && !instance.contains(name))
      origins.push_back({path + "." + name, property["default"].dump(), "default", false});
  return instance.dump();
}

bool fits(const std::string& schema, const std::string& text) {
  const json parsed = json::parse(schema, nullptr, /*allow_exceptions=*/false);
  return parsed.is_object() && broken_keyword(parsed, text).empty();
}

std::string json_string(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace viaduct::config
