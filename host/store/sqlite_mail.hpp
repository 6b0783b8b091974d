// The mail in SQLite. Owned by the store, whose threads do the work; any thread calls it.
#pragma once

#include "host/loop.hpp"
#include "host/store/inbox.hpp"
#include "host/store/job.hpp"
#include "host/store/mail.hpp"
#include "host/telemetry/log.hpp"

#include <atomic>
#include <functional>
#include <memory>

namespace viaduct::store {

class SqliteMail final : public Mail {
 public:
  // Before the threads run. `writer` outlives it, but for what runs on the threads.
  static Result<std::unique_ptr<SqliteMail>> make(Loop& loop, Database& writer, const Logger& log);
  // Hands a job to the writing or the reading thread.
  using Push = std::function<void(bool writes, std::unique_ptr<Job> job)>;
  void open(std::uint64_t epoch, Push push);

  void receive(std::string space, std::vector<std::string> keys, std::string payload, Micros at,
               Done<bool> done) override;
  void handled(std::string space, std::string key, Done<> done) override;
  void unhandled(std::string space, std::uint64_t after, std::uint32_t limit, std::size_t max_bytes,
                 Done<InboxPage> done) override;
  void post(Parcel parcel, Done<Posted> done) override;
  void find(std::string space, std::string key, Done<Parcel> done) override;
  void open_targets(std::string space, std::string after, std::uint32_t limit,
                    Done<std::vector<std::string>> done) override;
  void next(std::string space, std::string target, Micros now, Done<NextParcel> done) override;
  void settle(ParcelOutcome outcome, Done<ParcelState> done) override;
  void parcels(ParcelQuery query, Done<std::vector<Parcel>> done) override;
  void retry(std::uint64_t number, Micros now, Micros expires_at, Done<Parcel> done) override;
  void drop(std::uint64_t number, Micros now, Done<Parcel> done) override;
  void counts(Done<MailCounts> done) override;
  void tidy(Micros now, Done<> done) override;

 private:
  SqliteMail(Loop& loop, Database& writer, Logger log)
      : loop_(loop), inbox_(writer), log_(std::move(log)) {}

  template <class T, class Work>
  void change(Work work, Done<T> done) {
    push_(true, std::make_unique<Call<T, Work>>(loop_, std::move(work), std::move(done)));
  }
  template <class T, class Work>
  void look(Work work, Done<T> done) {
    push_(false, std::make_unique<Call<T, Work>>(loop_, std::move(work), std::move(done)));
  }
  void sort_in(Micros now, bool always, Done<> done);
  void sort_in_step(int step, std::int64_t newest, Micros since, Done<> done);
  void forget(Micros now, Done<> done);

  Loop& loop_;
  Inbox inbox_;  // the writing thread's
  const Logger log_;
  std::uint64_t epoch_ = 0;
  Push push_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::atomic<int> received_ = 0;  // since the log was looked at
  bool sorting_ = false;           // the loop's
};

}  // namespace viaduct::store
