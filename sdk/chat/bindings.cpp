#include <viaduct/chat/bindings.hpp>

#include <viaduct/chat/calls.hpp>

#include <algorithm>
#include <utility>

namespace viaduct::chat {
namespace {

// Documents: what each place has, and what it had before.
constexpr std::string_view kNow = "binding/";
constexpr std::string_view kBehindNow = "binding0";  // the first key behind all that begin so
constexpr std::string_view kBefore = "session/";
constexpr std::string_view kBehindBefore = "session0";
constexpr std::uint32_t kPage = 500;

std::string past_key(const Binding& binding) {
  return binding.place.key() + "/" + binding.session;
}

}  // namespace

net::Task<net::Result<>> Bindings::load() {
  if (const auto had = co_await read(kNow, kBehindNow); !had) co_return had;
  co_return co_await read(kBefore, kBehindBefore);
}

net::Task<net::Result<>> Bindings::read(std::string_view prefix, std::string_view behind) {
  std::string from(prefix);
  for (;;) {
    const sdk::Answer answer = co_await answered([this, from, behind](sdk::Callback done) {
      documents_.scan(from, behind, kPage, std::move(done));
    });
    if (!answer.ok()) co_return std::unexpected(answer.status());
    auto page = parse_bindings(answer.result);
    if (!page)
      co_return std::unexpected(sdk::Status{sdk::Code::kInternal, "the host's list of documents"});
    for (const std::string& key : page->unreadable)
      log_.error("a binding cannot be read and is left out key=" + key);
    for (Binding& binding : page->bindings) {
      if (prefix == kNow) {
        by_place_.insert_or_assign(binding.place.key(), std::move(binding));
        continue;
      }
      const Binding* now = find(binding.place);
      if (now != nullptr && now->session == binding.session) continue;  // it is there again
      binding.active = false;
      past_.insert_or_assign(past_key(binding), std::move(binding));
    }
    if (!page->more) co_return net::Result<>();
    from = page->last_key + '\0';
  }
}

const Binding* Bindings::find(const Place& place) const {
  const auto found = by_place_.find(place.key());
  return found == by_place_.end() ? nullptr : &found->second;
}

const Binding* Bindings::active(const Place& place) const {
  const Binding* found = find(place);
  return found != nullptr && found->active ? found : nullptr;
}

template <class Wanted>
std::vector<Binding> Bindings::where(Wanted wanted) const {
  std::vector<Binding> found;
  for (const Map* all : {&by_place_, &past_})
    for (const auto& [key, binding] : *all)
      if (wanted(binding)) found.push_back(binding);
  std::ranges::sort(found, {}, &Binding::created_at);
  return found;
}

std::vector<Binding> Bindings::active_of(std::string_view team, std::string_view user) const {
  auto found = where(
      [&](const Binding& one) { return one.active && one.place.team == team && one.user == user; });
  std::vector<Binding> once;
  for (Binding& one : found)
    if (std::ranges::find(once, one.session, &Binding::session) == once.end())
      once.push_back(std::move(one));
  return once;
}
std::vector<Binding> Bindings::of_person(std::string_view team, std::string_view user) const {
  return where([&](const Binding& one) { return one.place.team == team && one.user == user; });
}
std::vector<Binding> Bindings::of_session(std::string_view session) const {
  return where([&](const Binding& one) { return one.session == session; });
}
std::vector<Binding> Bindings::all_active() const {
  return where([](const Binding& one) { return one.active; });
}

std::vector<Binding> Bindings::owing() const {
  return where([](const Binding& one) { return one.owes; });
}

net::Task<net::Result<>> Bindings::put(Binding binding) {
  const std::string key = binding.place.key();
  const std::string again = past_key(binding);
  const Binding* const present = active(binding.place);
  binding.from_turn = present != nullptr && present->session == binding.session
                          ? present->from_turn
                          : binding.shown_turn;
  if (const auto held = by_place_.find(key);
      held != by_place_.end() && held->second.session != binding.session) {
    Binding before = held->second;
    before.active = false;
    const std::string name = past_key(before);
    if (const auto kept = co_await write(past_, name, kBefore, std::move(before)); !kept)
      co_return kept;
  }
  const auto kept = co_await write(by_place_, key, kNow, std::move(binding));
  if (kept && past_.erase(again) != 0)
    documents_.remove(std::string(kBefore) + again, sdk::Documents::kAnyVersion, {});
  co_return kept;
}

net::Task<net::Result<>> Bindings::update(Binding binding) {
  const std::string key = binding.place.key();
  const auto held = by_place_.find(key);
  if (held != by_place_.end() && held->second.session == binding.session) {
    // Who still answers there does not know that people have been told what has become of it.
    if (!binding.active && !held->second.active) binding.told = binding.told || held->second.told;
    co_return co_await write(by_place_, key, kNow, std::move(binding));
  }
  binding.active = false;
  const std::string name = past_key(binding);
  co_return co_await write(past_, name, kBefore, std::move(binding));
}

net::Task<net::Result<>> Bindings::write(Map& map, std::string key, std::string_view prefix,
                                         Binding binding) {
  std::optional<Binding> before;
  if (const auto held = map.find(key); held != map.end()) before = held->second;
  map.insert_or_assign(key, binding);
  const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
    documents_.put(std::string(prefix) + key, binding_json(binding), sdk::Documents::kAnyVersion,
                   std::move(done));
  });
  if (answer.ok()) co_return net::Result<>();
  // Unless somebody has changed it meanwhile, whose write may well have succeeded.
  if (const auto held = map.find(key); held != map.end() && held->second == binding) {
    if (before)
      held->second = *std::move(before);
    else
      map.erase(held);
  }
  co_return std::unexpected(answer.status());
}

}  // namespace viaduct::chat
