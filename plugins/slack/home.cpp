#include "plugins/slack/home.hpp"

#include "plugins/slack/message_json.hpp"

#include <utility>

namespace viaduct::slack {
namespace {

constexpr std::size_t kMostListed = 15;

}  // namespace

net::Task<> Home::show(std::string team, std::string user) {
  const Installation* workspace = installations_.find(team);
  if (workspace == nullptr) co_return;
  const std::string token = workspace->token;
  const auto items = co_await commands_.overview(std::move(team), user, kMostListed);
  const ApiResult shown =
      co_await api_.call("views.publish", home_args(user, world_.command, items), token);
  if (!shown) world_.log.warn("home tab not shown reason=" + shown.error().message);
}

net::Task<> Home::suggest(std::string team, std::string channel, std::string thread) {
  const Installation* workspace = installations_.find(team);
  if (workspace == nullptr) co_return;
  const ApiResult done = co_await api_.call("assistant.threads.setSuggestedPrompts",
                                            prompts_args(channel, thread), workspace->token);
  if (!done) world_.log.info("no suggestions shown reason=" + done.error().message);
}

}  // namespace viaduct::slack
