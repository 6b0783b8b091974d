// A Markdown text in pieces that are rendered one by one, each without a look at what follows, so
// that what is shown of a text only grows while the text does. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

struct Chunk {
  enum class Kind {
    kText,  // paragraphs, tables, quotes, and all else
    kHeading,
    kFence,
    kItem  // of a list at the left, with all that is in it
  };
  // What was between it and the one before.
  enum class Join { kNothing, kBlank, kLineEnd, kEmptyLine };
  Kind kind = Kind::kText;
  Join join = Join::kEmptyLine;
  std::string_view source;  // of the text
  int number = -1;          // of an item in a list that counts
  bool is_done = false;     // nothing comes to it any more
};

// `text` is valid UTF-8 with plain line ends. Where it has not `ended`, the beginning of a line
// that may still become anything is left out.
std::vector<Chunk> chunks_of(std::string_view text, bool ended);

// How much of a chunk that is not done is rendered the same, whatever comes behind it: no format is
// open there, and no word has just begun. Not for kFence.
std::size_t settled_size(const Chunk& chunk);

// The chunk's text for the parser, without what would make it look elsewhere in the text: a link's
// definition is shown as it is, and a table needs a bar in front of its heading.
std::string for_parser(std::string_view source);

}  // namespace viaduct::teams
