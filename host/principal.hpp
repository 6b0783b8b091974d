// Who is talking, and whose session it is. A value; any thread.
#pragma once

#include <string>

namespace viaduct {

struct Principal {
  std::string surface;  // name of the surface instance
  std::string tenant;
  std::string user_id;
  std::string display_name;
  std::string place;         // the shared place that owns the session; empty: the user does
  bool is_operator = false;  // may answer for others, and see what other programs left

  // The one that everybody is who reaches the host without authentication: only from this machine.
  bool is_local() const { return user_id == "local" && tenant.empty() && place.empty(); }

  // The owner of what this principal creates, as stored and compared. Its parts cannot run into
  // each other.
  std::string owner() const {
    const auto part = [](const std::string& text) {
      return std::to_string(text.size()) + ":" + text;
    };
    return part(surface) + part(tenant) + (place.empty() ? "u" + part(user_id) : "p" + part(place));
  }
};

}  // namespace viaduct
