// One start of an agent program: the prompt goes in, its lines come out, and it is gone in the end.
// On the loop's thread; kept alive by go(), whoever else wants to stop it shares it.
#pragma once

#include "plugins/bridge/cli_output.hpp"
#include "plugins/bridge/cli_verdict.hpp"
#include "plugins/bridge/preset.hpp"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <viaduct/net/child_process.hpp>
#include <viaduct/net/loop.hpp>

namespace viaduct::bridge {

struct CliStart {
  std::vector<std::string> command;  // the program and its arguments
  std::vector<std::string> environment;
  std::string working_dir;
  std::string prompt;
  std::chrono::milliseconds silence{0};  // longer than that it may not say nothing
};

class CliRun : public std::enable_shared_from_this<CliRun> {
 public:
  enum class Next { kGoOn, kWait, kStop };  // kWait: until go_on

  // Both outlive it.
  CliRun(net::Loop& loop, const Preset& preset);

  // Once. Done when the program is gone. The error: it could not be started.
  net::Task<net::Result<CliEnd>> go(CliStart start, std::function<Next(const Said&)> hear);

  // Ends the program, if need be by force, after some seconds; before go: it is not started at all.
  void stop();
  bool stopped() const { return stopped_; }
  void go_on();
  // Done when go() is, or after close(); any number may wait.
  net::Task<> gone();
  // Where go() will not come any more.
  void close();

  const CliOutput& output() const { return output_; }
  std::size_t too_long() const { return too_long_; }  // lines that were skipped for it
  pid_t pid() const { return child_ ? child_->pid() : 0; }

 private:
  using Child = std::shared_ptr<net::ChildProcess>;
  static net::Task<> feed(Child child, std::string prompt);
  static net::Task<> end(Child child);
  static net::Task<> watch(std::shared_ptr<CliRun> self);
  net::Task<> read(const std::function<Next(const Said&)>& hear);
  void heard();

  net::Loop& loop_;
  CliOutput output_;
  Child child_;
  std::chrono::milliseconds silence_{0};
  std::chrono::steady_clock::time_point deadline_;               // of what it says next
  std::optional<std::chrono::steady_clock::time_point> end_by_;  // it has said that it is done
  boost::asio::steady_timer limit_, room_, gone_;
  bool waiting_ = false;  // for room
  bool stopped_ = false;
  bool silent_ = false;
  bool over_ = false;
  std::size_t too_long_ = 0;
};

}  // namespace viaduct::bridge
