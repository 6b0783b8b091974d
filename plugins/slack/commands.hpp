// Does what people tell the bridge to: `/amp …`, and the same words after a mention or in a direct
// message. Everything that it does once is keyed by the asking event, so an event that is handled
// again after a crash does nothing twice. On the loop's thread; owned by the plugin.
#pragma once

#include <viaduct/chat/asker.hpp>
#include <viaduct/chat/command.hpp>
#include "plugins/slack/config.hpp"
#include "plugins/slack/conversations.hpp"

#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/sdk/host.hpp>

namespace viaduct::slack {

class Commands {
 public:
  Commands(const sdk::Host& host, World& world, Conversations& conversations, const Config& config);

  net::Task<> run(chat::Command command, chat::Asker asker);
  // The session that a place is bound to, begun if there is none; the error is in words.
  struct Wanted {
    std::string dir;
    std::string backend;
    std::string description;
  };
  net::Task<std::expected<std::shared_ptr<Conversation>, std::string>> begin(chat::Place place,
                                                                             chat::Asker asker,
                                                                             Wanted wanted);
  // True while a session is being begun for it.
  bool is_beginning(const chat::Place& place) const { return beginning_.contains(place.key()); }

  // A press of one of this plugin's buttons.
  net::Task<> press(std::string action, std::string value, chat::Asker asker);

  // The home tab of a person, as it is now.
  net::Task<> show_home(std::string team, std::string user);
  net::Task<> suggest(std::string team, std::string channel, std::string thread);

  // To the asker alone, where that can be; else where it was asked.
  net::Task<> whisper(chat::Asker asker, Body body, std::string part = "reply");
  net::Task<> say(chat::Place place, std::string key, Body body);
  // By a direct message, where the bot cannot write in the channel.
  net::Task<> hint(Shipment refused, ApiFailure why);

 private:
  net::Task<> run_new(chat::NewCommand command, chat::Asker asker);
  net::Task<> run_connect(std::string id, bool revive, chat::Asker asker);
  net::Task<> run_list(std::string project, chat::Asker asker);
  net::Task<> run_projects(chat::Asker asker);
  net::Task<> run_sessions(chat::Asker asker);
  net::Task<> run_status(std::string id, chat::Asker asker);
  net::Task<> run_breakout(std::string name, chat::Asker asker);
  net::Task<> run_end(std::string id, chat::Asker asker);
  net::Task<> run_unbind(std::string id, chat::Asker asker);
  net::Task<> run_cancel(std::string id, chat::Asker asker);
  net::Task<> run_retry(std::string id, chat::Asker asker);
  net::Task<> run_memory(chat::Command command, chat::Asker asker);
  net::Task<> run_config(chat::Asker asker);

  // The conversation that a command means: by its id, of this thread, or the person's only one in
  // this channel. Null: the asker has been told, or offered some to pick, and `word` is run then.
  net::Task<std::shared_ptr<Conversation>> meant(std::string id, std::string word,
                                                 chat::Asker asker);
  // A new thread in the asker's channel.
  net::Task<std::expected<std::string, std::string>> open_thread(chat::Asker asker, Body root);
  std::expected<std::string, std::string> folder(const std::string& dir,
                                                 const chat::Asker& asker) const;
  // Sessions that the asker may have, newest first.
  std::vector<chat::Binding> own(const chat::Asker& asker) const;
  std::expected<chat::Binding, std::string> find(std::string_view id,
                                                 const chat::Asker& asker) const;
  net::Task<std::optional<chat::SessionFacts>> facts(chat::Binding binding);
  net::Task<> tell(chat::Asker asker, std::string mrkdwn, std::vector<Button> buttons = {});

  sdk::Log log_;
  sdk::Memory memory_;
  World& world_;
  Conversations& conversations_;
  const Config& config_;
  std::set<std::string> beginning_;              // places
  std::map<std::string, std::size_t> reserved_;  // slots of people whose sessions are beginning
};

}  // namespace viaduct::slack
