#include "host/cli/control.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <sys/stat.h>
#include <unistd.h>

namespace viaduct::cli {
namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;

constexpr std::size_t kLongestRequest = 64 << 10;
constexpr std::chrono::seconds kRequestLimit{5};
constexpr std::chrono::milliseconds kAcceptRetry{200};

// Asio throws a path that is too long for a socket.
Protocol::endpoint endpoint(const std::string& path, boost::system::error_code& error) {
  try {
    return Protocol::endpoint(path);
  } catch (const boost::system::system_error& too_long) {
    error = too_long.code();
    return {};
  }
}

// One request and its answer. Kept alive by its own work.
struct Connection : std::enable_shared_from_this<Connection> {
  Connection(Protocol::socket accepted, ControlServer::Handle answer)
      : socket(std::move(accepted)), limit(socket.get_executor()), handle(std::move(answer)) {}

  void run() {
    limit.expires_after(kRequestLimit);
    limit.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (!error) self->socket.close(error);
    });
    asio::async_read_until(
        socket, asio::dynamic_buffer(line, kLongestRequest), '\n',
        [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
          self->limit.cancel();
          if (error) return;
          auto request = parse_request(std::string_view(self->line).substr(0, size));
          if (!request) return self->reply(std::unexpected(request.error()));
          self->handle(std::move(*request),
                       [self](Result<std::string> answer) { self->reply(answer); });
        });
  }

  void reply(const Result<std::string>& answer) {
    line = reply_line(answer);
    asio::async_write(socket, asio::buffer(line),
                      [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                        self->socket.close(error);
                      });
  }

  Protocol::socket socket;
  asio::steady_timer limit;
  ControlServer::Handle handle;
  std::string line;
};

// Whether a host serves the socket, also one that is stopped or busy just now.
bool is_served(const std::string& path) {
  asio::io_context context;
  Protocol::socket socket(context);
  boost::system::error_code error;
  socket.open(Protocol(), error);
  socket.non_blocking(true, error);
  socket.connect(Protocol::endpoint(path), error);
  return !error || error == asio::error::would_block || error == asio::error::try_again;
}

}  // namespace

struct ControlServer::Impl : std::enable_shared_from_this<ControlServer::Impl> {
  Impl(Loop& loop, std::string where, Handle answer, Logger logger)
      : acceptor(loop.context()),
        retry(loop.context()),
        path(std::move(where)),
        handle(std::move(answer)),
        log(std::move(logger)) {}

  void accept() {
    acceptor.async_accept(
        [weak = weak_from_this()](boost::system::error_code error, Protocol::socket socket) {
          const auto self = weak.lock();
          if (!self || error == asio::error::operation_aborted) return;
          if (!error) {
            self->complained = false;
            std::make_shared<Connection>(std::move(socket), self->handle)->run();
            return self->accept();
          }
          // Out of descriptors, most likely: at once it would only fail again.
          if (!std::exchange(self->complained, true))
            self->log.warn("control socket not accepted reason={}", error.message());
          self->retry.expires_after(kAcceptRetry);
          self->retry.async_wait([weak](boost::system::error_code aborted) {
            const auto waiting = weak.lock();
            if (!aborted && waiting) waiting->accept();
          });
        });
  }

  Protocol::acceptor acceptor;
  asio::steady_timer retry;
  bool complained = false;
  std::string path;
  Handle handle;
  Logger log;
};

Result<std::unique_ptr<ControlServer>> ControlServer::open(Loop& loop, std::string path,
                                                           Handle handle, Logger log) {
  boost::system::error_code error;
  // The store's lock says that no other host runs on this store; on this folder one may all the
  // same.
  try {
    if (is_served(path))
      return fail(Errc::failed_precondition,
                  path +
                      " is in use by another viaduct; stop that one, or give this one a store in "
                      "another folder");
  } catch (const boost::system::system_error&) {  // too long: said below
  }
  ::unlink(path.c_str());  // left over
  auto impl = std::make_shared<Impl>(loop, path, std::move(handle), std::move(log));
  const auto where = endpoint(path, error);
  if (!error) impl->acceptor.open(Protocol(), error);
  const mode_t before = ::umask(0177);
  if (!error) impl->acceptor.bind(where, error);
  ::umask(before);
  if (!error) impl->acceptor.listen(16, error);
  if (error)
    return fail(Errc::unavailable,
                "cannot open the control socket " + path + ": " + error.message());
  impl->accept();
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::ControlServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

ControlServer::~ControlServer() {
  boost::system::error_code error;
  impl_->acceptor.close(error);
  impl_->retry.cancel();
  ::unlink(impl_->path.c_str());
}

Result<std::string> ask_host(const std::string& path, const ControlRequest& request) {
  asio::io_context context;
  Protocol::socket socket(context);
  boost::system::error_code error;
  const auto where = endpoint(path, error);
  if (!error) socket.connect(where, error);
  if (error)
    return fail(Errc::unavailable, "no host is running (" + path + ": " + error.message() +
                                       "); `viaduct serve` with this configuration starts it");
  std::string line = to_json(request) + "\n";
  asio::write(socket, asio::buffer(line), error);
  line.clear();
  if (!error) asio::read_until(socket, asio::dynamic_buffer(line), '\n', error);
  if (error && line.empty())
    return fail(Errc::unavailable, "the host did not answer: " + error.message());
  return parse_reply(line);
}

}  // namespace viaduct::cli
