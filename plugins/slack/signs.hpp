// Signs of life on people's messages: a reaction in channels, a status in direct messages, where
// only what waits has a reaction. Nothing depends on them, but what was put there is taken away
// again. On the loop's thread; owned by the
// network.
#pragma once

#include "plugins/slack/installations.hpp"
#include "plugins/slack/web_api.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <viaduct/chat/network.hpp>
#include <viaduct/net/loop.hpp>

namespace viaduct::slack {

class Signs {
 public:
  Signs(net::Loop& loop, WebApi& api, const Installations& installations)
      : loop_(loop), api_(api), installations_(installations) {}

  void show(const chat::Place& place, const std::string& message, chat::Life life);
  void title(const chat::Place& place, const std::string& title);

 private:
  struct Mark {
    chat::Place place;
    std::string ts;
    std::string wanted;  // the reaction that it should have; empty: none
    std::string shows;   // the one that it has, as far as is known
    bool is_at_work = false;
  };

  void status(const chat::Place& place, const std::string& thread, chat::Life life);
  // Not where Slack has said that it takes no such call.
  void call(const chat::Place& place, std::string_view method, std::string args);
  void want(const chat::Place& place, const std::string& ts, std::string_view reaction);
  net::Task<> settle(std::string key, std::shared_ptr<Mark> mark);
  net::Task<> remove(const Mark& mark, std::string reaction);
  net::Task<ApiResult> react(const Mark& mark, std::string method, std::string reaction,
                             std::chrono::milliseconds patience);
  static bool has_status(const chat::Place& place) { return place.channel.starts_with('D'); }

  net::Loop& loop_;
  WebApi& api_;
  const Installations& installations_;
  bool takes(const chat::Place& place, std::string_view method) const;
  std::set<std::string> refused_;  // methods that a workspace does not take: TEAM/METHOD
  const std::chrono::system_clock::time_point begun_ = std::chrono::system_clock::now();
  std::map<std::string, std::shared_ptr<Mark>> marks_;  // by place and message
  std::size_t removing_ = 0;
};

}  // namespace viaduct::slack
