// Plays one turn of the mock: says what to do next, one action after the other, and knows nothing
// of time, hosts or threads. One thread at a time.
#pragma once

#include "plugins/mock/config.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace viaduct::mock {

struct Action {
  enum Kind {
    kText,        // append `text` to the answer
    kThought,     // say `text`
    kContent,     // `text` is JSON, `words` for it
    kTool,        // `id`, `text` is JSON
    kPlan,        // `text` is JSON
    kPermission,  // `id`, `text` is JSON; then call answered(), and go on after that
    kUsage,       // `text` is JSON
    kWait,        // go on after `wait`
    kEnd,
    kFail,  // `code`, `text` says why
  };
  Kind kind = kEnd;
  std::string id, text;
  std::chrono::milliseconds wait{0};
  int code = 0;
  std::string words = {};
};

class Player {
 public:
  // `previous` is the user message before this one, empty if there was none. `turn` numbers the ids
  // of tools and permissions.
  Player(std::shared_ptr<const Config> config, std::string_view message, std::string_view previous,
         std::uint64_t turn);

  Action next();
  // The person's choice; empty: nobody answered.
  void answered(std::string_view option_id);

 private:
  enum class Stage {
    kDelay,
    kPlan,
    kThought,
    kTool,
    kPermission,
    kToolDone,
    kReply,
    kWords,
    kContent,
    kUsage,
    kLast
  };

  std::string reply() const;

  std::shared_ptr<const Config> config_;  // keeps rule_
  const Rule* rule_;
  Groups groups_;
  std::string message_, previous_, tool_id_, permission_id_;
  Stage stage_ = Stage::kDelay;
  std::string choice_;  // the name of the option
  bool refused_ = false;
  std::string text_;        // the reply
  std::size_t spoken_ = 0;  // bytes of it that were said
  bool waited_ = false;     // before the next word
  std::size_t pieces_ = 0;  // of the content that were said
};

// `text` with $0 to $9 (the match and its groups), $permission, and $$ for a dollar.
std::string fill_in(std::string_view text, const Groups& groups, std::string_view permission);

}  // namespace viaduct::mock
