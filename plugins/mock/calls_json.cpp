#include "plugins/mock/calls.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace viaduct::mock {

Calls::~Calls() {
  close();
}

std::expected<void, std::string> Calls::open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  int file = -1;
  if (!path.empty()) {
    file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return std::unexpected("record: " + path + ": " + std::strerror(errno));
  }
  if (file_ >= 0) ::close(file_);
  file_ = file;
  return {};
}

void Calls::close() {
  const std::lock_guard lock(mutex_);
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

void Calls::add(std::string_view method, std::string_view session_id,
                std::initializer_list<Field> fields) {
  const std::lock_guard lock(mutex_);
  if (file_ < 0) return;
  nlohmann::ordered_json call{{"method", method}, {"session_id", session_id}};
  for (const auto& [name, value] : fields) call[std::string(name)] = value;
  const std::string line =
      call.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t wrote = ::write(file_, line.data() + done, line.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return;  // a full disk: the record is for tests, the conversation goes on
    done += static_cast<std::size_t>(wrote);
  }
}

}  // namespace viaduct::mock
