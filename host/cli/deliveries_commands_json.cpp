#include "host/cli/deliveries_commands.hpp"

#include "host/cli/errors.hpp"

#include <fmt/chrono.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>

namespace viaduct::cli {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string time_text(store::Micros at) {
  const std::chrono::sys_seconds seconds(std::chrono::seconds(at / 1'000'000));
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

json value_of(const std::string& text) {
  return text.empty() ? json() : json::parse(text, nullptr, /*allow_exceptions=*/false);
}

json as_json(const store::Parcel& parcel) {
  return {{"id", parcel.number},
          {"surface", parcel.space},
          {"state", name(parcel.state)},
          {"target", parcel.target},
          {"key", parcel.key},
          {"edit", parcel.edit},
          {"attempt", parcel.attempt},
          {"reason", parcel.reason},
          {"posted_at", time_text(parcel.posted_at)},
          {"changed_at", time_text(parcel.changed_at)},
          {"expires_at", time_text(parcel.expires_at)},
          {"payload", value_of(parcel.payload)},
          {"result", value_of(parcel.result)}};
}

// The first text in what a surface posts, whatever form that has; it says to people which one it
// is.
const std::string* find_text(const json& value) {
  if (const auto own = value.is_object() ? value.find("text") : value.end();
      own != value.end() && own->is_string() && !own->get_ref<const std::string&>().empty())
    return &own->get_ref<const std::string&>();
  if (value.is_structured())
    for (const json& part : value)
      if (const std::string* found = find_text(part)) return found;
  return nullptr;
}

std::string first_words(const json& payload) {
  constexpr std::size_t kMost = 40;
  const std::string* const text =
      payload.is_string() ? &payload.get_ref<const std::string&>() : find_text(payload);
  if (text == nullptr) return "";
  if (text->size() <= kMost) return *text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>((*text)[end]) & 0xC0) == 0x80) --end;
  return text->substr(0, end) + "…";
}

// Prints what the host answers by `print`; the exit code.
template <class Print>
int ask_and_print(const Options& options, const ControlRequest& request, Print print) {
  const auto socket = socket_of(options);
  if (!socket) return socket.error();
  const auto answer = ask_host(*socket, request);
  if (!answer) {
    print_error(options.json, answer.error());
    return 1;
  }
  if (options.json)
    std::cout << *answer << '\n';
  else
    print(json::parse(*answer, nullptr, /*allow_exceptions=*/false));
  return 0;
}

int act(const Options& options, const std::string& id, const char* command, const char* done) {
  return ask_and_print(options, {command, id},
                       [&](const json&) { std::cout << "delivery " << id << ' ' << done << '\n'; });
}

}  // namespace

int deliveries_list(const Options& options, const std::vector<std::string>& states,
                    const std::string& surface, const std::string& before, std::uint32_t limit) {
  ControlRequest request{"deliveries.list", "", before, 0, limit};
  request.arguments = states;
  request.surface = surface;
  return ask_and_print(options, request, [&](const json& answer) {
    const auto text = [](const json& one, const char* name) {
      const auto& value = one.at(name);
      return value.is_string() ? value.get<std::string>() : dump(value);
    };
    const json& deliveries = answer.at("deliveries");
    if (deliveries.empty()) {
      std::cout << (states.empty() ? "nothing is missing\n" : "no deliveries\n");
      return;
    }
    std::vector<Row> rows{{"ID", "STATE", "SURFACE", "POSTED", "WORDS", "TARGET", "WHY"}};
    for (const json& one : deliveries)
      rows.push_back({text(one, "id"), text(one, "state"), text(one, "surface"),
                      text(one, "posted_at"), first_words(one.at("payload")), text(one, "target"),
                      text(one, "reason")});
    print_table(rows);
    if (deliveries.size() == limit)
      std::cout << "more: viaduct deliveries list --before " << text(deliveries.back(), "id")
                << '\n';
  });
}

int deliveries_retry(const Options& options, const std::string& id) {
  return act(options, id, "deliveries.retry", "is sent once more");
}

int deliveries_drop(const Options& options, const std::string& id) {
  return act(options, id, "deliveries.drop", "is given up");
}

bool serve_deliveries(delivery::Delivery& delivery, const ControlRequest& request,
                      Done<std::string>& done) {
  const auto one = [&] {
    return [answer = std::move(done)](Result<store::Parcel> parcel) mutable {
      if (!parcel) return answer(std::unexpected(parcel.error()));
      answer(dump(as_json(*parcel)));
    };
  };
  if (request.command == "deliveries.retry") {
    delivery.retry(number_of(request.id), one());
  } else if (request.command == "deliveries.drop") {
    delivery.drop(number_of(request.id), one());
  } else if (request.command == "deliveries.list") {
    store::ParcelQuery query{
        request.surface, {}, number_of(request.before), std::min(request.limit, 200U)};
    for (const auto state : store::kParcelStates)
      if (std::ranges::find(request.arguments, name(state)) != request.arguments.end())
        query.states.push_back(state);
    delivery.list(std::move(query),
                  [answer = std::move(done)](Result<std::vector<store::Parcel>> found) mutable {
                    if (!found) return answer(std::unexpected(found.error()));
                    json list = json::array();
                    for (const store::Parcel& parcel : *found) list.push_back(as_json(parcel));
                    json page;
                    page["deliveries"] = std::move(list);
                    answer(dump(page));
                  });
  } else {
    return false;
  }
  return true;
}

}  // namespace viaduct::cli
