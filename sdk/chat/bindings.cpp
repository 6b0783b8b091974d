#include <viaduct/chat/bindings.hpp>

#include <viaduct/chat/calls.hpp>

#include <algorithm>
#include <utility>

namespace viaduct::chat {
namespace {

constexpr std::string_view kPrefix = "binding/";
constexpr std::string_view kBehind = "binding0";  // the first key behind all that begin so
constexpr std::uint32_t kPage = 500;

std::string document_key(const Place& place) {
  return std::string(kPrefix) + place.key();
}

}  // namespace

net::Task<net::Result<>> Bindings::load() {
  std::string from(kPrefix);
  for (;;) {
    const sdk::Answer answer = co_await answered([this, from](sdk::Callback done) {
      documents_.scan(from, kBehind, kPage, std::move(done));
    });
    if (!answer.ok()) co_return std::unexpected(answer.status());
    auto page = parse_bindings(answer.result);
    if (!page)
      co_return std::unexpected(sdk::Status{sdk::Code::kInternal, "the host's list of documents"});
    for (const std::string& key : page->unreadable)
      log_.error("a binding cannot be read and is left out key=" + key);
    for (Binding& binding : page->bindings)
      by_place_.insert_or_assign(binding.place.key(), std::move(binding));
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
  for (const auto& [key, binding] : by_place_)
    if (wanted(binding)) found.push_back(binding);
  std::ranges::sort(found, {}, &Binding::created_at);
  return found;
}

std::vector<Binding> Bindings::active_of(std::string_view team, std::string_view user) const {
  return where(
      [&](const Binding& one) { return one.active && one.place.team == team && one.user == user; });
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

net::Task<net::Result<>> Bindings::put(Binding binding) {
  const std::string key = binding.place.key();
  std::optional<Binding> before;
  if (const auto held = by_place_.find(key); held != by_place_.end()) before = held->second;
  by_place_.insert_or_assign(key, binding);
  const sdk::Answer answer = co_await answered([this, &binding](sdk::Callback done) {
    documents_.put(document_key(binding.place), binding_json(binding), sdk::Documents::kAnyVersion,
                   std::move(done));
  });
  if (answer.ok()) co_return net::Result<>();
  // Unless somebody has changed it meanwhile, whose write may well have succeeded.
  if (const auto held = by_place_.find(key); held != by_place_.end() && held->second == binding) {
    if (before)
      held->second = *std::move(before);
    else
      by_place_.erase(held);
  }
  co_return std::unexpected(answer.status());
}

}  // namespace viaduct::chat
