#include "plugins/slack/reading.hpp"

#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <viaduct/chat/attachment.hpp>
#include <viaduct/chat/context.hpp>
#include <viaduct/chat/text.hpp>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostContext = 20'000;  // bytes
constexpr std::ptrdiff_t kMostEarlier = 200;  // messages of a thread
constexpr int kMostPages = 20;
constexpr std::size_t kMostOfAFile = 5 << 20;
constexpr std::size_t kMostOfFiles = 10 << 20;
constexpr auto kLongest = 75s;  // that something is asked for again

// How long to wait before asking again; nothing: it is of no use, or has been tried long enough.
class Patience {
 public:
  std::optional<std::chrono::milliseconds> after(const ApiFailure& why) {
    if (why.trouble != ApiTrouble::kRetryLater) return std::nullopt;
    const auto wait = std::max(pause_, why.retry_after.value_or(0ms));
    pause_ = std::min(pause_ * 2, std::chrono::milliseconds(10s));
    if (Clock::now() + wait > until_) return std::nullopt;
    return wait;
  }

 private:
  const Clock::time_point until_ = Clock::now() + kLongest;
  std::chrono::milliseconds pause_ = 500ms;
};

net::Task<> wait_for(net::Loop& loop, std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(loop.context(), time);
  co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

}  // namespace

net::Task<std::expected<Person, ApiFailure>> Reading::person(std::string team, std::string user) {
  for (Patience patience;;) {
    auto found = co_await directory_.person(team, user);
    if (found) co_return found;
    const auto wait = patience.after(found.error());
    if (!wait) co_return found;
    co_await wait_for(loop_, *wait);
  }
}

net::Task<ApiResult> Reading::insist(std::string method, std::string args, std::string token) {
  for (Patience patience;;) {
    ApiResult answer = co_await api_.call(method, args, token);
    if (answer) co_return answer;
    const auto wait = patience.after(answer.error());
    if (!wait) co_return answer;
    co_await wait_for(loop_, *wait);
  }
}

net::Task<std::expected<ApiFile, ApiFailure>> Reading::insist_on_file(std::string url,
                                                                      std::string token) {
  for (Patience patience;;) {
    auto had = co_await api_.download(url, token, kMostOfAFile);
    if (had) co_return had;
    const auto wait = patience.after(had.error());
    if (!wait) co_return had;
    co_await wait_for(loop_, *wait);
  }
}

net::Task<std::string> Reading::readable_text(std::string team, std::string text) {
  const Names names = co_await directory_.names(std::move(team), mentioned(text));
  co_return std::string(chat::trimmed(readable(text, names)));
}

net::Task<std::string> Reading::with_quotes(std::string team, std::string text,
                                            std::vector<std::string> quoted) {
  for (const std::string& one : quoted) {
    text += text.empty() ? "> " : "\n\n> ";
    for (const char c : co_await readable_text(team, one)) {
      text += c;
      if (c == '\n') text += "> ";
    }
  }
  co_return text;
}

net::Task<std::string> Reading::channel_name(std::string team, std::string channel) {
  co_return co_await readable_text(std::move(team), "<#" + channel + ">");
}

net::Task<Reading::Earlier> Reading::earlier(std::string team, std::string channel,
                                             std::string thread, std::string before) {
  const Installation* installation = installations_.find(team);
  if (installation == nullptr) co_return Earlier{};
  const Self me{installation->bot_user, installation->bot_id, installation->app_id};
  const std::string token = installation->token;
  Earlier result;
  // The oldest come first: the newest are on the last page.
  std::vector<Message> messages;
  std::string cursor;
  for (int page = 0; page < kMostPages; ++page) {
    std::string args = R"({"channel":)" + sdk::json_string(channel) + R"(,"ts":)" +
                       sdk::json_string(thread) + R"(,"latest":)" + sdk::json_string(before) +
                       R"(,"limit":)" + std::to_string(kMostEarlier);
    if (!cursor.empty()) args += R"(,"cursor":)" + sdk::json_string(cursor);
    const ApiResult answer = co_await insist("conversations.replies", args + "}", token);
    auto had = answer ? parse_messages(*answer, channel)
                      : std::expected<std::vector<Message>, std::string>(
                            std::unexpected(answer.error().message));
    if (!had) {
      log_.warn("earlier messages not read channel=" + channel + " reason=" + had.error());
      result.trouble = had.error();
      break;
    }
    messages.insert(messages.end(), std::make_move_iterator(had->begin()),
                    std::make_move_iterator(had->end()));
    if (std::ssize(messages) > kMostEarlier)
      messages.erase(messages.begin(), messages.end() - kMostEarlier);
    cursor = next_cursor(*answer);
    if (cursor.empty()) break;
  }
  std::vector<chat::EarlierLine> lines;
  for (const Message& message : messages) {
    // Of its own words only those that the thread is about: its answers are in their session.
    const bool is_own = why_ignored(message, me) == Ignored::kOwn;
    if (!is_earlier(message.ts, before) || (is_own && message.ts != thread)) continue;
    std::string said =
        co_await with_quotes(team, co_await readable_text(team, message.text), message.quoted);
    if (said.empty()) continue;
    std::string author = message.user;
    if (const auto found = co_await directory_.person(team, message.user)) author = found->name;
    lines.push_back({std::move(author), std::move(said)});
  }
  if (!result.trouble.empty())
    lines.push_back({"(note)", "Slack did not give all that was said in this thread before."});
  result.context = chat::context_json(lines, kMostContext);
  co_return result;
}

net::Task<Reading::Attached> Reading::attached(std::string team, std::vector<File> files) {
  const Installation* installation = installations_.find(team);
  if (installation == nullptr || files.empty()) co_return Attached{};
  const std::string token = installation->token;
  Attached result;
  std::size_t total = 0;
  for (File& file : files) {
    std::string url = file.url;
    std::string why = "Slack does not say where it is";
    if (file.needs_info || url.empty()) {
      const ApiResult info =
          co_await insist("files.info", R"({"file":)" + sdk::json_string(file.id) + "}", token);
      if (info) {
        const FileInfo facts = parse_file_info(*info);
        url = facts.url;
        if (file.name.empty()) file.name = facts.name;
        if (file.mimetype.empty()) file.mimetype = facts.mimetype;
      } else {
        url.clear();
        why = info.error().message;
      }
    }
    if (file.name.empty()) file.name = "the file " + file.id;
    const std::string_view too_much =
        "all files of a message may have 10 MB together; send it by itself";
    if (total >= kMostOfFiles) {
      why = too_much;
    } else if (!url.empty()) {
      const auto had = co_await insist_on_file(url, token);
      if (had && total + had->bytes.size() <= kMostOfFiles) {
        total += had->bytes.size();
        const std::string type = file.mimetype.empty() ? had->type : file.mimetype;
        result.blocks += (result.blocks.empty() ? "" : ",") +
                         chat::attachment_json("slack", file.id, file.name, type, had->bytes);
        continue;
      }
      why = had ? std::string(too_much) : had.error().message;
    }
    result.missing += "\n• " + escaped(file.name) + ": " + escaped(why);
  }
  if (!result.blocks.empty()) result.blocks = "[" + result.blocks + "]";
  co_return result;
}

}  // namespace viaduct::slack
