// Who people are and what channels are called, asked of Slack once an hour. On the loop's thread;
// owned by the plugin.
#pragma once

#include "plugins/slack/event.hpp"
#include "plugins/slack/installations.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/web_api.hpp"

#include <chrono>
#include <map>
#include <string>
#include <string_view>
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
  template <class T>
  static bool is_fresh(const Known<T>& known);

  WebApi& api_;
  const Installations& installations_;
  std::map<std::string, Known<Person>, std::less<>> people_;         // team/user
  std::map<std::string, Known<std::string>, std::less<>> channels_;  // team/channel
};

}  // namespace viaduct::slack
