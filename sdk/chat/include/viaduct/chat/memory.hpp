// What the memory service answers, in words. Pure functions; any thread.
#pragma once

#include <viaduct/chat/network.hpp>

#include <string>
#include <string_view>

namespace viaduct::chat {

std::string remembered_words(const Network& network, std::string_view answer);
std::string recalled_words(const Network& network, std::string_view answer, std::string_view query);
std::string work_words(const Network& network, std::string_view answer);

}  // namespace viaduct::chat
