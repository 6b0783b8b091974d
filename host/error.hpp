// How the host says that something failed: values at every module edge, with the codes of the
// plugin ABI.
#pragma once

#include <viaduct/abi.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace viaduct {

enum class Errc : std::int32_t {
  invalid_argument = VIADUCT_E_INVALID_ARGUMENT,
  not_found = VIADUCT_E_NOT_FOUND,
  permission_denied = VIADUCT_E_PERMISSION_DENIED,
  unauthenticated = VIADUCT_E_UNAUTHENTICATED,
  failed_precondition = VIADUCT_E_FAILED_PRECONDITION,
  session_dead = VIADUCT_E_SESSION_DEAD,
  unavailable = VIADUCT_E_UNAVAILABLE,
  busy = VIADUCT_E_BUSY,
  cancelled = VIADUCT_E_CANCELLED,
  timeout = VIADUCT_E_TIMEOUT,
  unsupported = VIADUCT_E_UNSUPPORTED,
  conflict = VIADUCT_E_CONFLICT,
  internal = VIADUCT_E_INTERNAL,
};

// "invalid_argument" and so on, as written in JSON, YAML and logs.
std::string_view name(Errc code);

struct Error {
  Errc code = Errc::internal;
  std::string message;  // what failed and where, for a person; no trailing period
};

template <class T = void>
using Result = std::expected<T, Error>;

// Answers an asynchronous call, exactly once.
template <class T = void>
using Done = std::move_only_function<void(Result<T>)>;

inline std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace viaduct
