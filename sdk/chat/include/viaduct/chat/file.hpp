// A file that goes to people: what an agent said instead of words, or an answer that is too long
// for messages. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::chat {

struct File {
  std::string name;   // one that is safe, with an extension
  std::string type;   // MIME
  std::string words;  // plain, said with it; may be empty
  std::string alt;    // plain: what it is, for where it cannot be shown ("an image")
  std::string bytes;
};

// The file that an entry of type kContent is, out of a page of entries; nullopt: it is not there,
// or is none that can be had.
std::optional<File> parse_file(std::string_view entries_json, std::uint64_t entry);

// The last part of an address as a name for a file of this type: without folders, control
// characters and what turns the direction of writing, and not long.
std::string file_name(std::string_view uri, std::string_view type);

// "1.4 MB"
std::string size_words(std::size_t bytes);

}  // namespace viaduct::chat
