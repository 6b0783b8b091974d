#include "viaduct/net/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

namespace viaduct::net {

using nlohmann::json;
using std::chrono::milliseconds;

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array kDurations{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000},
                                Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::array kSizes{
    Unit{"B", 1},          Unit{"kB", 1000},      Unit{"KB", 1000},          Unit{"KiB", 1U << 10},
    Unit{"MB", 1'000'000}, Unit{"MiB", 1U << 20}, Unit{"GB", 1'000'000'000}, Unit{"GiB", 1U << 30}};

template <std::size_t N>
std::optional<std::uint64_t> measured(std::string_view text, const std::array<Unit, N>& units,
                                      std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return std::nullopt;
  for (const Unit& known : units)
    if (known.name == std::string_view(unit, static_cast<std::size_t>(end - unit)))
      return number <= most / known.factor ? std::optional(number * known.factor) : std::nullopt;
  return std::nullopt;
}

// The largest unit that `value` is a whole number of.
template <std::size_t N>
std::string in_words(std::uint64_t value, const std::array<Unit, N>& units) {
  const Unit* largest = &units.front();
  for (const Unit& unit : units)
    if (value >= unit.factor && value % unit.factor == 0 && unit.factor > largest->factor)
      largest = &unit;
  return std::to_string(value / largest->factor) + std::string(largest->name);
}

std::string duration_in_words(milliseconds value) {
  return value == kYear ? "a year"
                        : in_words(static_cast<std::uint64_t>(value.count()), kDurations);
}

// How many letters must be changed, added or left out.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

bool has_zero(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text, milliseconds most) {
  const auto found = measured(text, kDurations, static_cast<std::uint64_t>(most.count()));
  return found ? std::optional(milliseconds{*found}) : std::nullopt;
}

std::optional<std::size_t> parse_size(std::string_view text, std::size_t most) {
  return measured(text, kSizes, most);
}

std::string must_be_one_of(std::string_view given, const std::vector<std::string>& known) {
  std::string names, nearest;
  std::size_t least = given.size() <= 64 ? 1 + given.size() / 3 : 0;  // more may be chance
  for (const std::string& one : known) {
    names += (names.empty() ? "" : ", ") + one;
    if (given.empty() || least == 0) continue;
    if (const std::size_t cost = distance(given, one); cost <= least && cost < one.size()) {
      if (cost == least && !nearest.empty()) continue;
      least = cost;
      nearest = one;
    }
  }
  if (!nearest.empty()) names += "; did you mean " + nearest + "?";
  return std::string("must be ") + (known.size() > 1 ? "one of " : "") + names;
}

struct Fields::Object {
  json value;
  std::string where;
  std::set<std::string> known;

  const json* find(const std::string& name) {
    known.insert(name);
    const auto found = value.find(name);
    return found == value.end() || found->is_null() ? nullptr : &*found;
  }
};

Fields::Fields(std::string_view text, std::string where)
    : object_(std::make_unique<Object>(
          Object{json::parse(text, nullptr, /*allow_exceptions=*/false), std::move(where), {}})) {
  const std::string name = object_->where.empty() ? "config" : object_->where;
  if (object_->value.is_discarded()) throw BadConfig{name + ": is no JSON"};
  if (!object_->value.is_object()) throw BadConfig{name + ": must be an object"};
}
Fields::~Fields() = default;
Fields::Fields(Fields&&) noexcept = default;
Fields& Fields::operator=(Fields&&) noexcept = default;

std::string Fields::path(const std::string& name) const {
  return object_->where.empty() ? name : object_->where + "." + name;
}

void Fields::fail(const std::string& name, const std::string& what) const {
  throw BadConfig{path(name) + ": " + what};
}

bool Fields::has(const std::string& name) {
  return object_->find(name) != nullptr;
}
bool Fields::is_text(const std::string& name) {
  const json* value = object_->find(name);
  return value != nullptr && value->is_string();
}

std::string Fields::text(const std::string& name, std::string otherwise) {
  const json* value = object_->find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(name, "must be a string");
  std::string given = value->get<std::string>();
  if (has_zero(given)) fail(name, "must not contain a zero byte");
  return given;
}

std::string Fields::named(const std::string& name, std::string otherwise) {
  std::string value = text(name, std::move(otherwise));
  if (value.empty() && has(name)) fail(name, "must not be empty");
  return value;
}

std::string Fields::required(const std::string& name) {
  std::string value = named(name);
  if (value.empty()) fail(name, "must be given");
  return value;
}

std::string Fields::one_of(const std::string& name, const std::vector<std::string>& known,
                           std::string otherwise) {
  std::string value = text(name, std::move(otherwise));
  if (std::find(known.begin(), known.end(), value) == known.end())
    fail(name, must_be_one_of(value, known));
  return value;
}

std::optional<std::int64_t> Fields::integer(const std::string& name, std::int64_t least,
                                            std::int64_t most) {
  const json* value = object_->find(name);
  if (value == nullptr) return std::nullopt;
  const bool fits =
      value->is_number_unsigned()
          ? most >= 0 && value->get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
          : value->is_number_integer() && value->get<std::int64_t>() <= most;
  if (!fits || value->get<std::int64_t>() < least)
    fail(name,
         "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return value->get<std::int64_t>();
}

std::uint32_t Fields::count(const std::string& name, std::uint32_t most) {
  return static_cast<std::uint32_t>(integer(name, 1, most).value_or(0));
}

std::optional<double> Fields::number(const std::string& name, double least, double most) {
  const json* value = object_->find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || value->get<double>() < least || value->get<double>() > most)
    fail(name, "must be a number from " + json(least).dump() + " to " + json(most).dump());
  return value->get<double>();
}

bool Fields::flag(const std::string& name, bool otherwise) {
  const json* value = object_->find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(name, "must be true or false");
  return value->get<bool>();
}

milliseconds Fields::duration(const std::string& name, milliseconds otherwise, milliseconds most) {
  if (!has(name)) return otherwise;
  const auto found = parse_duration(text(name), most);
  if (!found)
    fail(name, "must be a duration of up to " + duration_in_words(most) +
                   (most < std::chrono::hours(24) ? ", such as 500ms or 3s"
                                                  : ", such as 500ms, 3s or 24h"));
  return *found;
}

milliseconds Fields::wait(const std::string& name, milliseconds otherwise, milliseconds most) {
  const milliseconds value = duration(name, otherwise, most);
  if (value.count() == 0) fail(name, "must be more than nothing");
  return value;
}

std::size_t Fields::size(const std::string& name, std::size_t otherwise, std::size_t least,
                         std::size_t most) {
  if (!has(name)) return otherwise;
  const auto found = parse_size(text(name), most);
  if (!found)
    fail(name, "must be a size of up to " + in_words(most, kSizes) + ", such as 64KiB or 1MB");
  if (*found < least) fail(name, "must be at least " + in_words(least, kSizes));
  return *found;
}

std::vector<std::string> Fields::texts(const std::string& name) {
  std::vector<std::string> all;
  const json* value = object_->find(name);
  if (value == nullptr) return all;
  if (!value->is_array()) fail(name, "must be a list of strings");
  for (const json& one : *value) {
    if (!one.is_string()) fail(name, "must be a list of strings");
    all.push_back(one.get<std::string>());
    if (has_zero(all.back())) fail(name, "must not contain a zero byte");
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> Fields::map(const std::string& name) {
  std::vector<std::pair<std::string, std::string>> all;
  const json* value = object_->find(name);
  if (value == nullptr) return all;
  if (!value->is_object()) fail(name, "must be an object");
  for (const auto& [key, one] : value->items()) {
    if (key.empty() || has_zero(key) || key.find('=') != std::string::npos)
      fail(name, "a name must not be empty, nor contain \"=\"");
    if (!one.is_string()) fail(name + "." + key, "must be a string");
    all.emplace_back(key, one.get<std::string>());
    if (has_zero(all.back().second)) fail(name + "." + key, "must not contain a zero byte");
  }
  return all;
}

std::optional<Fields> Fields::object(const std::string& name) {
  const json* value = object_->find(name);
  if (value == nullptr) return std::nullopt;
  return Fields(value->dump(), path(name));
}

std::vector<Fields> Fields::objects(const std::string& name) {
  std::vector<Fields> all;
  for (const std::string& item : items_json(name))
    all.emplace_back(item, path(name) + "[" + std::to_string(all.size()) + "]");
  return all;
}

std::string Fields::object_json(const std::string& name) {
  const json* value = object_->find(name);
  if (value == nullptr) return {};
  if (!value->is_object()) fail(name, "must be an object");
  return value->dump();
}

std::vector<std::string> Fields::items_json(const std::string& name) {
  std::vector<std::string> all;
  const json* value = object_->find(name);
  if (value == nullptr) return all;
  if (!value->is_array()) fail(name, "must be a list");
  for (const json& item : *value) all.push_back(item.dump());
  return all;
}

void Fields::finish() const {
  for (const auto& item : object_->value.items())
    if (!object_->known.contains(item.key())) fail(item.key(), "unknown key");
}

}  // namespace viaduct::net
