// What must be known of each conversation to speak in it at any time (reference section 3.5): kept
// with every activity that comes, on disk, for ever. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/teams/activity.hpp"
#include "plugins/teams/connector.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/chat/place.hpp>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/host.hpp>

namespace viaduct::teams {

// Of a chat, or of a channel with all of its threads.
struct Reference {
  std::string tenant;
  std::string conversation;  // base id
  ConversationKind kind = ConversationKind::kPersonal;
  std::string service_url;
  std::string bot_id;
  std::string bot_name;
  std::string name;    // of the chat or channel; may be empty
  std::string team;    // of a channel
  std::string person;  // of a personal chat: 29:…
  bool was_greeted = false;
  bool is_gone = false;  // the bot was removed from it

  bool operator==(const Reference&) const = default;
};

std::string reference_json(const Reference& one);
struct ReferencePage {
  std::vector<Reference> references;
  std::string last_key;
  bool more = false;
};
std::optional<ReferencePage> parse_references(std::string_view json);

class References {
 public:
  explicit References(const sdk::Host& host) : documents_(host), log_(host) {}

  // Reads all of them. Before anything else.
  net::Task<net::Result<>> load();
  // As the activity has it; what is gone is there again.
  void note(const Activity& activity);
  void set_greeted(const Activity& activity);
  void set_gone(const chat::Place& place);
  // Nobody there may use the bot, and nothing is bound there. What was known of the place before
  // this activity, or by another one since, stays: somebody may be waiting for an answer there.
  void forget(const Activity& activity);
  // A chat with a person that the bot itself has begun, or knew of.
  void note_chat(Reference chat);

  // Valid until the next change. Null: nothing was ever heard from there.
  const Reference* find(const chat::Place& place) const;
  // Where a message to the place goes; nullopt: the bot is not there.
  std::optional<Destination> destination(const chat::Place& place) const;
  // The chat with this person (29:…), as far as one is known.
  std::optional<Destination> chat_with(std::string_view tenant, std::string_view person) const;

 private:
  void put(const std::string& key, Reference one);
  void keep(std::string key, Reference one);

  sdk::Documents documents_;
  sdk::Log log_;
  std::map<std::string, Reference, std::less<>> by_place_;  // key of the place without a thread
  std::map<std::string, std::string, std::less<>> chats_;   // these keys, by tenant and person
  // By these keys, the activity by which the place became known, while no other came from there.
  std::map<std::string, std::string, std::less<>> first_;
};

}  // namespace viaduct::teams
