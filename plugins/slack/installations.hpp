// The workspaces that the app is installed in, with the token for each. On the loop's thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

struct Installation {
  std::string team;
  std::string enterprise;  // that the workspace belongs to; empty: none, or not told
  std::string team_name;
  std::string url;       // of the workspace, with a slash at its end; empty: not told
  std::string token;     // of the bot
  std::string bot_user;  // U…
  std::string bot_id;    // B…
  std::string app_id;    // A…; empty: not told
  std::string broken;    // why nothing works there; empty: it does
};

class Installations {
 public:
  void put(Installation one) { by_team_.insert_or_assign(one.team, std::move(one)); }
  void remove(std::string_view team) {
    if (const auto found = by_team_.find(team); found != by_team_.end()) by_team_.erase(found);
  }
  // Valid until the next change. Null: not installed there.
  const Installation* find(std::string_view team) const {
    const auto found = by_team_.find(team);
    return found == by_team_.end() ? nullptr : &found->second;
  }
  void set_broken(std::string_view team, std::string why) {
    if (const auto found = by_team_.find(team); found != by_team_.end())
      found->second.broken = std::move(why);
  }
  const std::map<std::string, Installation, std::less<>>& all() const { return by_team_; }

 private:
  std::map<std::string, Installation, std::less<>> by_team_;
};

}  // namespace viaduct::slack
