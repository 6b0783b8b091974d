#include <viaduct/testing/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace viaduct::testing {
namespace {

const Json kNull;
const std::string kEmpty;

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

void quote(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", byte);
      out += buffer;
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    std::size_t more = 0;
    std::uint32_t c = lead;
    if (lead >= 0x80) {
      if (lead >= 0xC2 && lead <= 0xDF) {
        more = 1;
        c = lead & 0x1F;
      } else if (lead >= 0xE0 && lead <= 0xEF) {
        more = 2;
        c = lead & 0x0F;
      } else if (lead >= 0xF0 && lead <= 0xF4) {
        more = 3;
        c = lead & 0x07;
      } else {
        return false;
      }
    }
    if (text.size() - i <= more) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      c = (c << 6) | (next & 0x3F);
    }
    if (more == 2 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) return false;
    if (more == 3 && (c < 0x10000 || c > 0x10FFFF)) return false;
    i += more + 1;
  }
  return true;
}

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  std::optional<Json> document() {
    if (!is_utf8(text_)) return std::nullopt;
    auto value = this->value(0);
    space();
    if (!value || at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  static constexpr int kDepth = 256;

  void space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  std::optional<Json> value(int depth) {
    space();
    if (at_ >= text_.size() || depth > kDepth) return std::nullopt;
    switch (text_[at_]) {
      case 'n': return word("null") ? std::optional<Json>(Json()) : std::nullopt;
      case 't': return word("true") ? std::optional<Json>(Json(true)) : std::nullopt;
      case 'f': return word("false") ? std::optional<Json>(Json(false)) : std::nullopt;
      case '"': return string();
      case '[': return array(depth);
      case '{': return object(depth);
      default: return number();
    }
  }

  std::optional<Json> array(int depth) {
    ++at_;
    Json result = Json::array();
    space();
    if (take(']')) return result;
    for (;;) {
      auto item = value(depth + 1);
      if (!item) return std::nullopt;
      result.push_back(std::move(*item));
      space();
      if (take(']')) return result;
      if (!take(',')) return std::nullopt;
    }
  }

  std::optional<Json> object(int depth) {
    ++at_;
    Json result = Json::object();
    space();
    if (take('}')) return result;
    for (;;) {
      space();
      if (at_ >= text_.size() || text_[at_] != '"') return std::nullopt;
      auto key = string();
      if (!key) return std::nullopt;
      space();
      if (!take(':')) return std::nullopt;
      auto member = value(depth + 1);
      if (!member) return std::nullopt;
      result.set(key->as_string(), std::move(*member));
      space();
      if (take('}')) return result;
      if (!take(',')) return std::nullopt;
    }
  }

  std::optional<std::uint32_t> hex4() {
    if (text_.size() - at_ < 4) return std::nullopt;
    std::uint32_t c = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + 4, c, 16);
    if (error != std::errc() || end != begin + 4) return std::nullopt;
    at_ += 4;
    return c;
  }

  std::optional<Json> string() {
    ++at_;
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return Json(std::move(out));
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) return std::nullopt;
      switch (text_[at_++]) {
        case '"': out += '"'; break;
        case '\\': out += '\\'; break;
        case '/': out += '/'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case 'u': {
          auto unit = hex4();
          if (!unit || (*unit >= 0xDC00 && *unit <= 0xDFFF)) return std::nullopt;
          if (*unit >= 0xD800 && *unit <= 0xDBFF) {
            if (!word("\\u")) return std::nullopt;
            const auto low = hex4();
            if (!low || *low < 0xDC00 || *low > 0xDFFF) return std::nullopt;
            unit = 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00);
          }
          append_utf8(out, *unit);
          break;
        }
        default: return std::nullopt;
      }
    }
    return std::nullopt;
  }

  bool digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  std::optional<Json> number() {
    const std::size_t begin = at_;
    take('-');
    if (!take('0') && !digits()) return std::nullopt;
    if (take('.') && !digits()) return std::nullopt;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return std::nullopt;
    }
    Json result;
    result.type_ = Json::Type::kNumber;
    result.text_ = text_.substr(begin, at_ - begin);
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Json Json::array(Array items) {
  Json result;
  result.type_ = Type::kArray;
  result.array_ = std::move(items);
  return result;
}

Json Json::object(std::initializer_list<std::pair<std::string, Json>> members) {
  Json result;
  result.type_ = Type::kObject;
  for (const auto& [key, value] : members) result.set(key, value);
  return result;
}

std::optional<Json> Json::parse(std::string_view text) {
  return JsonParser(text).document();
}

void Json::set_double(double value) {
  if (!std::isfinite(value)) return;
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", value);
  type_ = Type::kNumber;
  text_ = buffer;
}

bool Json::is_integer() const {
  return is_number() && text_.find_first_of(".eE") == std::string::npos;
}
std::int64_t Json::as_int() const {
  return is_number() ? (is_integer() ? std::strtoll(text_.c_str(), nullptr, 10)
                                     : static_cast<std::int64_t>(as_double()))
                     : 0;
}
double Json::as_double() const {
  return is_number() ? std::strtod(text_.c_str(), nullptr) : 0;
}
const std::string& Json::as_string() const {
  return is_string() ? text_ : kEmpty;
}

const Json& Json::operator[](std::string_view key) const {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) return array_[i];
  }
  return kNull;
}
const Json& Json::operator[](std::size_t index) const {
  return index < array_.size() ? array_[index] : kNull;
}
bool Json::contains(std::string_view key) const {
  return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
}
void Json::set(std::string_view key, Json value) {
  type_ = Type::kObject;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) {
      array_[i] = std::move(value);
      return;
    }
  }
  keys_.emplace_back(key);
  array_.push_back(std::move(value));
}
void Json::push_back(Json value) {
  type_ = Type::kArray;
  array_.push_back(std::move(value));
}

void Json::dump_to(std::string& out) const {
  switch (type_) {
    case Type::kNull: out += "null"; break;
    case Type::kBool: out += bool_ ? "true" : "false"; break;
    case Type::kNumber: out += text_; break;
    case Type::kString: quote(out, text_); break;
    case Type::kArray: {
      out += '[';
      bool first = true;
      for (const auto& item : array_) {
        if (!first) out += ',';
        first = false;
        item.dump_to(out);
      }
      out += ']';
      break;
    }
    case Type::kObject: {
      out += '{';
      for (std::size_t i = 0; i < keys_.size(); ++i) {
        if (i > 0) out += ',';
        quote(out, keys_[i]);
        out += ':';
        array_[i].dump_to(out);
      }
      out += '}';
      break;
    }
  }
}

std::string Json::dump() const {
  std::string out;
  dump_to(out);
  return out;
}

}  // namespace viaduct::testing
