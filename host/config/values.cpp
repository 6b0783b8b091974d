#include "host/config/values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <span>

namespace viaduct::config {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}
bool all_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isxdigit(c) != 0; });
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units,
                                             std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units)
    if (unit.name == name)
      return number <= most / unit.factor ? std::optional(number * unit.factor) : std::nullopt;
  return std::nullopt;
}

// The largest unit that divides it.
std::string with_unit(std::uint64_t number, std::span<const Unit> units) {
  for (const Unit& unit : units)
    if (number >= unit.factor && number % unit.factor == 0)
      return fmt::format("{}{}", number / unit.factor, unit.name);
  return fmt::format("{}{}", number, units.back().name);
}

constexpr std::array kDurations{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                                Unit{"s", 1000}, Unit{"ms", 1}};
constexpr std::array kSizes{
    Unit{"GiB", 1u << 30}, Unit{"GB", 1'000'000'000}, Unit{"MiB", 1u << 20}, Unit{"MB", 1'000'000},
    Unit{"KiB", 1u << 10}, Unit{"KB", 1000},          Unit{"kB", 1000},      Unit{"B", 1}};

// Letters in lower case, '_' as '-'.
std::string folded(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// How many letters must be changed, added, left out or swapped.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::vector<std::string> words(std::string_view name) {
  std::vector<std::string> out;
  std::string word;
  const auto end = [&] {
    if (!word.empty()) out.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (std::isalnum(c) == 0) {
      end();
      continue;
    }
    if (std::isupper(c) != 0 && i > 0 && std::islower(static_cast<unsigned char>(name[i - 1])) != 0)
      end();  // apiKey
    word += static_cast<char>(std::tolower(c));
  }
  end();
  return out;
}

bool is_secret_word(std::string_view word) {
  if (word.ends_with('s')) word.remove_suffix(1);
  constexpr std::array<std::string_view, 10> kWords{
      "key",    "token",      "secret", "password",      "credential",
      "passwd", "passphrase", "apikey", "authorization", "authtoken"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::uint64_t kMost = 100ull * 365 * 86'400'000;
  const auto number = parse_with_unit(text, kDurations, kMost);
  if (!number) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*number));
}

std::optional<std::size_t> parse_size(std::string_view text) {
  return parse_with_unit(text, kSizes, 1ull << 50);
}

std::string duration_text(std::chrono::milliseconds duration) {
  return with_unit(static_cast<std::uint64_t>(duration.count()), kDurations);
}

std::string size_text(std::size_t bytes) {
  return with_unit(bytes, kSizes);
}

std::optional<Address> parse_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view port_text = text.substr(colon + 1);
  unsigned port = 0;
  if (!all_digits(port_text) || port_text.size() > 5) return std::nullopt;
  std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (port > 65535) return std::nullopt;

  std::string host(text.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  Address address{fmt::format("{}:{}", host, port), false, static_cast<std::uint16_t>(port)};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    in6_addr v6{};
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) != 1)
      return std::nullopt;
    address.loopback = std::memcmp(&v6, &in6addr_loopback, sizeof v6) == 0;
    return address;
  }
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) != 1) return std::nullopt;
  address.loopback = (ntohl(v4.s_addr) >> 24) == 127;
  return address;
}

ScalarType scalar_type(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return ScalarType::null;
  for (const std::string_view word : {"true", "True", "TRUE", "false", "False", "FALSE"})
    if (text == word) return ScalarType::boolean;
  if (text.starts_with("0x") && all_hex(text.substr(2))) return ScalarType::integer;
  if (text.starts_with("0o") && text.size() > 2 &&
      text.find_first_not_of("01234567", 2) == std::string_view::npos)
    return ScalarType::integer;
  std::string_view rest = text;
  if (rest[0] == '-' || rest[0] == '+') rest.remove_prefix(1);
  if (all_digits(rest)) return ScalarType::integer;
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF" || text == ".nan" || text == ".NaN" ||
      text == ".NAN")
    return ScalarType::number;
  std::size_t at = 0;
  std::size_t digits = 0;
  while (at < rest.size() && is_digit(rest[at])) ++at, ++digits;
  if (at < rest.size() && rest[at] == '.') {
    ++at;
    while (at < rest.size() && is_digit(rest[at])) ++at, ++digits;
  }
  if (digits == 0) return ScalarType::string;
  if (at < rest.size() && (rest[at] == 'e' || rest[at] == 'E')) {
    ++at;
    if (at < rest.size() && (rest[at] == '-' || rest[at] == '+')) ++at;
    if (!all_digits(rest.substr(at))) return ScalarType::string;
    at = rest.size();
  }
  return at == rest.size() ? ScalarType::number : ScalarType::string;
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.empty() || name.size() > 100) return {};
  std::string best;
  std::size_t least = 1 + name.size() / 4;
  for (const std::string& candidate : candidates) {
    const std::size_t cost = distance(folded(name), folded(candidate));
    if (cost < least || (cost == least && best.empty() && cost < candidate.size())) {
      least = cost;
      best = candidate;
    }
  }
  return best;
}

std::string hint(std::string_view name, const std::vector<std::string>& candidates) {
  if (const std::string best = nearest(name, candidates); !best.empty())
    return "; did you mean " + in_quotes(best) + "?";
  if (candidates.empty()) return {};
  std::string list;
  for (const std::string& candidate : candidates)
    list += (list.empty() ? "" : ", ") + in_quotes(candidate);
  return (candidates.size() == 1 ? "; expected " : "; expected one of ") + list;
}

bool is_instance_name(std::string_view name) {
  if (name.empty() || name.size() > 63 || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; });
}

bool is_secret_key(std::string_view key) {
  const auto list = words(key);
  return !list.empty() && is_secret_word(list.back());
}

bool is_secret_variable(std::string_view name) {
  const auto list = words(name);
  return std::any_of(list.begin(), list.end(), is_secret_word);
}

std::optional<std::size_t> invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || at + size > text.size()) return at;
    for (std::size_t i = 1; i < size; ++i)
      if ((byte(i) & 0xC0) != 0x80) return at;
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ||
        (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F))
      return at;
    at += size;
  }
  return std::nullopt;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  return out + '"';
}

}  // namespace viaduct::config
