// Facts in words for people. Pure functions; any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace viaduct::chat {

// A folder of the host, with ~ for its home.
std::string folder_words(std::string_view path);
// How long ago a moment of RFC 3339 in UTC was: "5 minutes ago"; empty: it is none.
std::string ago_words(std::string_view moment, std::chrono::system_clock::time_point now);
// How many messages of people a session did not come to.
std::string unanswered_words(std::size_t count);

}  // namespace viaduct::chat
