// What a network delivers: on disk before it is acknowledged, handled once, in order for each
// place, and handled again after a crash in the middle (viaduct.delivery/1). To acknowledge goes
// before to handle: in a flood only a few begin to be handled, and what memory is not to hold is
// read from the disk again. On the loop's thread; owned by the plugin.
#pragma once

#include <viaduct/chat/calls.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/delivery.hpp>

namespace viaduct::chat {

// What delivery's `unhandled` answers.
struct Kept {
  std::uint64_t number = 0;
  std::string key;
  std::string payload;  // JSON
  std::chrono::milliseconds age{0};
};
struct KeptPage {
  std::vector<Kept> events;
  bool more = false;
};
KeptPage parse_kept(std::string_view answer);

// Item: a delivery as the surface reads it.
template <class Item>
class Inbox {
 public:
  struct Reading {
    // What is kept of one, read again; the error is for the log.
    std::function<std::expected<Item, std::string>(std::string_view payload)> parse;
    // What belongs together, to be handled in order; empty: with nothing.
    std::function<std::string(const Item& item)> lane;
    // What came, and how long ago; it has been dealt with when the task is over.
    std::function<net::Task<>(Item item, std::chrono::milliseconds age)> handle;
    std::string duplicates;  // the metric that counts what came again
  };

  Inbox(const sdk::Host& host, net::Loop& loop, Reading reading)
      : loop_(loop), delivery_(host), log_(host), metrics_(host), reading_(std::move(reading)) {}

  // `keys`: by which it is known when it comes again, the first is its name. `payload`: JSON that
  // `parse` takes. `done` is told when it is on disk, or why not: then the network must not hear
  // that it was taken.
  void receive(Item item, std::vector<std::string> keys, std::string_view payload,
               std::function<void(sdk::Status)> done) {
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    const auto place = receiving_.insert(keys.front());
    const auto lane = receiving_lanes_.insert(reading_.lane(item));
    note_flood();
    delivery_.receive(views, payload,
                      [this, item = std::move(item), place, lane,
                       done = std::move(done)](const sdk::Answer& answer) mutable {
                        const std::string key = std::move(receiving_.extract(place).value());
                        receiving_lanes_.erase(lane);
                        if (answer.ok() && !sdk::Delivery::is_new(answer))
                          metrics_.count(reading_.duplicates);
                        if (sdk::Delivery::is_new(answer)) {
                          // Not before what is still to be read.
                          if (is_behind_ || is_reading_ || waiting() >= kMostWaiting)
                            is_behind_ = true;
                          else
                            take({std::move(item), key, std::chrono::milliseconds(0)});
                        }
                        done(answer.status());
                        begin();
                      });
  }

  // What was received and not dealt with, from before the start.
  net::Task<> catch_up() {
    if (std::exchange(is_reading_, true)) co_return;
    co_await read(true);
  }

  // True: something of this lane has come and has not been dealt with, or that is not known while
  // the disk is read. What comes now may belong to what that is about to begin.
  bool is_busy(const std::string& lane) const {
    return is_behind_ || is_reading_ || lanes_.contains(lane) || receiving_lanes_.contains(lane);
  }

  // In memory, those that are handled too, but not those that step aside.
  std::size_t waiting() const { return known_.size() - *aside_; }

  // Held by whoever handles one, while it waits for what others are slow with: meanwhile it counts
  // neither as handled nor as waiting, so that other lanes go on. Those beyond kMostAside count.
  class Aside {
   public:
    Aside(Aside&&) noexcept = default;
    Aside& operator=(Aside&&) = delete;
    ~Aside() {
      if (count_) --*count_;
    }

   private:
    friend class Inbox;
    explicit Aside(std::shared_ptr<std::size_t> count) : count_(std::move(count)) {}
    std::shared_ptr<std::size_t> count_;  // may outlive the Inbox
  };
  [[nodiscard]] Aside step_aside() {
    const bool has_room = *aside_ < kMostAside;
    if (has_room) ++*aside_;
    begin();
    return Aside(has_room ? aside_ : nullptr);
  }

  static constexpr std::size_t kMostWaiting = 400;  // in memory
  static constexpr std::size_t kAtOnce = 200;       // are handled
  static constexpr std::size_t kMostAside = 400;
  // More come in 20 ms than can be handled meanwhile.
  static constexpr std::size_t kFlood = 40;
  static constexpr std::size_t kAtOnceInFlood = 4;
  static constexpr auto kPause =
      std::chrono::milliseconds(5);  // from one beginning to the next then

 private:
  static constexpr std::uint32_t kPage = 100;
  static constexpr auto kRetry = std::chrono::seconds(1);
  static constexpr auto kWindow = std::chrono::milliseconds(20);
  struct Waiting {
    Item item;
    std::string key;
    std::chrono::milliseconds age;
  };

  void take(Waiting one) {
    known_.insert(one.key);
    std::string lane = reading_.lane(one.item);
    if (lane.empty()) lane = std::string(1, '\0') + one.key;
    const auto [found, is_new] = lanes_.try_emplace(lane);
    found->second.push_back(std::move(one));
    if (is_new) ready_.push_back(std::move(lane));
  }

  // One at a time, so that what comes in is looked at in between.
  void begin() {
    if (is_behind_ && !is_reading_ && waiting() <= kMostWaiting / 2) {
      is_reading_ = true;
      loop_.spawn(read(false));
    }
    const std::size_t busy = handling_ - *aside_;
    if (is_beginning_ || ready_.empty() || busy >= kAtOnce) return;
    const auto now = std::chrono::steady_clock::now();
    const bool is_flood = now < flood_until_;
    if (is_flood && (now < next_in_flood_ || busy >= kAtOnceInFlood)) {
      if (!std::exchange(is_pausing_, true)) loop_.spawn(pause());
      return;
    }
    if (is_flood) next_in_flood_ = now + kPause;
    is_beginning_ = true;
    boost::asio::post(loop_.context(), [this] {
      is_beginning_ = false;
      ++handling_;
      std::string lane = std::move(ready_.front());
      ready_.pop_front();
      begin();
      loop_.spawn(handle(std::move(lane)));
    });
  }

  net::Task<> pause() {
    boost::asio::steady_timer timer(loop_.context(), kPause);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    is_pausing_ = false;
    begin();
  }

  void note_flood() {
    const auto now = std::chrono::steady_clock::now();
    if (now - counted_since_ > kWindow) {
      counted_since_ = now;
      counted_ = 0;
    }
    if (++counted_ >= kFlood) flood_until_ = now + kWindow;
  }

  net::Task<> handle(std::string lane) {
    auto& line = lanes_.at(lane);
    Waiting one = std::move(line.front());
    line.pop_front();
    const std::string key = one.key;
    try {
      co_await reading_.handle(std::move(one.item), one.age);
    } catch (const std::exception& error) {
      log_.error("event not dealt with key=" + key + " what=" + error.what());
    }
    settle(key);
    --handling_;
    if (const auto found = lanes_.find(lane); found->second.empty())
      lanes_.erase(found);
    else
      ready_.push_back(std::move(lane));
    begin();
  }

  // What the disk could not be told would come again with the next page.
  void settle(std::string key) {
    delivery_.handled(key, [this, key](const sdk::Answer& answer) {
      if (!answer.ok()) {
        unsettled_.push_back(key);
        if (unsettled_.size() == 1) loop_.spawn(settle_later());
        return;
      }
      // A page that is on its way may still have it.
      if (is_reading_)
        handled_.push_back(key);
      else
        known_.erase(key);
      begin();
    });
  }

  net::Task<> settle_later() {
    boost::asio::steady_timer pause(loop_.context(), kRetry);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    for (const std::string& key : std::exchange(unsettled_, {})) settle(key);
  }

  // From the oldest, what is not in memory and is not about to be.
  net::Task<> read(bool is_first) {
    is_behind_ = false;
    std::uint64_t after = 0;
    for (bool more = true; more;) {
      const sdk::Answer answer = co_await answered(
          [&](sdk::Callback done) { delivery_.unhandled(after, kPage, std::move(done)); });
      if (!answer.ok()) {
        log_.error("what was received before cannot be read reason=" + answer.message);
        loop_.spawn(read_later());
        co_return;
      }
      const KeptPage page = parse_kept(answer.result);
      for (const Kept& event : page.events) {
        after = event.number;
        if (known_.contains(event.key) || receiving_.contains(event.key)) continue;
        auto item = reading_.parse(event.payload);
        if (!item) {
          log_.error("an event that was kept cannot be read key=" + event.key +
                     " reason=" + item.error());
          delivery_.handled(event.key);
          continue;
        }
        if (is_first) log_.info("event from before the start key=" + event.key);
        take({*std::move(item), event.key, event.age});
      }
      more = page.more && waiting() < kMostWaiting;
      if (page.more && !more) is_behind_ = true;
    }
    stop_reading();
  }

  net::Task<> read_later() {
    boost::asio::steady_timer pause(loop_.context(), kRetry);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    is_behind_ = true;
    stop_reading();
  }

  void stop_reading() {
    is_reading_ = false;
    for (const std::string& key : std::exchange(handled_, {})) known_.erase(key);
    begin();
  }

  net::Loop& loop_;
  sdk::Delivery delivery_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  Reading reading_;
  std::multiset<std::string> receiving_;                        // on their way to the disk
  std::multiset<std::string> receiving_lanes_;                  // theirs
  std::unordered_set<std::string> known_;                       // in memory
  std::unordered_map<std::string, std::deque<Waiting>> lanes_;  // with what has not begun
  std::deque<std::string> ready_;                               // lanes of which nothing is handled
  std::size_t handling_ = 0;
  const std::shared_ptr<std::size_t> aside_ = std::make_shared<std::size_t>(0);  // of these
  bool is_beginning_ = false;
  bool is_pausing_ = false;
  std::size_t counted_ = 0;  // received since then
  std::chrono::steady_clock::time_point counted_since_, flood_until_, next_in_flood_;
  bool is_behind_ = false;  // something is on disk only
  bool is_reading_ = false;
  std::vector<std::string> handled_;    // while it was read
  std::vector<std::string> unsettled_;  // handled, which the disk could not be told
};

}  // namespace viaduct::chat
