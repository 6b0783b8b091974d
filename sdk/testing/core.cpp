#include "core.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace viaduct::testing {

GuardedBytes::GuardedBytes(const void* bytes, std::size_t size, std::size_t front) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t usable = (front + size + page - 1) / page * page;
  mapped_ = usable + page;
  pages_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert(pages_ != MAP_FAILED);
  auto* begin = static_cast<char*>(pages_);
  ::mprotect(begin + usable, page, PROT_NONE);
  data_ = begin + usable - size;
  front_ = begin + usable - size - front;
  std::memcpy(data_, bytes, size);
}
GuardedBytes::~GuardedBytes() {
  ::munmap(pages_, mapped_);
}

WatchedText::WatchedText(std::string_view text) : size_(text.size()) {
  if (text.empty()) return;
  const int file = ::memfd_create("watched-text", MFD_CLOEXEC);
  assert(file >= 0);
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(file, text.data() + at, text.size() - at);
    assert(written > 0);
    at += static_cast<std::size_t>(written);
  }
  pages_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  assert(pages_ != MAP_FAILED);
  ::close(file);
}
WatchedText::~WatchedText() {
  if (pages_ != nullptr) ::munmap(pages_, size_);
}
std::optional<bool> WatchedText::was_read() const {
  if (pages_ == nullptr) return std::nullopt;
  constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const int map = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (map < 0) return std::nullopt;
  std::uint64_t state = 0;
  const auto place = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(pages_) / page * 8);
  const bool known = ::pread(map, &state, sizeof state, place) == sizeof state;
  ::close(map);
  if (!known) return std::nullopt;
  return (state & kPresent) != 0;
}

Core::Core(HostOptions host_options) : options(std::move(host_options)) {}
Core::~Core() = default;

void Core::start_thread() {
  thread = std::thread([self = shared_from_this()] { self->run(); });
}

void Core::run() {
  std::unique_lock lock(mutex);
  while (!quit) {
    if (loop != nullptr) {
      run_loop(lock);
    } else if (!step(lock)) {
      wait_for_work(lock);
    }
  }
}

bool Core::step(Lock& lock) {
  std::function<void()> next;
  if (!tasks.empty()) {
    next = std::move(tasks.front());
    tasks.pop_front();
  } else if (next_due() <= Clock::now()) {
    const auto due = std::min_element(timers.begin(), timers.end(),
                                      [](auto& a, auto& b) { return a.second < b.second; });
    const auto [host_timer, token] = due->first;
    timers.erase(due);
    next = [this, host_timer, token, self = instance] {
      if (host_timer) {
        const std::lock_guard inner(mutex);
        return delivery_wake(*this);
      }
      if (VIADUCT_HAS(plugin->api, timer)) {
        call_plugin(*this, "timer", plugin->api->timer, self, token);
      }
    };
  } else {
    return false;
  }
  busy = true;
  lock.unlock();
  const auto begun = Clock::now();
  next();
  next = nullptr;
  const auto took = Clock::now() - begun;
  lock.lock();
  slowest = std::max(slowest, took);
  busy = false;
  changed.notify_all();
  return true;
}

Clock::time_point Core::next_due() const {
  if (!tasks.empty()) return Clock::time_point::min();
  if (timers.empty() || instance == nullptr || phase == Phase::kStopped) {
    return Clock::time_point::max();
  }
  const auto due = std::min_element(timers.begin(), timers.end(), [](auto& a, auto& b) {
                     return a.second < b.second;
                   })->second;
  if (!options.manual_clock) return Clock::time_point(due);
  return due <= now() ? Clock::time_point::min() : Clock::time_point::max();
}

void Core::wait_for_work(Lock& lock) {
  const auto due = next_due();
  if (due == Clock::time_point::max()) {
    work.wait(lock);
  } else {
    work.wait_until(lock, due);
  }
}

// The plugin's loop has the thread; another one wakes it when there is something to do.
void Core::run_loop(Lock& lock) {
  const viaduct_loop* const table = loop;
  viaduct_instance* const self = instance;
  looping = true;
  woken = false;
  lock.unlock();
  std::thread waker([&] {
    std::unique_lock inner(mutex);
    while (looping && !loop_quits) {
      if (!woken && next_due() <= Clock::now()) {
        woken = true;
        inner.unlock();
        call_plugin(*this, "wake", table->wake, self);
        inner.lock();
      } else if (woken) {
        work.wait(inner);
      } else {
        wait_for_work(inner);
      }
    }
    if (!looping) return;
    inner.unlock();
    call_plugin(*this, "quit", table->quit, self);
  });
  call_plugin(*this, "run", table->run, self);
  lock.lock();
  looping = false;
  loop = nullptr;
  if (!loop_quits) fault("loop-returned", "its loop returned before quit");
  work.notify_all();
  lock.unlock();
  waker.join();
  lock.lock();
  changed.notify_all();
}

void Core::drain() {
  std::unique_lock lock(mutex);
  if (!looping || draining || std::this_thread::get_id() != thread.get_id()) {
    fault("drain-misused", draining  ? "drain was called in a call of the host"
                           : looping ? "drain was called on another thread"
                                     : "drain was called outside of run");
    return;
  }
  draining = true;
  woken = false;
  // What comes meanwhile gets a wake of its own: the loop has other things to do, too.
  for (std::size_t left = tasks.size() + timers.size(); left > 0 && !loop_quits; --left) {
    if (!step(lock)) break;
  }
  draining = false;
  work.notify_all();
}

void Core::push(std::function<void()> task) {
  if (quit) return;
  tasks.push_back(std::move(task));
  work.notify_all();
}

void Core::fault(std::string id, std::string text) {
  constexpr std::size_t kMost = 1000;
  if (faults.size() < kMost) faults.push_back({std::move(id), std::move(text)});
  changed.notify_all();
}

bool Core::wait(std::unique_lock<std::mutex>& lock, milliseconds deadline,
                const std::function<bool()>& condition) const {
  return changed.wait_until(lock, Clock::now() + deadline, condition);
}

Clock::duration Core::now() const {
  return options.manual_clock ? manual_now : Clock::now().time_since_epoch();
}

bool Core::idle() const {
  if (!tasks.empty() || busy) return false;
  if (instance == nullptr || phase == Phase::kStopped) return true;
  const auto time = now();
  return std::none_of(timers.begin(), timers.end(),
                      [&](const auto& timer) { return timer.second <= time; });
}

std::uint64_t Core::begin_call(std::string what, std::function<void(std::uint64_t call)> invoke,
                               std::function<void(const Answer&)> on_answer) {
  const std::lock_guard lock(mutex);
  const std::uint64_t call = next_call++;
  calls[call] = {std::move(what), false, {}, std::move(on_answer)};
  push([this, invoke = std::move(invoke), call] {
    {
      const std::lock_guard inner(mutex);
      thrown.clear();
    }
    invoke(call);
    const std::lock_guard inner(mutex);
    const auto open = calls.find(call);
    if (thrown.empty() || open == calls.end() || open->second.answered) return;
    open->second.answered = true;
    open->second.answer = {true, VIADUCT_E_INTERNAL, "an exception left the plugin: " + thrown, ""};
    if (open->second.on_answer) open->second.on_answer(open->second.answer);
    changed.notify_all();
  });
  return call;
}

Answer Core::wait_call(std::uint64_t call, milliseconds deadline) {
  std::unique_lock lock(mutex);
  const auto found = calls.find(call);
  if (found == calls.end()) return {false, VIADUCT_E_INVALID_ARGUMENT, "no such call", ""};
  const std::string what = found->second.what;
  if (!wait(lock, deadline, [&] { return calls.at(call).answered; })) {
    return {false, VIADUCT_E_TIMEOUT,
            what + " was not answered within " + std::to_string(deadline.count()) + " ms", ""};
  }
  Answer answer = std::move(calls.at(call).answer);
  calls.erase(call);
  return answer;
}

void Core::threw(const char* what, const char* text) {
  const std::lock_guard lock(mutex);
  thrown = std::string(what) + ": " + text;
  fault("threw", "an exception left " + thrown);
}

bool Core::begin_plugin_call(std::uint64_t call, const char* operation) {
  const auto [at, fresh] = plugin_calls.emplace(call, operation);
  if (!fresh) {
    fault("call-id-reused", std::string(operation) + ": call id " + std::to_string(call) +
                                " is still in use by " + at->second);
  }
  return fresh;
}

void Core::answer_plugin(std::uint64_t call, viaduct_code code, std::string message,
                         std::string result) {
  push([this, call, code, message = std::move(message), result = std::move(result),
        of = generation] {
    const viaduct_instance_api* api = nullptr;
    viaduct_instance* self = nullptr;
    {
      const std::lock_guard lock(mutex);
      if (plugin_calls.erase(call) == 0 || instance == nullptr || of != generation ||
          phase == Phase::kStopped) {
        return;
      }
      api = plugin->api;
      self = instance;
    }
    if (!VIADUCT_HAS(api, completed)) return;
    const viaduct_status status{sizeof(viaduct_status), code, view(message)};
    call_plugin(*this, "completed", api->completed, self, call, &status, view(result));
  });
}

bool Core::take_failure(const std::string& operation, std::uint64_t call) {
  const auto found = failures.find(operation);
  if (found == failures.end()) return false;
  answer_plugin(call, found->second.code, found->second.message, "");
  if (found->second.times > 0 && --found->second.times == 0) failures.erase(found);
  return true;
}

bool Core::check_text(viaduct_str text, const char* what) {
  if (text.data == nullptr && text.size != 0) {
    fault("bad-argument", std::string(what) + " is null with a size");
    return false;
  }
  if (!is_utf8(text_of(text))) {
    fault("invalid-utf8", std::string(what) + " is not UTF-8");
    return false;
  }
  return true;
}

std::optional<Principal> Core::principal_of(const viaduct_principal* who, std::uint64_t call) {
  const char* wrong = nullptr;
  if (who == nullptr) {
    wrong = "the principal is null";
  } else if (who->struct_size < sizeof(viaduct_principal)) {
    wrong = "the principal's struct_size is too small";
  } else if (who->user_id.size == 0) {
    wrong = "the principal has no user id";
  }
  if (wrong != nullptr) {
    fault("bad-argument", wrong);
    answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, wrong, "");
    return std::nullopt;
  }
  if (!check_text(who->user_id, "the principal's user id") ||
      !check_text(who->display_name, "the principal's display name") ||
      !check_text(who->tenant, "the principal's tenant") ||
      !check_text(who->place, "the principal's place")) {
    answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, "the principal is not UTF-8", "");
    return std::nullopt;
  }
  return Principal{std::string(text_of(who->user_id)), std::string(text_of(who->display_name)),
                   std::string(text_of(who->tenant)), std::string(text_of(who->place)), who->flags};
}

const void* Core::interface_of(const char* id) {
  {
    const std::lock_guard lock(mutex);
    const auto known = interfaces.find(id);
    if (known != interfaces.end()) return known->second;
    if (instance == nullptr) return nullptr;
  }
  const void* found = call_plugin(*this, "interface", plugin->api->interface, instance, id);
  const std::lock_guard lock(mutex);
  interfaces[id] = found;
  return found;
}

void Core::close_exchange(std::uint64_t id, Close close) {
  auto& exchange = exchanges.at(id);
  if (exchange.state == ExchangeState::State::kClosed) return;
  exchange.state = ExchangeState::State::kClosed;
  exchange.close = close;
  changed.notify_all();
  push([this, id, close = std::move(close), of = generation] {
    {
      const std::lock_guard lock(mutex);
      if (instance == nullptr || of != generation || phase == Phase::kStopped) return;
      exchanges.at(id).closed_told = true;
    }
    const auto* handler =
        static_cast<const viaduct_http_handler*>(interface_of(VIADUCT_HTTP_HANDLER));
    if (VIADUCT_HAS(handler, closed)) {
      call_plugin(*this, "closed", handler->closed, instance, id, close.code, view(close.reason));
    }
  });
}

const void* Core::table(const std::string& id, const void* full, std::uint32_t size) {
  auto& copy = tables[id];
  if (copy == nullptr) {
    const auto wanted = options.table_sizes.find(id);
    const std::uint32_t shown =
        wanted == options.table_sizes.end() ? size : std::min(size, wanted->second);
    copy = std::make_unique<GuardedBytes>(full, shown, 0);
    std::memcpy(copy->data(), &shown, sizeof shown);
  }
  return copy->data();
}

namespace {

const Core::Slot& slot_of(const viaduct_host* host) {
  return *reinterpret_cast<const Core::Slot*>(reinterpret_cast<const char*>(host) -
                                              sizeof(Core::Slot));
}

}  // namespace

Core& core_of(const viaduct_host* host) {
  return *slot_of(host).core;
}

HostEntry::HostEntry(const viaduct_host* host, const char* function, bool in_create)
    : core(core_of(host)), lock(core.mutex) {
  ++core.host_calls;
  if (slot_of(host).generation != core.generation || core.phase == Phase::kNone) {
    refused = true;
    core.fault("call-after-destroy", std::string(function) + " was called after destroy");
  } else if (core.phase == Phase::kCreating && !in_create) {
    refused = true;
    core.fault("call-in-create", std::string(function) + " was called in create");
  } else if (core.phase == Phase::kStopped) {
    refused = true;
    core.fault("call-after-stop", std::string(function) + " was called after stop was answered");
  }
  core.changed.notify_all();
}

}  // namespace viaduct::testing
