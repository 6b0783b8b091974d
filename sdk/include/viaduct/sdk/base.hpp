// What the rest of the SDK is written in: codes, statuses, the exception, text across the boundary.
// Plain values; any thread.
#pragma once

#include "viaduct/abi.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace viaduct::sdk {

// A number that is not named here is a failure that a newer host knows.
enum class Code : std::int32_t {
  kOk = VIADUCT_OK,
  kInvalidArgument = VIADUCT_E_INVALID_ARGUMENT,
  kNotFound = VIADUCT_E_NOT_FOUND,
  kPermissionDenied = VIADUCT_E_PERMISSION_DENIED,
  kUnauthenticated = VIADUCT_E_UNAUTHENTICATED,
  kFailedPrecondition = VIADUCT_E_FAILED_PRECONDITION,
  kSessionDead = VIADUCT_E_SESSION_DEAD,
  kUnavailable = VIADUCT_E_UNAVAILABLE,
  kBusy = VIADUCT_E_BUSY,
  kCancelled = VIADUCT_E_CANCELLED,
  kTimeout = VIADUCT_E_TIMEOUT,
  kUnsupported = VIADUCT_E_UNSUPPORTED,
  kConflict = VIADUCT_E_CONFLICT,
  kInternal = VIADUCT_E_INTERNAL,
};

// The HTTP status by which a surface passes a failure on.
constexpr unsigned http_status(Code code) {
  switch (code) {
    case Code::kOk: return 200;
    case Code::kInvalidArgument: return 400;
    case Code::kUnauthenticated: return 401;
    case Code::kPermissionDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kSessionDead:
    case Code::kConflict: return 409;
    case Code::kBusy: return 429;
    case Code::kCancelled:
    case Code::kFailedPrecondition:
    case Code::kUnavailable: return 503;
    case Code::kTimeout: return 504;
    case Code::kUnsupported: return 501;
    case Code::kInternal: break;
  }
  return 500;
}

struct Status {
  Code code = Code::kOk;
  std::string message;  // for a person; no trailing period

  bool ok() const { return code == Code::kOk; }
};

// What a plugin may throw out of any function that the host calls: the call then fails with this
// code. Other exceptions make it kInternal (std::invalid_argument: kInvalidArgument).
class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

// What the host answered to a call of the plugin.
struct Answer {
  Code code = Code::kOk;
  std::string message;
  std::string result;  // JSON text as the call says, empty where nothing is to be said

  bool ok() const { return code == Code::kOk; }
  Status status() const { return {code, message}; }
};

// The answer to a streaming call.
enum class Flow : std::int32_t {
  kOk = VIADUCT_FLOW_OK,
  kBusy = VIADUCT_FLOW_BUSY,
  kCancelled = VIADUCT_FLOW_CANCELLED,
  kGone = VIADUCT_FLOW_GONE,
};

// Who is talking. The host adds the name of the surface.
struct Principal {
  std::string user_id;
  std::string display_name;
  std::string tenant;
  std::string place;  // the shared place that owns the session; empty: the user owns it
  bool is_operator = false;
};

// A callable that may own what cannot be copied (a Reply, an Exchange); called at most once or
// often, as its user says.
template <class Signature>
class Function;

template <class R, class... Args>
class Function<R(Args...)> {
 public:
  Function() = default;
  Function(std::nullptr_t) {}
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Function> &&
             std::is_invocable_r_v<R, std::remove_cvref_t<F>&, Args...>)
  Function(F&& callable)
      : target_(std::make_unique<Target<std::remove_cvref_t<F>>>(std::forward<F>(callable))) {}

  explicit operator bool() const { return target_ != nullptr; }
  R operator()(Args... args) { return target_->call(std::forward<Args>(args)...); }

 private:
  struct Base {
    Base() = default;
    Base(const Base&) = delete;
    Base& operator=(const Base&) = delete;
    virtual ~Base() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Target final : Base {
    template <class G>
    explicit Target(G&& given) : callable(std::forward<G>(given)) {}
    R call(Args... args) override { return callable(std::forward<Args>(args)...); }
    F callable;
  };
  std::unique_ptr<Base> target_;
};

using Callback = Function<void(Answer)>;

// `text` as a JSON string, with its quotes. Invalid UTF-8 becomes U+FFFD.
inline std::string json_string(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  // The length of the well-formed sequence at i (RFC 3629), or 0.
  const auto sequence = [&](std::size_t i) -> std::size_t {
    const unsigned char lead = at(i);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                               : (lead & 0xF0) == 0xE0        ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0 || i + length > text.size()) return 0;
    for (std::size_t k = 1; k < length; ++k)
      if ((at(i + k) & 0xC0) != 0x80) return 0;
    const unsigned char second = at(i + 1);
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F))
      return 0;
    return length;
  };

  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence(i);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    const char c = text[i];
    if (length > 1) {
      out.append(text.substr(i, length));
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (at(i) < 0x20) {
      out += "\\u00";
      out += kHex[at(i) >> 4];
      out += kHex[at(i) & 15];
    } else {
      out += c;
    }
    i += length;
  }
  out += '"';
  return out;
}

namespace detail {

inline viaduct_str str(std::string_view text) {
  return viaduct_str{text.data(), text.size()};
}
inline std::string_view view(viaduct_str text) {
  return text.size == 0 ? std::string_view{} : std::string_view{text.data, text.size};
}
inline viaduct_status status(Code code, std::string_view message) {
  return viaduct_status{sizeof(viaduct_status), static_cast<viaduct_code>(code), str(message)};
}
inline Status status(const viaduct_status* given) {
  if (given == nullptr) return {};
  return {static_cast<Code>(given->code), std::string(view(given->message))};
}
inline viaduct_principal principal(const Principal& who) {
  return viaduct_principal{
      sizeof(viaduct_principal),
      who.is_operator ? static_cast<std::uint32_t>(VIADUCT_PRINCIPAL_OPERATOR) : 0u,
      str(who.user_id),
      str(who.display_name),
      str(who.tenant),
      str(who.place)};
}
inline Principal principal(const viaduct_principal& who) {
  return Principal{std::string(view(who.user_id)), std::string(view(who.display_name)),
                   std::string(view(who.tenant)), std::string(view(who.place)),
                   (who.flags & VIADUCT_PRINCIPAL_OPERATOR) != 0};
}

// What the exception that is being handled says. Call inside `catch`.
inline Status current_exception_status() noexcept {
  try {
    try {
      throw;
    } catch (const Error& error) {
      return {error.code() == Code::kOk ? Code::kInternal : error.code(), error.what()};
    } catch (const std::invalid_argument& error) {
      return {Code::kInvalidArgument, error.what()};
    } catch (const std::exception& error) {
      return {Code::kInternal, error.what()};
    } catch (...) {
      return {Code::kInternal, "the plugin threw something that is no exception"};
    }
  } catch (...) {
    return {Code::kInternal, {}};  // no memory for the message
  }
}

}  // namespace detail
}  // namespace viaduct::sdk
