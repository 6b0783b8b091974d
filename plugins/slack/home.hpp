// The app's home tab, and what an assistant's thread suggests (reference section 7). On the loop's
// thread; owned by the plugin.
#pragma once

#include "plugins/slack/installations.hpp"
#include "plugins/slack/web_api.hpp"

#include <string>
#include <viaduct/chat/commands.hpp>

namespace viaduct::slack {

class Home {
 public:
  Home(chat::World& world, chat::Commands& commands, WebApi& api,
       const Installations& installations)
      : world_(world), commands_(commands), api_(api), installations_(installations) {}

  // The tab of a person, as it is now.
  net::Task<> show(std::string team, std::string user);
  // `thread` may be empty: the app's direct messages as a whole.
  net::Task<> suggest(std::string team, std::string channel, std::string thread);

 private:
  chat::World& world_;
  chat::Commands& commands_;
  WebApi& api_;
  const Installations& installations_;
};

}  // namespace viaduct::slack
