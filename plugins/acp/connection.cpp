#include "plugins/acp/connection.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <filesystem>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using std::chrono::milliseconds;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr milliseconds kEndOfInput{1500};  // to end by itself when its input has
constexpr milliseconds kTerm{2000};
constexpr std::size_t kMostUnread = 8 << 20;  // of our answers
constexpr auto kForever = asio::steady_timer::time_point::max();

std::string exit_words(const net::ChildExit& exit) {
  return exit.signal != 0 ? "was ended by signal " + std::to_string(exit.signal)
                          : "ended with exit code " + std::to_string(exit.code);
}

}  // namespace

Connection::Connection(net::Loop& loop, const Config& config, Events& events)
    : loop_(loop),
      secrets_(config.secrets()),
      name_(std::filesystem::path(config.command.front()).filename().string()),
      events_(&events),
      to_write_(loop.context()),
      to_read_(loop.context()) {}

Connection::~Connection() = default;

net::Result<std::shared_ptr<Connection>> Connection::start(net::Loop& loop, const Config& config,
                                                           Events& events) {
  net::ChildOptions options;
  options.arguments = config.command;
  options.environment = net::clean_environment(config.environment);
  options.max_line = config.max_line;
  auto child = net::ChildProcess::start(loop, std::move(options));
  if (!child) return std::unexpected(child.error());
  std::shared_ptr<Connection> made(new Connection(loop, config, events));
  made->child_ = std::move(*child);
  // The coroutines hold the connection: it goes when the process has.
  loop.spawn(made->read());
  loop.spawn(made->write());
  return made;
}

pid_t Connection::pid() const {
  return child_->pid();
}

std::string Connection::error_output() const {
  return net::redacted(child_->error_output(), secrets_);
}

// ---------------------------------------------------------------- out

void Connection::send(std::string line) {
  if (stopping_ || !open_) return;
  out_bytes_ += line.size();
  sent_ += line.size();
  out_.push_back(std::move(line));
  to_write_.cancel();
  if (out_bytes_ > kMostUnread && !std::exchange(flooded_, true)) hold(true);
}

net::Task<> Connection::write() {
  const auto self = shared_from_this();
  while (open_ && !stopping_) {
    if (out_.empty()) {
      to_write_.expires_at(kForever);
      [[maybe_unused]] const auto [error] = co_await to_write_.async_wait(kAsTuple);
      continue;
    }
    std::string line = std::move(out_.front());
    out_.pop_front();
    const std::size_t size = line.size();
    if (const auto written = co_await child_->write(std::move(line)); !written) co_return;
    out_bytes_ -= size;
    if (out_bytes_ < kMostUnread / 2 && std::exchange(flooded_, false)) hold(false);
  }
}

std::uint64_t Connection::request(std::string_view method, std::string_view params,
                                  milliseconds limit, std::function<void(CallResult)> done) {
  const std::uint64_t id = ++last_id_;
  if (!open_ || stopping_) {
    const auto self = shared_from_this();
    asio::post(loop_.context(), [self, done = std::move(done)] {
      done(std::unexpected(
          CallError{false, true, {}, {sdk::Code::kUnavailable, "The agent has been stopped"}}));
    });
    return id;
  }
  calls_.emplace(id, Call{std::string(method), std::move(done), sent_,
                          std::chrono::steady_clock::now(), nullptr});
  if (limit.count() > 0) prolong(id, limit);
  send(request_line(id, method, params));
  return id;
}

void Connection::prolong(std::uint64_t id, milliseconds limit) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  auto& timer = found->second.timer;
  if (!timer) timer = std::make_unique<asio::steady_timer>(loop_.context());
  timer->expires_after(limit);
  timer->async_wait([weak = weak_from_this(), id](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error) self->late(id);
  });
}

void Connection::late(std::uint64_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end() ||
      found->second.timer->expiry() > std::chrono::steady_clock::now())  // prolonged meanwhile
    return;
  const Call call = std::move(found->second);
  calls_.erase(found);
  const auto waited =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - call.began);
  call.done(std::unexpected(
      CallError{false,
                false,
                {},
                {sdk::Code::kTimeout, "The agent did not answer " + call.method + " within " +
                                          std::to_string(waited.count()) + " ms"}}));
}

void Connection::notify(std::string_view method, std::string_view params) {
  send(notification_line(method, params));
}
void Connection::answer(std::string_view id, std::string_view result) {
  send(result_line(id, result));
}
void Connection::refuse(std::string_view id, std::int64_t code, std::string_view message) {
  send(error_line(id, code, message));
}

// ---------------------------------------------------------------- in

void Connection::hold(bool held) {
  if (held)
    ++held_;
  else if (held_ > 0 && --held_ == 0)
    to_read_.cancel();
}

net::Task<> Connection::read() {
  const auto self = shared_from_this();
  for (;;) {
    while (held_ > 0 && open_) {
      to_read_.expires_at(kForever);
      [[maybe_unused]] const auto [error] = co_await to_read_.async_wait(kAsTuple);
    }
    const auto line = co_await child_->read_line();
    if (!line || !*line) break;
    dispatch(**line);
  }
  co_await end();
}

net::Task<> Connection::end() {
  const auto self = shared_from_this();
  // It has closed its output: without it, it is of no use.
  if (!stopping_)
    loop_.spawn([](std::shared_ptr<Connection> ending) -> net::Task<> {
      co_await ending->child_->stop(kTerm);
    }(self));
  const auto exit = co_await child_->wait();
  open_ = false;
  to_write_.cancel();
  std::string why = name_ + " " + (exit ? exit_words(*exit) : exit.error().message);
  if (const std::string said = net::last_lines(error_output(), 600); !said.empty())
    why += ": " + said;
  fail_calls({sdk::Code::kUnavailable, why});
  if (Events* events = std::exchange(events_, nullptr)) events->ended(std::move(why));
}

void Connection::dispatch(const net::ChildLine& line) {
  std::optional<Incoming> message;
  if (!line.too_long) message = parse_line(line.text);
  if (!message) {
    const bool empty = !line.too_long && line.text.find_first_not_of(" \t\r") == std::string::npos;
    if (!empty && events_ != nullptr) events_->skipped();
    return;
  }
  switch (message->kind) {
    case Incoming::Kind::kResult:
    case Incoming::Kind::kError: return answered(*message);
    case Incoming::Kind::kNotification:
      if (events_ != nullptr) events_->notified(message->method, message->payload);
      return;
    case Incoming::Kind::kRequest:
      if (events_ != nullptr)
        events_->requested(message->id, message->method, message->payload);
      else
        refuse(message->id, kMethodNotFound, "The session is closed");
      return;
  }
}

void Connection::answered(const Incoming& message) {
  const auto id = own_id(message.id);
  const auto found = id ? calls_.find(*id) : calls_.end();
  if (found == calls_.end()) return;  // too late, or of an error that names no request
  Call call = std::move(found->second);
  calls_.erase(found);
  if (message.kind == Incoming::Kind::kResult)
    call.done(message.payload);
  else
    call.done(std::unexpected(CallError{true, false, message.error, {}}));
}

// ---------------------------------------------------------------- the end

void Connection::fail_calls(const sdk::Status& status) {
  auto calls = std::exchange(calls_, {});
  const std::uint64_t read = child_->input_read();
  for (auto& [id, call] : calls)
    call.done(std::unexpected(CallError{false, call.place >= read, {}, status}));
}

void Connection::stop() {
  if (std::exchange(stopping_, true)) return;
  held_ = 0;
  to_read_.cancel();
  to_write_.cancel();
  child_->close_input();
  loop_.spawn([](std::shared_ptr<Connection> self) -> net::Task<> {
    asio::steady_timer patience(self->loop_.context(), kEndOfInput);
    [[maybe_unused]] const auto [error] = co_await patience.async_wait(kAsTuple);
    if (self->open_) co_await self->child_->stop(kTerm);
  }(shared_from_this()));
}

void Connection::kill() {
  stopping_ = true;
  held_ = 0;
  to_read_.cancel();
  to_write_.cancel();
  child_->kill(SIGKILL);
}

}  // namespace viaduct::acp
