// Who people are and what channels are called, asked of Slack once an hour, and once for all who
// ask meanwhile. On the loop's thread;
// owned by the plugin.
#pragma once

#include "plugins/slack/event.hpp"
#include "plugins/slack/installations.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/web_api.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <viaduct/net/loop.hpp>

namespace viaduct::slack {

class Directory {
 public:
  Directory(WebApi& api, const Installations& installations)
      : api_(api), installations_(installations) {}

  // Fails when Slack does not say; kRetryLater: it may later.
  net::Task<std::expected<Person, ApiFailure>> person(std::string team, std::string user);
  // The names of what a text mentions, as far as they are had.
  net::Task<Names> names(std::string team, Mentioned ids);
  void forget(std::string_view team);

 private:
  template <class T>
  struct Known {
    T value;
    std::chrono::steady_clock::time_point at;
  };
  struct Asked {
    explicit Asked(boost::asio::steady_timer never) : answered(std::move(never)) {}
    boost::asio::steady_timer answered;
    std::expected<Person, ApiFailure> answer;
  };
  template <class T>
  static bool is_fresh(const Known<T>& known);

  net::Task<std::expected<Person, ApiFailure>> ask(std::string team, std::string user);

  WebApi& api_;
  const Installations& installations_;
  std::map<std::string, Known<Person>, std::less<>> people_;         // team/user
  std::map<std::string, std::shared_ptr<Asked>> asked_;              // as above, at the moment
  std::map<std::string, Known<std::string>, std::less<>> channels_;  // team/channel
};

}  // namespace viaduct::slack
