#include <viaduct/chat/fence.hpp>

#include <algorithm>

namespace viaduct::chat {
namespace {

constexpr std::size_t kDeepestIndent = 16;
constexpr std::size_t kLongestInfo = 100;

std::size_t run_of(std::string_view text, std::size_t begin, char sign) {
  return std::min(text.find_first_not_of(sign, begin), text.size()) - begin;
}

}  // namespace

std::string Fence::opening() const {
  return std::string(indent, ' ') + std::string(length, sign) + info;
}
std::string Fence::closing() const {
  return std::string(indent, ' ') + std::string(length, sign);
}

std::optional<Fence> opened_by(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  Fence fence;
  fence.indent = run_of(line, 0, ' ');
  if (fence.indent > kDeepestIndent || fence.indent == line.size()) return std::nullopt;
  fence.sign = line[fence.indent];
  if (fence.sign != '`' && fence.sign != '~') return std::nullopt;
  fence.length = run_of(line, fence.indent, fence.sign);
  if (fence.length < 3 || fence.length > kLongestFence) return std::nullopt;
  const std::string_view info = line.substr(fence.indent + fence.length);
  if (fence.sign == '`' && info.find('`') != std::string_view::npos) return std::nullopt;
  // A longer one says nothing that a reader needs twice.
  if (info.size() <= kLongestInfo) fence.info = info;
  return fence;
}

bool closes(const Fence& fence, std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t indent = run_of(line, 0, ' ');
  if (indent > fence.indent + 3) return false;
  const std::size_t length = run_of(line, indent, fence.sign);
  return length >= fence.length &&
         line.find_first_not_of(" \t", indent + length) == std::string_view::npos;
}

Line line_at(std::string_view text, std::size_t begin) {
  const std::size_t end = text.find('\n', begin);
  if (end == std::string_view::npos) return {text.substr(begin), text.size() - begin, false};
  return {text.substr(begin, end - begin), end + 1 - begin, true};
}

}  // namespace viaduct::chat
