#include "plugins/mock/player.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::mock {

Player::Player(std::shared_ptr<const Config> config, std::string_view message,
               std::string_view previous, std::uint64_t turn)
    : config_(std::move(config)),
      message_(message),
      previous_(previous),
      tool_id_("tool-" + std::to_string(turn)),
      permission_id_("permission-" + std::to_string(turn)) {
  static const Rule kDefault;
  Match match = first_match(*config_, On::kMessage, message);
  rule_ = match.rule != nullptr ? match.rule : &kDefault;
  groups_ = std::move(match.groups);
}

Action Player::next() {
  for (;;) {
    switch (stage_) {
      case Stage::kDelay:
        stage_ = Stage::kPlan;
        if (rule_->delay.count() > 0) return {Action::kWait, {}, {}, rule_->delay, 0};
        break;
      case Stage::kPlan:
        stage_ = Stage::kThought;
        if (!rule_->plan.empty()) return {Action::kPlan, {}, rule_->plan, {}, 0};
        break;
      case Stage::kThought:
        stage_ = Stage::kTool;
        if (!rule_->thought.empty())
          return {Action::kThought, {}, fill_in(rule_->thought, groups_, {}), {}, 0};
        break;
      case Stage::kTool:
        stage_ = Stage::kPermission;
        if (!rule_->tool.empty())
          return {Action::kTool,
                  tool_id_,
                  tool_json(rule_->tool, tool_id_, rule_->permission ? "pending" : "in_progress"),
                  {},
                  0};
        break;
      case Stage::kPermission:
        stage_ = Stage::kToolDone;
        if (rule_->permission) {
          Permission permission = *rule_->permission;
          permission.title = fill_in(permission.title, groups_, {});
          return {Action::kPermission,
                  permission_id_,
                  permission_json(permission, rule_->tool, tool_id_),
                  {},
                  0};
        }
        break;
      case Stage::kToolDone:
        stage_ = Stage::kReply;
        if (!rule_->tool.empty())
          return {Action::kTool,
                  tool_id_,
                  tool_json(rule_->tool, tool_id_, refused_ ? "failed" : "completed"),
                  {},
                  0};
        break;
      case Stage::kReply:
        text_ = reply();
        stage_ = Stage::kWords;
        break;
      case Stage::kWords: {
        if (spoken_ == text_.size()) {
          stage_ = Stage::kContent;
          break;
        }
        if (spoken_ > 0 && !waited_ && config_->chunk_delay.count() > 0) {
          waited_ = true;
          return {Action::kWait, {}, {}, config_->chunk_delay, 0};
        }
        waited_ = false;
        // A word and the blanks after it.
        std::size_t end = std::min(text_.find_first_of(" \n\t", spoken_), text_.size());
        end = std::min(text_.find_first_not_of(" \n\t", end), text_.size());
        const std::size_t begin = std::exchange(spoken_, end);
        return {Action::kText, {}, text_.substr(begin, end - begin), {}, 0};
      }
      case Stage::kContent: {
        if (pieces_ == rule_->content.size()) {
          stage_ = Stage::kUsage;
          break;
        }
        const Piece& piece = rule_->content[pieces_++];
        if (piece.block.empty())
          return {Action::kText, {}, fill_in(piece.text, groups_, choice_), {}, 0};
        return {Action::kContent, {}, piece.block, {}, 0, piece.text};
      }
      case Stage::kUsage:
        stage_ = Stage::kLast;
        if (!rule_->usage.empty()) return {Action::kUsage, {}, rule_->usage, {}, 0};
        break;
      case Stage::kLast:
        if (rule_->fail)
          return {Action::kFail,
                  {},
                  "the mock was told to fail with " + rule_->fail->name,
                  {},
                  rule_->fail->code};
        return {};
    }
  }
}

void Player::answered(std::string_view option_id) {
  choice_ = "no answer";
  refused_ = true;
  for (const Option& option : rule_->permission->options) {
    if (option.id != option_id) continue;
    choice_ = option.name;
    refused_ = option.kind.starts_with("reject");
  }
}

std::string Player::reply() const {
  if (rule_->recall)
    return previous_.empty() ? "You did not say anything before." : "You said: " + previous_;
  if (rule_->reply) return fill_in(*rule_->reply, groups_, choice_);
  if (rule_->fail || !rule_->content.empty()) return {};
  return "[Mock response to: " + message_ + "]";
}

std::string fill_in(std::string_view text, const Groups& groups, std::string_view permission) {
  static constexpr std::string_view kPermissionName = "permission";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char after = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] != '$') {
      out += text[i];
    } else if (after == '$') {
      out += '$';
      ++i;
    } else if (after >= '0' && after <= '9') {
      const auto group = static_cast<std::size_t>(after - '0');
      if (group < groups.size()) out += groups[group];
      ++i;
    } else if (text.substr(i + 1).starts_with(kPermissionName)) {
      out += permission;
      i += kPermissionName.size();
    } else {
      out += '$';
    }
  }
  return valid_utf8(out);
}

}  // namespace viaduct::mock
