// Cuts a text into parts of a limited size, so that nothing is lost: not inside
// of a link, an address, a code span or a character where that can be helped, and in a code block
// only so that each part has its fences. Any thread.
//
// Where a part ends inside of a code block, a line that closes it is put behind it, and the next
// part begins with a line that opens it again. Whoever has only the parts can tell:
//   - the last line of the part closes a code block, and has no line end behind it;
//   - it is as long as the fence that was opened: the cut was at a line's end. One longer: it was
//     inside of a line, and the line end in front is not the text's either;
//   - the first line of the next part is put in, too.
// joined() does that. Of a text of runs without any place to cut it may keep lines that were put
// in, but never loses any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::chat {

enum class Count { kBytes, kCharacters };  // as characters() counts, of valid UTF-8

struct Piece {
  std::string head;  // put in: opens a code block again
  std::string body;  // of the text; all bodies together are the text
  std::string tail;  // put in: closes the code block

  std::string text() const { return head + body + tail; }
};

// Parts of at most `longest`, which is at least 400. `ended`: nothing comes behind the text. Else
// the last piece holds what is certain to be of that part: of a longer text, all pieces but the
// last are the same, and the last begins as it did. It may be empty.
std::vector<Piece> split(std::string_view text, std::size_t longest, Count count, bool ended);

// Where a text that grows may be cut for good, at `from` or behind it: between blocks; `hurried`:
// also between lines and words. nullopt: nowhere yet.
std::optional<std::size_t> cut_behind(std::string_view text, std::size_t from, bool hurried);

// The text cut at these places, which rise; one that the text does not reach does not count.
std::vector<Piece> sections(std::string_view text, const std::vector<std::uint64_t>& cuts);

// Without a character at the end that is not there wholly yet.
std::string_view whole_characters(std::string_view text);

std::string joined(const std::vector<std::string>& texts);

}  // namespace viaduct::chat
