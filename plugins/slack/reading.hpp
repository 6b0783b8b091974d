// What belongs to a message and only Slack can tell: who wrote it, names instead of ids, its files,
// what was said before it. What fails for the moment is asked again, for a minute or so. On the
// loop's thread; owned by Inbound.
#pragma once

#include "plugins/slack/directory.hpp"
#include "plugins/slack/event.hpp"
#include "plugins/slack/installations.hpp"
#include "plugins/slack/web_api.hpp"

#include <expected>
#include <string>
#include <vector>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/host.hpp>

namespace viaduct::slack {

class Reading {
 public:
  Reading(const sdk::Log& log, net::Loop& loop, WebApi& api, const Installations& installations,
          Directory& directory)
      : log_(log), loop_(loop), api_(api), installations_(installations), directory_(directory) {}

  // Fails when Slack does not say, however often it is asked.
  net::Task<std::expected<Person, ApiFailure>> person(std::string team, std::string user);

  // What the agent gets: names instead of ids.
  net::Task<std::string> readable_text(std::string team, std::string text);

  // `text`, which is readable, and what was forwarded with it, as quotes.
  net::Task<std::string> with_quotes(std::string team, std::string text,
                                     std::vector<std::string> quoted);

  struct Earlier {
    std::string context;  // as JSON, or empty
    std::string trouble;  // why there is not all of it; empty: there is
  };
  // What others said in the thread before.
  net::Task<Earlier> earlier(std::string team, std::string channel, std::string thread,
                             std::string before);

  struct Attached {
    std::string blocks;   // content blocks as JSON, or empty
    std::string missing;  // in mrkdwn, a line for each file that could not be had
  };
  // What was posted with a message.
  net::Task<Attached> attached(std::string team, std::vector<File> files);

  // "#general", or the id where Slack does not say.
  net::Task<std::string> channel_name(std::string team, std::string channel);

 private:
  net::Task<ApiResult> insist(std::string method, std::string args, std::string token);
  net::Task<std::expected<ApiFile, ApiFailure>> insist_on_file(std::string url, std::string token);

  const sdk::Log& log_;
  net::Loop& loop_;
  WebApi& api_;
  const Installations& installations_;
  Directory& directory_;
};

}  // namespace viaduct::slack
