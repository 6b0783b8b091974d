#include "plugins/bridge/cli_run.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace viaduct::bridge {
namespace {

namespace asio = boost::asio;
using net::Task;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr milliseconds kGrace{5000};    // between TERM and KILL
constexpr milliseconds kLinger{10000};  // after its answer is whole
constexpr std::size_t kLongestLine = 16 << 20;

}  // namespace

CliRun::CliRun(net::Loop& loop, const Preset& preset)
    : loop_(loop),
      output_(preset),
      limit_(loop.context()),
      room_(loop.context()),
      gone_(loop.context(), steady_clock::time_point::max()) {}

Task<net::Result<CliEnd>> CliRun::go(CliStart start, std::function<Next(const Said&)> hear) {
  const auto self = shared_from_this();
  silence_ = start.silence;
  CliEnd result{0, 0, false, start.silence, {}};
  if (!stopped_) {
    auto started =
        net::ChildProcess::start(loop_, {std::move(start.command), std::move(start.environment),
                                         std::move(start.working_dir), kLongestLine});
    if (!started) {
      close();
      co_return std::unexpected(started.error());
    }
    child_ = *std::move(started);
    loop_.spawn(feed(child_, std::move(start.prompt)));
    heard();
    loop_.spawn(watch(self));
    co_await read(hear);
    const auto exit = co_await child_->wait();
    if (exit) {
      result.code = exit->code;
      result.signal = exit->signal;
    }
    result.silent = silent_;
    result.errors = child_->error_output();
  }
  close();
  co_return result;
}

Task<> CliRun::read(const std::function<Next(const Said&)>& hear) {
  std::vector<Said> said;
  for (;;) {
    auto line = co_await child_->read_line();
    if (!line || !*line) co_return;
    heard();
    if ((*line)->too_long) {
      ++too_long_;
      continue;
    }
    said.clear();
    output_.line((*line)->text, said);
    if (output_.done()) heard();  // which shortens its time
    for (const Said& one : said) {
      if (stopped_) break;  // what it says now is for nobody
      const Next next = hear(one);
      if (next == Next::kStop) stop();
      // Nothing is read meanwhile, so that the program waits, too.
      if (next == Next::kWait) waiting_ = true;
    }
    while (waiting_ && !stopped_) {
      deadline_ = steady_clock::time_point::max();
      room_.expires_at(steady_clock::time_point::max());
      [[maybe_unused]] const auto [error] = co_await room_.async_wait(kAsTuple);
    }
    heard();
  }
}

void CliRun::heard() {
  const auto now = steady_clock::now();
  // Once it is done it has a moment to end, whatever else it prints.
  if (output_.done() && !end_by_) end_by_ = now + std::min(kLinger, silence_);
  deadline_ = end_by_.value_or(now + silence_);
  if (deadline_ < limit_.expiry()) limit_.cancel();  // it waits for too long
}

Task<> CliRun::watch(std::shared_ptr<CliRun> self) {
  while (!self->over_) {
    if (steady_clock::now() >= self->deadline_) {
      self->silent_ = !self->stopped_;
      self->stop();
      co_return;
    }
    self->limit_.expires_at(self->deadline_);
    [[maybe_unused]] const auto [error] = co_await self->limit_.async_wait(kAsTuple);
  }
}

Task<> CliRun::feed(Child child, std::string prompt) {
  // That it does not read, its end will show.
  [[maybe_unused]] const auto written = co_await child->write(std::move(prompt));
  child->close_input();
}

Task<> CliRun::end(Child child) {
  [[maybe_unused]] const auto ended = co_await child->stop(kGrace);
}

void CliRun::stop() {
  if (std::exchange(stopped_, true)) return;
  room_.cancel();
  if (child_ && !over_) loop_.spawn(end(child_));
}

void CliRun::go_on() {
  waiting_ = false;
  room_.cancel();
}

void CliRun::close() {
  over_ = true;
  limit_.cancel();
  gone_.cancel();
}

Task<> CliRun::gone() {
  const auto self = shared_from_this();
  while (!over_) {
    [[maybe_unused]] const auto [error] = co_await gone_.async_wait(kAsTuple);
  }
}

}  // namespace viaduct::bridge
