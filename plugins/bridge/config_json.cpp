#include "plugins/bridge/config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

namespace viaduct::bridge {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kUsualAge = std::chrono::hours(24);  // of the ids of an agent program

struct Bad {
  std::string what;
};

// One object of the configuration: typed fields by name, and a complaint about all others.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object())
      throw Bad{(where_.empty() ? "config" : where_) + ": must be an object"};
  }
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw Bad{(where_.empty() ? "" : where_ + ".") + name + ": " + what};
  }
  const json* find(const std::string& name) {
    known_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  std::string text(const std::string& name, std::string otherwise = "") {
    const json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) fail(name, "must be a string");
    return value->get<std::string>();
  }
  std::string one_of(const std::string& name, std::initializer_list<std::string_view> known,
                     std::string otherwise) {
    std::string value = text(name, std::move(otherwise));
    if (std::find(known.begin(), known.end(), value) != known.end()) return value;
    std::string names;
    for (const auto one : known) names.append(names.empty() ? "" : ", ").append(one);
    fail(name, "\"" + value + "\" is none of " + names);
  }
  std::optional<std::int64_t> integer(const std::string& name, std::int64_t least,
                                      std::int64_t most) {
    const json* value = find(name);
    if (value == nullptr) return std::nullopt;
    const bool fits = value->is_number_unsigned()
                          ? value->get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
                          : value->is_number_integer();
    if (!fits || value->get<std::int64_t>() < least)
      fail(name,
           "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return value->get<std::int64_t>();
  }
  bool flag(const std::string& name, bool otherwise) {
    const json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) fail(name, "must be true or false");
    return value->get<bool>();
  }
  const json* object(const std::string& name) {
    const json* value = find(name);
    if (value != nullptr && !value->is_object()) fail(name, "must be an object");
    return value;
  }
  milliseconds duration(const std::string& name, milliseconds otherwise) {
    if (find(name) == nullptr) return otherwise;
    const std::string value = text(name);
    const char* const end = value.data() + value.size();
    long long number = -1;
    const auto [unit, error] = std::from_chars(value.data(), end, number);
    const std::string_view name_of_unit(unit, static_cast<std::size_t>(end - unit));
    const long long factor = name_of_unit == "ms"  ? 1
                             : name_of_unit == "s" ? 1000
                             : name_of_unit == "m" ? 60'000
                             : name_of_unit == "h" ? 3'600'000
                             : name_of_unit == "d" ? 86'400'000
                                                   : 0;
    constexpr long long kLongest = 365LL * 86'400'000;
    if (error != std::errc{} || factor == 0 || number < 0 || number > kLongest / factor)
      fail(name, "\"" + value + "\" is no duration of up to a year, such as 500ms, 3s, 24h");
    return milliseconds{number * factor};
  }
  void finish() const {
    for (const auto& item : object_.items())
      if (!known_.contains(item.key())) fail(item.key(), "unknown key");
  }

 private:
  const json& object_;
  std::string where_;
  std::set<std::string> known_;
};

Resume parse_resume(const json& given) {
  Fields fields(given, "resume");
  Resume resume;
  resume.enabled = fields.flag("enabled", true);
  resume.attempts = static_cast<std::uint32_t>(fields.integer("attempts", 1, 100).value_or(0));
  resume.give_up_after =
      static_cast<std::uint32_t>(fields.integer("give_up_after", 1, 1000).value_or(0));
  resume.backoff = fields.duration("backoff", milliseconds{0});
  fields.finish();
  return resume;
}

RetryConfig parse_retry(const json& given) {
  Fields fields(given, "retry");
  RetryConfig retry;
  retry.attempts =
      static_cast<unsigned>(fields.integer("attempts", 1, 20).value_or(retry.attempts));
  retry.backoff = fields.duration("backoff", retry.backoff);
  retry.longest = fields.duration("longest", retry.longest);
  fields.finish();
  return retry;
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c >= ' ' && c != 0x7F) || c == '\t'; });
}

std::string parse_url(Fields& fields, Api api) {
  std::string url = fields.text("base_url", api == Api::kAnthropic ? "https://api.anthropic.com"
                                                                   : "https://api.openai.com/v1");
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0 || url.size() == scheme || url[scheme] == '/')
    fields.fail("base_url", "\"" + url + "\" is no address such as http://127.0.0.1:11434/v1");
  if (url.find_first_of(" #\t\r\n") != std::string::npos)
    fields.fail("base_url", "must have no white space and no #");
  if (url.substr(0, url.find('/', scheme)).find('@') != std::string::npos)
    fields.fail("base_url", "must have no user name and password; use api_key or headers");
  const std::size_t query = std::min(url.find('?'), url.size());
  std::size_t end = query;
  while (end > 0 && url[end - 1] == '/') --end;
  return url.erase(end, query - end);
}

void parse_thinking(Fields& fields, Llm& llm) {
  const json* given = fields.find("thinking");
  if (given == nullptr) return;
  if (given->is_string()) {
    llm.effort = fields.one_of("thinking", {"low", "medium", "high"}, "");
    return;
  }
  llm.budget = fields.integer("thinking", 1024, 1'000'000);
  if (llm.api != Api::kAnthropic)
    fields.fail("thinking", "with api: openai it is low, medium or high, not a number of tokens");
  if (llm.max_tokens && *llm.max_tokens <= *llm.budget)
    fields.fail("max_tokens", "must be more than `thinking`, which is part of it");
}

Llm parse_llm(Fields& fields) {
  Llm llm;
  llm.api = fields.one_of("api", {"openai", "anthropic"}, "openai") == "anthropic" ? Api::kAnthropic
                                                                                   : Api::kOpenAi;
  llm.base_url = parse_url(fields, llm.api);
  llm.model = fields.text("model");
  if (llm.model.empty()) fields.fail("model", "must be given");
  llm.api_key = fields.text("api_key");
  if (!printable(llm.api_key)) fields.fail("api_key", "must be one line");
  if (const json* headers = fields.object("headers")) {
    for (const auto& [name, value] : headers->items()) {
      const bool is_name =
          !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '-' || c == '_';
          });
      if (!is_name) fields.fail("headers", "\"" + name + "\" is no name of a header");
      if (!value.is_string() || !printable(value.get<std::string>()))
        fields.fail("headers." + name, "must be a string of one line");
      llm.headers.emplace_back(name, value.get<std::string>());
    }
  }
  llm.system = fields.text("system");
  if (const json* temperature = fields.find("temperature")) {
    if (!temperature->is_number() || temperature->get<double>() < 0 ||
        temperature->get<double>() > 2)
      fields.fail("temperature", "must be a number from 0 to 2");
    llm.temperature = temperature->get<double>();
  }
  llm.max_tokens = fields.integer("max_tokens", 1, 10'000'000);
  parse_thinking(fields, llm);
  if (llm.api == Api::kAnthropic && llm.temperature && (llm.budget || !llm.effort.empty()))
    fields.fail("temperature", "does not go with `thinking`");
  if (const json* extra = fields.object("extra")) {
    for (const char* own : {"messages", "stream", "model"})
      if (extra->contains(own)) fields.fail(std::string("extra.") + own, "is not for here");
    if (!extra->empty()) llm.extra = extra->dump();
  }
  llm.context_tokens = fields.integer("context_tokens", 1024, 100'000'000).value_or(0);
  llm.compact_after =
      static_cast<std::uint32_t>(fields.integer("compact_after", 2, 1'000'000).value_or(0));
  llm.timeout = fields.duration("timeout", milliseconds{300'000});
  if (llm.timeout.count() == 0) fields.fail("timeout", "must be more than nothing");
  if (const json* retry = fields.object("retry")) llm.retry = parse_retry(*retry);
  return llm;
}

bool is_variable(const std::string& name) {
  return !name.empty() && name.find_first_of(std::string("=\0", 2)) == std::string::npos;
}
bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

Cli parse_cli(Fields& fields) {
  Cli cli;
  cli.preset = fields.text("preset");
  if (const json* given = fields.object("template")) cli.overrides = given->dump();
  if (cli.preset.empty() && cli.overrides.empty())
    fields.fail("preset", "must be given, such as claude, or `template` instead");
  const bool is_path = cli.preset.find('/') != std::string::npos || cli.preset.ends_with(".yaml");
  const bool is_name = std::all_of(cli.preset.begin(), cli.preset.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
  if ((!is_path && !is_name) || has_nul(cli.preset))
    fields.fail("preset", "\"" + cli.preset + "\" is neither the name of a preset nor a file");
  cli.program = fields.text("program");
  if (cli.program.starts_with('-') || has_nul(cli.program))
    fields.fail("program", "must be a program's name or path");
  cli.model = fields.text("model");
  if (cli.model.starts_with('-') || has_nul(cli.model))
    fields.fail("model", "must be a model's name");
  if (const json* given = fields.find("arguments")) {
    if (!given->is_array()) fields.fail("arguments", "must be a list of texts");
    for (const json& one : *given) {
      if (!one.is_string() || has_nul(one.get<std::string>()))
        fields.fail("arguments", "must be a list of texts");
      cli.arguments.push_back(one.get<std::string>());
    }
  }
  if (const json* env = fields.object("env"))
    for (const auto& [name, value] : env->items()) {
      if (!is_variable(name)) fields.fail("env", "\"" + name + "\" is no name of a variable");
      if (!value.is_string() || has_nul(value.get<std::string>()))
        fields.fail("env." + name, "must be a text");
      cli.env.emplace_back(name, value.get<std::string>());
    }
  cli.timeout = fields.duration("timeout", milliseconds{900'000});
  if (cli.timeout.count() == 0) fields.fail("timeout", "must be more than nothing");
  cli.compact_after =
      static_cast<std::uint32_t>(fields.integer("compact_after", 1, 1'000'000).value_or(0));
  return cli;
}

std::string_view host_of(std::string_view url) {
  const std::size_t start = url.find("://") + 3;
  const std::size_t end = std::min(url.find_first_of("/:?", start), url.size());
  return url.substr(start, end - start);
}

// The address with `path` added in front of its query.
std::string below(const std::string& base, std::string_view path) {
  const std::size_t query = std::min(base.find('?'), base.size());
  return base.substr(0, query) + std::string(path) + base.substr(query);
}

std::string endpoint(const Llm& llm, std::string_view name) {
  const std::string_view base(llm.base_url.data(),
                              std::min(llm.base_url.find('?'), llm.base_url.size()));
  const bool needs_version = llm.api == Api::kAnthropic && !base.ends_with("/v1");
  return below(llm.base_url, (needs_version ? "/v1/" : "/") + std::string(name));
}

}  // namespace

std::vector<std::string> Llm::secrets() const {
  std::vector<std::string> all;
  if (!api_key.empty()) all.push_back(api_key);
  for (const auto& [name, value] : headers) {
    all.push_back(value);
    if (const auto space = value.find(' '); space != std::string::npos)
      all.push_back(value.substr(space + 1));  // "Bearer …"
  }
  // A longer one first, so that no part of it stays when it contains another.
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::erase_if(all, [](const auto& one) { return one.size() < 8; });
  if (!api_key.empty() && api_key.size() < 8) all.push_back(api_key);
  return all;
}

std::vector<std::string> Cli::secrets() const {
  std::vector<std::string> all;
  for (const auto& [name, value] : env) {
    std::string upper = name;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    bool by_name = false;
    for (const char* word : {"KEY", "TOKEN", "SECRET", "PASSWORD"})
      by_name = by_name || upper.find(word) != std::string::npos;
    if (value.size() >= (by_name ? 4 : 8)) all.push_back(value);
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return all;
}

std::string Llm::chat_url() const {
  return endpoint(*this, api == Api::kAnthropic ? "messages" : "chat/completions");
}
std::string Llm::models_url() const {
  return endpoint(*this, "models");
}

std::vector<std::pair<std::string, std::string>> Llm::request_headers() const {
  std::vector<std::pair<std::string, std::string>> all;
  if (api == Api::kAnthropic) {
    all.emplace_back("anthropic-version", "2023-06-01");
    if (!api_key.empty()) all.emplace_back("x-api-key", api_key);
  } else if (!api_key.empty()) {
    if (host_of(base_url).ends_with(".azure.com"))
      all.emplace_back("api-key", api_key);
    else
      all.emplace_back("Authorization", "Bearer " + api_key);
  }
  for (const auto& [name, value] : headers) {
    const auto same = [&name](const auto& one) {
      return std::equal(
          one.first.begin(), one.first.end(), name.begin(), name.end(),
          [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
    };
    std::erase_if(all, same);
    all.emplace_back(name, value);
  }
  return all;
}

std::expected<Config, std::string> parse_config(std::string_view text) {
  const json given = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (given.is_discarded()) return std::unexpected("config: is no JSON");
  try {
    Fields fields(given, "");
    Config config;
    if (fields.one_of("driver", {"llm", "cli"}, "") == "cli")
      config.cli = parse_cli(fields);
    else
      config.llm = parse_llm(fields);
    config.home = fields.text("home");
    if (!config.home.empty() && config.home[0] != '/' && config.home[0] != '~')
      fields.fail("home", "must begin with / or ~");
    config.transcripts = fields.flag("transcripts", true);
    if (const json* resume = fields.object("resume")) config.resume = parse_resume(*resume);
    config.max_age = fields.duration("max_age", config.cli ? kUsualAge : milliseconds{0});
    fields.finish();
    return config;
  } catch (const Bad& bad) {
    return std::unexpected(bad.what);
  }
}

}  // namespace viaduct::bridge
