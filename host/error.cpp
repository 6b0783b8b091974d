#include "host/error.hpp"

namespace viaduct {

std::string_view name(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::not_found: return "not_found";
    case Errc::permission_denied: return "permission_denied";
    case Errc::unauthenticated: return "unauthenticated";
    case Errc::failed_precondition: return "failed_precondition";
    case Errc::session_dead: return "session_dead";
    case Errc::unavailable: return "unavailable";
    case Errc::busy: return "busy";
    case Errc::cancelled: return "cancelled";
    case Errc::timeout: return "timeout";
    case Errc::unsupported: return "unsupported";
    case Errc::conflict: return "conflict";
    case Errc::internal: return "internal";
  }
  return "internal";
}

}  // namespace viaduct
