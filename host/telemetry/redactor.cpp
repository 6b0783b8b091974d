#include "host/telemetry/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace viaduct {

namespace {
constexpr std::size_t kShortestSecret = 6;
constexpr std::size_t kShortestLine = 16;  // of a secret with several lines, such as a PEM key
}  // namespace

struct Redactor::Impl {
  std::atomic<bool> any = false;
  mutable std::shared_mutex mutex;
  std::vector<std::string> secrets;
  std::array<bool, 256> begins{};  // a secret begins with this byte

  void keep(std::string_view secret) {
    if (std::find(secrets.begin(), secrets.end(), secret) != secrets.end()) return;
    secrets.emplace_back(secret);
    begins[static_cast<unsigned char>(secret.front())] = true;
    any = true;
  }
};

Redactor::Redactor() : impl_(std::make_unique<Impl>()) {}
Redactor::~Redactor() = default;

void Redactor::add(std::string_view secret) {
  if (secret.size() < kShortestSecret) return;
  const std::unique_lock lock(impl_->mutex);
  impl_->keep(secret);
  if (secret.find('\n') == std::string_view::npos) return;
  for (std::size_t from = 0; from <= secret.size();) {  // it may be logged line by line
    const std::size_t to = std::min(secret.find_first_of("\r\n", from), secret.size());
    if (to - from >= kShortestLine) impl_->keep(secret.substr(from, to - from));
    from = to + 1;
  }
}

std::string Redactor::apply(std::string_view text) const {
  if (!impl_->any) return std::string(text);
  const std::shared_lock lock(impl_->mutex);
  std::string out;
  out.reserve(text.size());
  std::size_t hidden_to = 0;  // occurrences may overlap: what any of them covers is hidden
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t end = 0;
    if (impl_->begins[static_cast<unsigned char>(text[at])]) {
      const std::string_view rest = text.substr(at);
      for (const auto& secret : impl_->secrets)
        if (rest.starts_with(secret)) end = std::max(end, at + secret.size());
    }
    if (end > hidden_to) {
      if (at > hidden_to || hidden_to == 0) out += "***";
      hidden_to = end;
    }
    if (at >= hidden_to) out += text[at];
  }
  return out;
}

}  // namespace viaduct
