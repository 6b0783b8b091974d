// A call on its way through one of the store's threads.
#pragma once

#include "host/loop.hpp"
#include "host/store/database.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace viaduct::store {

// Keeps the loop from running dry until it is answered.
class Job {
 public:
  explicit Job(Loop& loop) : work_(loop.context().get_executor()) {}
  virtual ~Job() = default;
  virtual bool run(Database& database) = 0;
  virtual void fail(const Error& error) = 0;  // instead of a success
  virtual Result<> status() const = 0;
  virtual void answer() = 0;  // on the loop

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
};
using Jobs = std::vector<std::unique_ptr<Job>>;

template <class T, class Work>
class Call final : public Job {
 public:
  Call(Loop& loop, Work work, Done<T> done)
      : Job(loop), work_(std::move(work)), done_(std::move(done)) {}
  bool run(Database& database) override {
    result_ = work_(database);
    return result_.has_value();
  }
  void fail(const Error& error) override {
    if (result_) result_ = std::unexpected(error);
  }
  Result<> status() const override {
    if (!result_) return std::unexpected(result_.error());
    return {};
  }
  void answer() override { done_(std::move(result_)); }

 private:
  Work work_;
  Done<T> done_;
  Result<T> result_{};
};

}  // namespace viaduct::store
