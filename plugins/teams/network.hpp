// Teams, as the conversations and commands of sdk/chat see it. On the loop's thread; owned by the
// plugin.
#pragma once

#include "plugins/teams/card.hpp"
#include "plugins/teams/config.hpp"
#include "plugins/teams/outbox.hpp"
#include "plugins/teams/references.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/chat/network.hpp>
#include <viaduct/chat/shelf.hpp>

namespace viaduct::teams {

// What asks is answered as it asks (chat::Asker::reply_url): an invoke, which this begins with its
// key behind it, in its own answer; a message that nobody else sees, by such a message.
inline constexpr std::string_view kInvokeReply = "invoke:";
inline constexpr std::string_view kTargetedReply = "targeted";

class TeamsNetwork final : public chat::Network {
 public:
  TeamsNetwork(const sdk::Host& host, net::Loop& loop, const Config& config, Connector& connector,
               References& references, Outbox& outbox);

  // Who waits for words to `reply_url`. True: they were taken.
  void on_reply(std::function<bool(std::string_view reply_url, const chat::Body& body)> taken) {
    reply_ = std::move(taken);
  }

  std::string escaped(std::string_view plain) const override;
  std::string code(std::string_view plain) const override;
  std::string bold(std::string_view words) const override;
  std::string italic(std::string_view words) const override;
  std::string words(std::string_view text) const override;
  std::string person(const chat::Asker& asker) const override;
  std::string where(const chat::Binding& binding) const override;
  std::string help_hint() const override;

  chat::Body note(std::string_view words, const std::vector<chat::Button>& buttons) const override;
  chat::Body work(std::string_view text, const std::vector<chat::Button>& buttons) const override;
  chat::Body list(std::string_view title, const std::vector<chat::ListItem>& items,
                  std::string_view below) const override;
  chat::Body permission(const chat::Entry& entry, const std::string& session) const override;
  chat::Body answer(std::string_view text) const override;
  std::vector<std::string> parts(std::string_view answer, bool ended) const override;
  void finish(std::vector<std::string>& parts, std::string_view answer) const override;
  const chat::Pace& pace() const override { return pace_; }

  net::Task<net::Result<bool>> post(chat::Place place, std::string key, chat::Body body) override;
  net::Task<net::Result<>> edit(chat::Place place, std::string key, std::string of,
                                chat::Body body) override;
  net::Task<net::Result<bool>> post_file(chat::Place place, std::string key,
                                         const chat::File& file) override;
  net::Task<net::Result<>> whisper(chat::Asker asker, std::string key, chat::Body body) override;
  // The same to somebody who may not be here: nobody's answers wait behind it. `of`: the earlier
  // one that it is to replace, where all read it.
  net::Task<net::Result<>> turn_away(chat::Asker asker, std::string key, chat::Body body,
                                     std::string of = "");
  net::Task<std::expected<std::string, std::string>> open_thread(chat::Asker asker, std::string key,
                                                                 chat::Body root) override;
  net::Task<std::expected<chat::Place, std::string>> open_channel(chat::Asker asker,
                                                                  std::string name) override;

  bool makes_channels() const override { return false; }
  bool hears_all(const chat::Place& place) const override;

  bool can_stream(const chat::Place& place, std::string_view asker) const override;
  net::Task<net::Result<bool>> begin_stream(chat::Place place, std::string key, std::string asker,
                                            std::string text) override;
  net::Task<net::Result<>> end_stream(chat::Place place, std::string key, std::string of,
                                      std::string text) override;
  net::Task<bool> grow(std::string key, std::string text) override;
  net::Task<bool> stop_stream(std::string key) override;
  net::Task<> update(chat::Place place, std::string of, chat::Body body) override;
  bool has_arrived(std::string_view key) const override;
  void forget(std::string_view key) override;

  std::string message_of(std::string_view key) const override;
  void show_life(const chat::Place& place, const std::string& message, chat::Life life) override;

  // A message that Teams finds too large, as several.
  net::Task<> post_smaller(Shipment refused);
  // What a person has agreed to get, or not: the file of the consent card with this context.
  net::Task<> deliver_file(chat::Place place, FileConsent consent, std::string key);
  // It could not be put where the person has agreed to.
  net::Task<> offer_again(Shipment refused, Failure why);
  // Takes back what was offered too long ago, and gives up what is left of other files.
  net::Task<> tidy();

 private:
  // A shipment to the place; nullopt: the bot is not there any more.
  std::optional<Shipment> shipment(Shipment::Kind kind, const chat::Place& place, std::string key,
                                   const chat::Body& body) const;
  net::Task<net::Result<bool>> ship(std::optional<Shipment> shipment);
  std::optional<Shipment> reply(const chat::Asker& asker, std::string key,
                                const chat::Body& body) const;
  // Asks in a message of the key `card` whether the person takes the file that is kept for `file`.
  chat::Body offer(std::string_view file, std::string_view card, std::string_view name,
                   std::string_view words, std::size_t size) const;
  // To one person who is among others: as a message that nobody else sees, or in their chat with
  // the bot; where neither can be, they are told so, and nobody hears the words.
  net::Task<CallResult> deliver_alone(Shipment words);
  net::Task<std::expected<Destination, Failure>> chat_with(const Shipment& words);

  net::Loop& loop_;
  const Config& config_;
  sdk::Log log_;
  chat::Shelf shelf_;
  Connector& connector_;
  References& references_;
  Outbox& outbox_;
  chat::Pace pace_;
  std::set<std::string> no_reactions_;        // tenants whose Teams takes none
  std::map<std::string, std::string> shown_;  // reaction on a message, by place and message
  std::map<std::string, std::chrono::steady_clock::time_point> typed_;  // by place
  std::function<bool(std::string_view, const chat::Body&)> reply_;
};

}  // namespace viaduct::teams
