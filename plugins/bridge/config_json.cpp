#include "plugins/bridge/config.hpp"

#include <algorithm>
#include <cctype>
#include <viaduct/net/fields.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {

namespace {

using net::Fields;
using std::chrono::milliseconds;

constexpr milliseconds kUsualAge = std::chrono::hours(24);  // of the ids of an agent program

Resume parse_resume(Fields fields) {
  Resume resume;
  resume.enabled = fields.flag("enabled", true);
  resume.attempts = fields.count("attempts", 100);
  resume.give_up_after = fields.count("give_up_after", 1000);
  resume.backoff = fields.duration("backoff", milliseconds{0});
  fields.finish();
  return resume;
}

RetryConfig parse_retry(Fields fields) {
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
    fields.fail("base_url", "must be an address such as http://127.0.0.1:11434/v1");
  if (url.find_first_of(" #\t\r\n") != std::string::npos)
    fields.fail("base_url", "must have no white space and no #");
  if (url.substr(0, url.find('/', scheme)).find('@') != std::string::npos)
    fields.fail("base_url", "must have no user name and password; use api_key or headers");
  const std::size_t query = std::min(url.find('?'), url.size());
  std::size_t end = query;
  while (end > 0 && url[end - 1] == '/') --end;
  url.erase(end, query - end);
  for (const std::string_view method : {"/chat/completions", "/messages"})
    if (std::string_view(url).substr(0, url.find('?')).ends_with(method))
      fields.fail("base_url", "must end before " + std::string(method) + ", which is added to it");
  return url;
}

void parse_thinking(Fields& fields, Llm& llm) {
  if (!fields.has("thinking")) return;
  if (fields.is_text("thinking")) {
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
  llm.headers = fields.map("headers");
  for (const auto& [name, value] : llm.headers) {
    const bool is_name = std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '-' || c == '_';
    });
    if (!is_name) fields.fail("headers", "a name must be of letters, digits, \"-\" and \"_\"");
    if (!printable(value)) fields.fail("headers." + name, "must be one line");
  }
  llm.system = fields.text("system");
  llm.temperature = fields.number("temperature", 0, 2);
  llm.max_tokens = fields.integer("max_tokens", 1, 10'000'000);
  parse_thinking(fields, llm);
  if (llm.api == Api::kAnthropic && llm.temperature && (llm.budget || !llm.effort.empty()))
    fields.fail("temperature", "does not go with `thinking`");
  if (auto extra = fields.object("extra"))
    for (const char* own : {"messages", "stream", "model"})
      if (extra->has(own)) extra->fail(own, "is not for here");
  llm.extra = fields.object_json("extra");
  if (llm.extra == "{}") llm.extra.clear();
  llm.context_tokens = fields.integer("context_tokens", 1024, 100'000'000).value_or(0);
  llm.compact_after =
      static_cast<std::uint32_t>(fields.integer("compact_after", 2, 1'000'000).value_or(0));
  llm.timeout = fields.wait("timeout", milliseconds{300'000});
  if (auto retry = fields.object("retry")) llm.retry = parse_retry(*std::move(retry));
  if (!fields.has("api_key") && !fields.has("base_url") && !fields.has("headers"))
    fields.fail(
        "api_key",
        std::string("must be given for ") +
            (llm.api == Api::kAnthropic ? "api.anthropic.com, such as ${env:ANTHROPIC_API_KEY}"
                                        : "api.openai.com, such as ${env:OPENAI_API_KEY}") +
            "; or `base_url` of another server, such as http://127.0.0.1:11434/v1");
  return llm;
}

Cli parse_cli(Fields& fields) {
  Cli cli;
  cli.preset = fields.text("preset");
  cli.overrides = fields.object_json("template");
  if (cli.preset.empty() && cli.overrides.empty())
    fields.fail("preset", "must be given, such as claude, or `template` instead");
  const bool is_path = cli.preset.find('/') != std::string::npos || cli.preset.ends_with(".yaml");
  const bool is_name = std::all_of(cli.preset.begin(), cli.preset.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
  if (!is_path && !is_name) fields.fail("preset", "must be the name of a preset, or a file");
  cli.program = fields.text("program");
  if (cli.program.starts_with('-')) fields.fail("program", "must be a program's name or path");
  cli.model = fields.text("model");
  if (cli.model.starts_with('-')) fields.fail("model", "must be a model's name");
  cli.arguments = fields.texts("arguments");
  for (const std::string& argument : cli.arguments)
    if (net::redacted(argument, {}) != argument)
      fields.fail("arguments",
                  "must have no key: everybody on this machine can read it there; use env");
  cli.env = fields.map("env");
  cli.timeout = fields.wait("timeout", milliseconds{900'000});
  cli.compact_after = fields.count("compact_after", 1'000'000);
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
  for (std::size_t at = base_url.find('?'); at < base_url.size();) {
    const std::size_t end = std::min(base_url.find('&', at), base_url.size());
    if (const std::size_t value = base_url.find('=', at); value < end)
      all.push_back(base_url.substr(value + 1, end - value - 1));
    at = end < base_url.size() ? end + 1 : end;
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

std::string Llm::shown_url() const {
  return base_url.substr(0, base_url.find('?'));
}
bool Llm::lacks_version() const {
  return api == Api::kOpenAi &&
         shown_url().find('/', base_url.find("://") + 3) == std::string::npos;
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
  return net::read_config(text, [](Fields& fields) {
    Config config;
    if (fields.one_of("driver", {"llm", "cli"}, "") == "cli")
      config.cli = parse_cli(fields);
    else
      config.llm = parse_llm(fields);
    config.home = fields.text("home");
    if (!config.home.empty() && config.home[0] != '/' && config.home[0] != '~')
      fields.fail("home", "must begin with / or ~");
    config.transcripts = fields.flag("transcripts", true);
    if (auto resume = fields.object("resume")) config.resume = parse_resume(*std::move(resume));
    config.max_age = fields.duration("max_age", config.cli ? kUsualAge : milliseconds{0});
    return config;
  });
}

}  // namespace viaduct::bridge
