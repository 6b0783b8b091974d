// The words that people say to the bridge itself: after the slash command, after a mention, in a
// direct message, and in a thread. What is to be said is plain text, in which `…` is code. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace viaduct::chat {

struct HelpCommand {};
struct ListCommand {
  std::string project;  // empty: all
};
struct ProjectsCommand {};
struct NewCommand {
  std::string dir;      // empty: the usual one
  std::string backend;  // empty: the usual one
  std::string description;
};
struct ConnectCommand {
  std::string id;  // or what it begins with
};
// Of these, an empty id means the session of this thread, or the person's only one here.
struct ResumeCommand {
  std::string id;
};
struct StatusCommand {
  std::string id;
};
struct EndCommand {
  std::string id;
};
struct UnbindCommand {  // the session lives on
  std::string id;
};
struct CancelCommand {
  std::string id;
};
struct RetryCommand {
  std::string id;
};
struct SessionsCommand {};
struct BreakoutCommand {
  std::string name;  // of the channel; empty: the bridge finds one
};
struct DiscoverCommand {
  std::uint32_t limit = 10;
};
struct ConfigCommand {};
struct RememberCommand {
  std::string text;
};
struct RecallCommand {
  std::string query;
};
struct WorkStatusCommand {};
// A known word with something wrong behind it, and what is to be said.
struct WrongCommand {
  std::string why;    // may be empty
  std::string usage;  // without the slash command

  std::string words(std::string_view slash_command) const;
};
struct UnknownCommand {
  std::string word;
  std::string nearest;  // empty: none is near

  // What is to be said.
  std::string words(std::string_view slash_command) const;
};

using Command =
    std::variant<HelpCommand, ListCommand, ProjectsCommand, NewCommand, ConnectCommand,
                 ResumeCommand, StatusCommand, SessionsCommand, BreakoutCommand, EndCommand,
                 UnbindCommand, CancelCommand, RetryCommand, DiscoverCommand, ConfigCommand,
                 RememberCommand, RecallCommand, WorkStatusCommand, WrongCommand, UnknownCommand>;

// Behind the slash command: always a command. `text` as readable() gives it.
Command parse_slash(std::string_view text);

// Behind a mention, or in a direct message: nullopt for words that are for the agent. Those are all
// that do not fit a command wholly: "status of the build?" is none. `slash_command` may stand in
// front, as people type it where their client takes none.
std::optional<Command> parse_addressed(std::string_view text, std::string_view slash_command);

// In a thread with a session, where nobody is addressed: only "stop" and its like.
std::optional<Command> parse_in_thread(std::string_view text, std::string_view slash_command);

// All commands, a line each. Not `has_channels`: without those that make channels.
std::string help_text(std::string_view slash_command, bool has_channels = true);

}  // namespace viaduct::chat
