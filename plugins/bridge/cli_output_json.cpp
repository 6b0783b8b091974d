#include "plugins/bridge/cli_output.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestId = 512;
constexpr std::size_t kLongestTitle = 300;
constexpr std::size_t kLongestWords = 4000;
constexpr std::size_t kMostNoise = 5;
constexpr std::size_t kMostOfNoise = 4000;
constexpr std::size_t kMostTools = 10'000;
constexpr std::size_t kMostOfAPlan = 200;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// ---------------------------------------------------------------- reading a line

// How many bytes of UTF-8 begin here; 0: none.
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80                    ? 1
                           : first >= 0xC2 && first < 0xE0 ? 2
                           : first >= 0xE0 && first < 0xF0 ? 3
                           : first >= 0xF0 && first < 0xF5 ? 4
                                                           : 0;
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
      (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F))
    return 0;
  return size;
}

// The code unit of "\uXXXX", or nothing.
std::optional<unsigned> unit(std::string_view text) {
  unsigned value = 0;
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, value, 16);
  if (error != std::errc{} || end != text.data() + 6) return std::nullopt;
  return value;
}

// Programs cut texts in the middle of a character: halves of a pair of surrogates, and bytes that
// are no UTF-8, become U+FFFD.
std::string mended(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (const auto value = unit(rest)) {
      const bool high = *value >= 0xD800 && *value < 0xDC00;
      const auto next = high ? unit(rest.substr(6)) : std::nullopt;
      if (next && *next >= 0xDC00 && *next < 0xE000) {
        out += rest.substr(0, 12);
        at += 12;
        continue;
      }
      const bool half = high || (*value >= 0xDC00 && *value < 0xE000);
      out += half ? "\\ufffd" : rest.substr(0, 6);
      at += 6;
    } else if (rest[0] == '\\' && rest.size() > 1) {
      out += rest.substr(0, 2);
      at += 2;
    } else if (const std::size_t size = character(rest); size > 0) {
      out += rest.substr(0, size);
      at += size;
    } else {
      out += "\xEF\xBF\xBD";
      ++at;
    }
  }
  return out;
}

json parse_line(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos || (text[begin] != '{' && text[begin] != '['))
    return json(json::value_t::discarded);
  if (net::too_complex(text)) return json(json::value_t::discarded);
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? json::parse(mended(text), nullptr, false) : value;
}

// ---------------------------------------------------------------- values

const json* find(const json& from, const Pointer& pointer) {
  const json* at = &from;
  for (const std::string& token : pointer) {
    if (at->is_object()) {
      const auto found = at->find(token);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array()) {
      std::size_t index = 0;
      const char* const end = token.data() + token.size();
      const auto [stop, error] = std::from_chars(token.data(), end, index);
      if (error != std::errc{} || stop != end || index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

bool is_empty(const json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
         (value.is_structured() && value.empty());
}

// In words: of lists of texts and of content blocks their texts.
std::string words(const json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    std::string all;
    for (const json& one : value) {
      const auto text = one.is_object() ? one.find("text") : one.end();
      const json& said = one.is_object() && text != one.end() ? *text : one;
      all += (all.empty() ? "" : "\n") +
             (said.is_string() ? said.get_ref<const std::string&>() : dump(said));
    }
    return all;
  }
  return dump(value);
}

Pointer split(std::string_view text) {  // of a pointer that was found to be one
  Pointer pointer;
  for (std::size_t at = 1; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    std::string token;
    for (std::size_t i = at; i < end; ++i) {
      if (text[i] == '~' && i + 1 < end)
        token += text[++i] == '0' ? '~' : '/';
      else
        token += text[i];
    }
    pointer.push_back(std::move(token));
    at = end + 1;
  }
  return pointer;
}

std::string fill(const std::string& text, const json& from) {
  std::string out;
  std::size_t at = 0;
  for (;;) {
    const std::size_t brace = text.find("{/", at);
    out.append(text, at, brace - at);
    if (brace == std::string::npos) return out;
    const std::size_t end = text.find('}', brace);
    const json* found =
        find(from, split(std::string_view(text).substr(brace + 1, end - brace - 1)));
    if (found != nullptr) out += words(*found);
    at = end + 1;
  }
}

json eval(const Value& value, const json& from) {
  switch (value.kind) {
    case Value::Kind::kNothing: return {};
    case Value::Kind::kText: return fill(value.text, from);
    case Value::Kind::kPointer: {
      const json* found = find(from, value.pointer);
      return found == nullptr ? json() : *found;
    }
    case Value::Kind::kFirst:
      for (const Value& one : value.values)
        if (json found = eval(one, from); !is_empty(found)) return found;
      return {};
    case Value::Kind::kSum: {
      json sum;
      for (const Value& one : value.values) {
        const json found = eval(one, from);
        if (!found.is_number()) continue;
        if (found.is_number_unsigned() && (sum.is_null() || sum.is_number_unsigned()))
          sum = (sum.is_null() ? 0 : sum.get<std::uint64_t>()) + found.get<std::uint64_t>();
        else
          sum = (sum.is_null() ? 0.0 : sum.get<double>()) + found.get<double>();
      }
      return sum;
    }
    case Value::Kind::kMap: {
      const json found = eval(value.values.front(), from);
      const std::string key = words(found);
      for (const auto& [name, to] : value.map)
        if (!found.is_null() && name == key) return to;
      return value.otherwise ? json(*value.otherwise) : json();
    }
  }
  return {};
}

std::string text_of(const Value& value, const json& from) {
  return value ? words(eval(value, from)) : std::string();
}

bool holds(const std::vector<Condition>& when, const json& from) {
  return std::all_of(when.begin(), when.end(), [&from](const Condition& condition) {
    const json* found = find(from, condition.at);
    if (found == nullptr || found->is_null()) return condition.any_of.empty();
    if (condition.any_of.empty()) return false;
    return std::any_of(condition.any_of.begin(), condition.any_of.end(),
                       [found](const std::string& wanted) {
                         if (wanted == "*") return true;
                         return !found->is_structured() && words(*found) == wanted;
                       });
  });
}

// ---------------------------------------------------------------- tools, plans, usage

bool is_one_of(const std::string& word, std::initializer_list<const char*> known) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

std::string shortened(std::string text) {
  if (text.size() <= CliOutput::kMostOfATool) return text;
  const std::size_t size = text.size();
  text = net::prefix(text, CliOutput::kMostOfATool);
  return text + "\n… (" + std::to_string(size - text.size()) + " bytes more)";
}

json tool_call(const ToolRule& rule, const json& from, const std::string& id) {
  json call = {{"toolCallId", id}};
  if (const std::string title = net::one_line(text_of(rule.title, from), kLongestTitle);
      !title.empty())
    call["title"] = title;
  if (const std::string kind = text_of(rule.kind, from); !kind.empty())
    call["kind"] = is_one_of(kind, {"read", "edit", "delete", "move", "search", "execute", "think",
                                    "fetch", "other"})
                       ? kind
                       : "other";
  if (const std::string status = text_of(rule.status, from);
      is_one_of(status, {"pending", "in_progress", "completed", "failed"}))
    call["status"] = status;
  if (json input = eval(rule.input, from); !input.is_null()) {
    // Whole, or a text: half an object is none.
    std::string text = input.is_string() ? "" : dump(input);
    if (text.size() > CliOutput::kMostOfATool)
      input = shortened(std::move(text));
    else if (input.is_string())
      input = shortened(input.get<std::string>());
    call["rawInput"] = std::move(input);
  }
  if (std::string output = text_of(rule.output, from); !output.empty())
    call["content"] = {{{"type", "content"},
                        {"content", {{"type", "text"}, {"text", shortened(std::move(output))}}}}};
  return call;
}

json plan_of(const PlanRule& rule, const json& from) {
  json entries = json::array();
  const json given = eval(rule.entries, from);
  if (!given.is_array()) return {};
  for (const json& one : given) {
    if (entries.size() == kMostOfAPlan) break;
    const std::string status = text_of(rule.status, one);
    const std::string priority = text_of(rule.priority, one);
    entries.push_back(
        {{"content", net::one_line(text_of(rule.content, one), kLongestTitle)},
         {"status", is_one_of(status, {"in_progress", "completed"}) ? status : "pending"},
         {"priority", is_one_of(priority, {"high", "low"}) ? priority : "medium"}});
  }
  return {{"entries", std::move(entries)}};
}

template <class T>
void count(const Value& value, const json& from, bool add, std::optional<T>& total) {
  constexpr double kMost = 1e15;  // a double is exact up to there, and sums of them fit
  const json found = eval(value, from);
  const double number = found.is_number() ? found.get<double>() : -1;
  if (!(number >= 0 && number <= kMost)) return;
  total = (add ? total.value_or(0) : T{0}) + static_cast<T>(number);
}

}  // namespace

bool is_safe_id(std::string_view id) {
  return !id.empty() && id.size() <= kLongestId && id[0] != '-' && id[0] != '.' &&
         std::all_of(id.begin(), id.end(), [](unsigned char c) {
           return c > ' ' && c != 0x7F && c != '/' && c != '\\' && c != '*' && c != '?' && c != '[';
         });
}

struct CliOutput::Json {
  CliOutput& self;
  std::vector<Said>& out;
  std::string told{};  // the id of this line

  void rules(const std::vector<Rule>& all, const json& from) {
    for (const Rule& one : all)
      if (holds(one.when, from)) rule(one, from);
  }

  void rule(const Rule& rule, const json& from) {
    using Kind = Said::Kind;
    if (rule.each) {
      const json found = eval(rule.each, from);
      if (found.is_array())
        for (const json& one : found) rules(rule.rules, one);
      else if (!found.is_null())
        rules(rule.rules, found);
    } else {
      rules(rule.rules, from);
    }
    if (std::string error = text_of(rule.error, from); !error.empty() && !self.error_)
      self.error_ = net::prefix(error, kLongestWords);
    if (std::string id = text_of(rule.session, from); !id.empty()) told = std::move(id);
    self.delta(Kind::kThought, text_of(rule.thought_delta, from), out);
    self.whole(Kind::kThought, text_of(rule.thought, from), out);
    self.delta(Kind::kText, text_of(rule.text_delta, from), out);
    self.whole(Kind::kText, text_of(rule.text, from), out);
    if (rule.tool) tool(*rule.tool, from);
    if (rule.plan)
      if (const json plan = plan_of(*rule.plan, from); !plan.is_null()) {
        self.said_ = true;
        self.last_ = Kind::kPlan;
        out.push_back({Kind::kPlan, dump(plan), ""});
      }
    if (std::string text = text_of(rule.final_text, from); !self.said_text_)
      self.whole(Kind::kText, std::move(text), out);
    if (const std::string line = net::one_line(text_of(rule.notice, from), 500); !line.empty()) {
      self.last_ = Kind::kNotice;
      out.push_back({Kind::kNotice, line, ""});
    }
    if (rule.usage) {
      self.usage_is_total_ = rule.usage->total;
      count(rule.usage->input, from, rule.usage->add, self.usage_.input);
      count(rule.usage->output, from, rule.usage->add, self.usage_.output);
      count(rule.usage->cached, from, rule.usage->add, self.usage_.cached_read);
      count(rule.usage->cost, from, rule.usage->add, self.usage_.cost);
    }
    if (std::string stop = text_of(rule.stop, from); !stop.empty()) self.stop_ = std::move(stop);
    if (rule.done) self.done_ = true;
  }

  void tool(const ToolRule& rule, const json& from) {
    const std::string id(net::prefix(text_of(rule.id, from), kLongestId));
    if (id.empty()) return;
    json call = tool_call(rule, from, id);
    const bool is_new = self.tools_.size() < kMostTools && self.tools_.insert(id).second;
    if (is_new && !call.contains("title")) call["title"] = "Tool";
    self.said_ = true;
    self.last_ = Said::Kind::kTool;
    out.push_back({Said::Kind::kTool, dump(call), id});
  }
};

void CliOutput::line(std::string_view text, std::vector<Said>& out) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return;
  if (!block_.empty() || text == "{") {
    const bool ends = text == "}";
    if (ends || text[0] == ' ' || text[0] == '\t' || block_.empty()) {
      if (block_.size() + text.size() <= kMostOfABlock) block_.append(text).append("\n");
      if (ends) object(std::exchange(block_, {}), out);
      return;
    }
    object(std::exchange(block_, {}), out);  // it was none after all
  }
  object(text, out);
}

void CliOutput::object(std::string_view text, std::vector<Said>& out) {
  const nlohmann::json value = parse_line(text);
  if (!value.is_structured()) {
    ++skipped_;
    noise_.emplace_back(net::prefix(text, kMostOfNoise));
    if (noise_.size() > kMostNoise) noise_.pop_front();
    return;
  }
  const std::size_t before = out.size();
  Json reader{*this, out};
  reader.rules(preset_.lines, value);
  // A program that fails to resume may tell a new id in the same breath: that is none.
  if (reader.told.empty() || reader.told == session_ || error_) return;
  session_ = reader.told;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(before),
             {Said::Kind::kSession, std::move(reader.told), ""});
}

std::string CliOutput::noise(const std::vector<std::string>& secrets) const {
  std::string all;
  // Redacted before it is cut: half a secret is not recognised.
  for (const std::string& one : noise_)
    all += (all.empty() ? "" : "\n") + net::one_line(net::redacted(one, secrets), 300);
  return all;
}

void CliOutput::say(Said::Kind kind, std::string text, bool new_block, std::vector<Said>& out) {
  if (text.empty()) return;
  if (new_block && last_ == kind) text.insert(0, "\n\n");
  last_ = kind;
  said_ = true;
  said_text_ = said_text_ || kind == Said::Kind::kText;
  out.push_back({kind, std::move(text), ""});
}

void CliOutput::delta(Said::Kind kind, std::string text, std::vector<Said>& out) {
  if (text.empty()) return;
  Stream& stream = kind == Said::Kind::kText ? text_ : thought_;
  if (stream.deltas.size() + text.size() > kMostOfDeltas) stream.overflown = true;
  if (!stream.overflown) stream.deltas += text;
  say(kind, std::move(text), std::exchange(stream.closed, false), out);
}

void CliOutput::whole(Said::Kind kind, std::string text, std::vector<Said>& out) {
  if (text.empty()) return;
  Stream& stream = kind == Said::Kind::kText ? text_ : thought_;
  if (stream.overflown) {  // said before; it was too long to compare
    stream = {"", false, true};
    return;
  }
  if (stream.deltas.starts_with(text)) {  // and perhaps the beginning of the next one
    stream.deltas.erase(0, text.size());
    if (stream.deltas.find_first_not_of(" \t\r\n") == std::string::npos) stream = {"", false, true};
    return;
  }
  const bool continues = !stream.deltas.empty() && text.starts_with(stream.deltas);
  if (continues) {
    text.erase(0, stream.deltas.size());
  } else if (const std::size_t at = stream.deltas.find(text); at != std::string::npos) {
    stream = {"", false, true};
    return;
  }
  stream = {"", false, true};
  say(kind, std::move(text), !continues, out);
}

}  // namespace viaduct::bridge
