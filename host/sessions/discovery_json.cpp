#include "host/sessions/discovery.hpp"

#include "host/sessions/content_json.hpp"
#include "host/sessions/sessions_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <functional>

namespace viaduct::sessions {
namespace {

using nlohmann::json;

constexpr int kDeepest = 200;                   // values in each other: writing JSON recurses
constexpr std::size_t kMostValues = 1'000'000;  // of one entry: each takes many times its text

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::unexpected<Error> wrong(const std::string& what) {
  return fail(Errc::internal, "what it says of the session is no use: " + what);
}

bool is_known_type(std::string_view type) {
  static constexpr std::array kTypes{
      "user_message", "text",   "thought",  "tool_call",        "plan",   "usage",
      "permission",   "notice", "turn_end", "context_restored", "content"};
  return std::ranges::find(kTypes, type) != kTypes.end();
}

// Puts entries one behind the other and ends each turn.
class Log {
 public:
  explicit Log(const Principal& who) : who_(who) {}

  void add(store::Entry entry, const json& data) {
    if (entry.at == 0) entry.at = last_at_;
    if (entry.type == "turn_end") {
      stop_reason_ = text_of(data, "stop_reason");
      return;
    }
    if (entry.type == "user_message") {
      end_turn();
      entry.turn = ++turns_;
      open_ = true;
      answered_ = false;
      began_ = entry.at;
      const auto blocks = data.find("blocks");
      const bool has_blocks = blocks != data.end() && blocks->is_array();
      entry.data = user_message_data(who_, {"", entry.text, has_blocks ? blocks->dump() : "", ""});
    } else {
      entry.turn = open_ ? turns_ : 0;
      answered_ = true;
      if (entry.type == "permission" && permission_state(entry.data).status == "pending")
        entry.data = decided_permission(entry.data, "expired", "", "", "another program asked");
    }
    push(std::move(entry));
  }

  void end_turn() {
    if (!std::exchange(open_, false)) return;
    store::Entry end;
    end.type = "turn_end";
    end.turn = turns_;
    end.at = last_at_;
    std::string reason = std::exchange(stop_reason_, "");
    if (reason.empty()) reason = answered_ ? "end_turn" : "interrupted";
    end.data =
        turn_end_data(reason, std::nullopt, std::max<std::int64_t>(0, (last_at_ - began_) / 1000));
    push(std::move(end));
  }

  std::vector<store::Entry> entries;
  std::uint64_t turns() const { return turns_; }

 private:
  void push(store::Entry entry) {
    entry.number = entry.seq = entries.size() + 1;
    last_at_ = entry.at;
    entries.push_back(std::move(entry));
  }

  const Principal& who_;
  std::uint64_t turns_ = 0;
  bool open_ = false;
  bool answered_ = false;
  std::string stop_reason_;
  store::Micros began_ = 0;
  store::Micros last_at_ = 0;
};

}  // namespace

std::optional<store::Micros> parse_rfc3339(std::string_view text) {
  std::tm utc{};
  int read = 0;
  const std::string head(text.substr(0, 19));
  if (text.size() < 20 ||
      std::sscanf(head.c_str(), "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &utc.tm_year, &utc.tm_mon,
                  &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &read) != 6 ||
      read != 19)
    return std::nullopt;
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  store::Micros at = std::int64_t{timegm(&utc)} * 1'000'000;
  text.remove_prefix(19);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    std::int64_t unit = 100'000;
    for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), unit /= 10)
      at += (text[0] - '0') * unit;
  }
  if (text == "Z" || text == "z") return at;
  int hours = 0, minutes = 0;
  char sign = 0;
  const std::string zone(text);
  if (zone.size() != 6 || std::sscanf(zone.c_str(), "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
      (sign != '+' && sign != '-'))
    return std::nullopt;
  return at - (sign == '+' ? 1 : -1) * std::int64_t{hours * 60 + minutes} * 60'000'000;
}

Result<std::vector<Discovered>> parse_discovered(std::string_view text,
                                                 const std::string& backend) {
  const json value = json::parse(text, nullptr, false);
  const auto list = value.is_object() ? value.find("sessions") : value.end();
  if (!value.is_object() || list == value.end() || !list->is_array())
    return fail(Errc::internal, "its answer to discover is no list of sessions");
  if (list->size() > kMostDiscovered)
    return fail(Errc::internal,
                fmt::format("it finds more than {} sessions at once", kMostDiscovered));
  std::vector<Discovered> sessions;
  for (const json& item : *list) {
    Discovered session{backend,
                       text_of(item, "native_id"),
                       text_of(item, "working_dir"),
                       title_from(text_of(item, "title")),
                       0,
                       ""};
    if (session.native_id.empty() || session.native_id.size() > kLongestId)
      return fail(Errc::internal, "it finds a session without an id of 1 to 512 bytes");
    session.updated_at = parse_rfc3339(text_of(item, "updated_at")).value_or(0);
    sessions.push_back(std::move(session));
  }
  return sessions;
}

namespace {

// Takes the entries one by one, as the parser has each whole, so that not one of them stays as
// JSON.
class LeftBehindReading {
 public:
  using Event = json::parse_event_t;
  explicit LeftBehindReading(const Principal& who) : log_(who) {}

  // As nlohmann's parser asks: whether to keep `value`.
  bool operator()(int depth, Event event, json& value) {
    if (depth > kDeepest || ++values_ > kMostValues)
      stop(fail(Errc::failed_precondition,
                "an entry of the session has too many parts or is nested too deeply; it cannot be "
                "taken over"));
    if (failed_) return false;
    if (depth == 1 && event == Event::key) {
      const auto& name = value.get_ref<const std::string&>();
      in_entries_ = name == "entries";
      return in_entries_ || name == "native_id" || name == "working_dir" || name == "title";
    }
    if (depth != 2 || !in_entries_ || event == Event::key || event == Event::object_start ||
        event == Event::array_start)
      return true;
    values_ = 0;
    take(value);
    return false;
  }

  Result<LeftBehind> finish(const json& value) {
    if (failed_) return std::unexpected(*failed_);
    const auto list = value.is_object() ? value.find("entries") : value.end();
    if (!value.is_object() || list == value.end() || !list->is_array())
      return wrong("there is no list of entries");
    LeftBehind left{text_of(value, "native_id"),
                    text_of(value, "working_dir"),
                    text_of(value, "title"),
                    "",
                    {},
                    0};
    if (left.working_dir.empty()) left.working_dir = "~";
    log_.end_turn();
    left.entries = std::move(log_.entries);
    left.turns = log_.turns();
    const auto timed =
        std::ranges::find_if(left.entries, [](const store::Entry& entry) { return entry.at != 0; });
    const store::Micros first = timed == left.entries.end() ? now() : timed->at;
    for (store::Entry& entry : left.entries) {
      if (entry.at == 0) entry.at = first;
      if (left.first_words.empty() && entry.type == "user_message")
        left.first_words = title_from(entry.text);
    }
    return left;
  }

 private:
  void stop(std::unexpected<Error> why) {
    if (!failed_) failed_ = std::move(why.error());
  }
  void take(const json& item) {
    if (++taken_ > kMostEntries)
      return stop(fail(Errc::failed_precondition,
                       fmt::format("the session has more than {} entries; it cannot be taken over",
                                   kMostEntries)));
    if (!item.is_object() || text_of(item, "type").empty())
      return stop(wrong("an entry has no type"));
    store::Entry entry;
    entry.type = text_of(item, "type");
    if (!is_known_type(entry.type)) return;  // of a newer backend
    const auto said = item.find("text");
    if (said != item.end() && !said->is_string() && !said->is_null())
      return stop(wrong("the text of an entry is none"));
    const auto data = item.find("data");
    if (data != item.end() && !data->is_object() && !data->is_null())
      return stop(wrong("the data of an entry is no object"));
    entry.text = text_of(item, "text");
    const bool has_data = data != item.end() && data->is_object();
    if (has_data) entry.data = data->dump(-1, ' ', false, json::error_handler_t::replace);
    if (entry.type != "content" && entry.text.size() + entry.data.size() > kLargestEntry)
      return stop(fail(Errc::failed_precondition,
                       fmt::format("an entry of the session is larger than {} MiB; it cannot be "
                                   "taken over",
                                   kLargestEntry >> 20)));
    if (entry.type == "content") {
      BackendEvent checked =
          checked_content({0, 0, "", std::move(entry.text), std::move(entry.data)});
      entry.text = std::move(checked.text);
      entry.data = std::move(checked.json);
      if (entry.data.empty()) entry.type = "text";
    }
    entry.at = parse_rfc3339(text_of(item, "at")).value_or(0);
    log_.add(std::move(entry), has_data ? *data : json::object());
  }

  Log log_;
  bool in_entries_ = false;
  std::size_t taken_ = 0;
  std::size_t values_ = 0;  // of the entry that is read
  std::optional<Error> failed_;
};

}  // namespace

Result<LeftBehind> parse_left_behind(std::string_view text, const Principal& who) {
  LeftBehindReading reading(who);
  const json value = json::parse(text, std::ref(reading), /*allow_exceptions=*/false);
  return reading.finish(value);
}

std::string adopted_audit(const Discovered& from, std::size_t entries) {
  return fmt::format(R"({{"backend":{},"discovered_id":{},"entries":{}}})", quote(from.backend),
                     quote(from.native_id), entries);
}

std::string purged_audit(const store::Session& record, std::int64_t age_ms, std::uint64_t bytes) {
  return fmt::format(R"({{"by":"operator","backend":{},"age_ms":{},"bytes":{}}})",
                     quote(record.backend), age_ms, bytes);
}

// ---------------------------------------------------------------- answers

namespace {

std::string to_json(const Discovered& session) {
  return fmt::format(
      R"({{"backend":{},"native_id":{},"working_dir":{},"title":{},"updated_at":{},"session_id":{}}})",
      quote(session.backend), quote(session.native_id), quote(session.working_dir),
      quote(session.title),
      session.updated_at ? quote(rfc3339(session.updated_at)) : std::string("null"),
      session.session_id.empty() ? "null" : quote(session.session_id));
}

template <class Items, class Convert>
std::string list_of(const Items& items, Convert convert) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += convert(item);
  }
  return out + "]";
}

}  // namespace

std::string to_json(const DiscoverAnswer& answer) {
  return fmt::format(
      R"({{"sessions":{},"left_out":{},"failures":{}}})",
      list_of(answer.sessions, [](const Discovered& session) { return to_json(session); }),
      answer.left_out, list_of(answer.failures, [](const BackendFailure& failure) {
        return fmt::format(R"({{"backend":{},"error":{}}})", quote(failure.backend),
                           error_json(failure.error));
      }));
}

std::string to_json(const AdoptAnswer& answer) {
  return fmt::format(R"({{"session":{},"from":{},"context":{},"error":{}}})",
                     to_json(answer.session), to_json(answer.from),
                     answer.context.empty() ? "null" : quote(answer.context),
                     answer.not_resumed ? error_json(*answer.not_resumed) : "null");
}

std::string to_json(const PurgeAnswer& answer) {
  return fmt::format(
      R"({{"dry_run":{},"count":{},"bytes":{},"in_use":{},"sessions":{},"failed":{},"failures":{}}})",
      answer.dry_run, answer.count, answer.bytes, answer.in_use,
      list_of(answer.sessions,
              [](const PurgedSession& session) {
                return fmt::format(
                    R"({{"session_id":{},"backend":{},"title":{},"last_active":"{}","bytes":{}}})",
                    quote(session.record.id), quote(session.record.backend),
                    quote(session.record.title), rfc3339(session.record.last_active),
                    session.bytes);
              }),
      answer.failed, list_of(answer.failures, [](const auto& failure) {
        return fmt::format(R"({{"session_id":{},"error":{}}})", quote(failure.first),
                           error_json(failure.second));
      }));
}

std::string to_json(const std::vector<store::AuditRecord>& records) {
  return fmt::format(R"({{"records":{}}})", list_of(records, [](const store::AuditRecord& record) {
                       return fmt::format(R"({{"at":"{}","session_id":{},"event":{},"detail":{}}})",
                                          rfc3339(record.at), quote(record.session_id),
                                          quote(record.event),
                                          record.detail.empty() ? "{}" : record.detail);
                     }));
}

}  // namespace viaduct::sessions
