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

namespace viaduct::teams {

// Words to the asker alone are the answer to the invoke that asks (chat::Asker::reply_url), or go
// where only the asker sees them.
inline constexpr std::string_view kInvokeReply = "invoke:";
inline constexpr std::string_view kTargetedReply = "targeted:";  // and the 29: id

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
  const chat::Pace& pace() const override { return pace_; }

  net::Task<net::Result<bool>> post(chat::Place place, std::string key, chat::Body body) override;
  net::Task<net::Result<>> edit(chat::Place place, std::string key, std::string of,
                                chat::Body body) override;
  net::Task<net::Result<bool>> post_file(chat::Place place, std::string key, std::string name,
                                         std::string words, std::string content) override;
  net::Task<net::Result<>> whisper(chat::Asker asker, std::string key, chat::Body body) override;
  net::Task<std::expected<std::string, std::string>> open_thread(chat::Asker asker, std::string key,
                                                                 chat::Body root) override;
  net::Task<std::expected<chat::Place, std::string>> open_channel(chat::Asker asker,
                                                                  std::string name) override;

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
  // What a person has agreed to get: the file of the consent card with this context.
  net::Task<> deliver_file(chat::Place place, FileConsent consent, std::string key);

 private:
  // A shipment to the place; nullopt: the bot is not there any more.
  std::optional<Shipment> shipment(Shipment::Kind kind, const chat::Place& place, std::string key,
                                   const chat::Body& body) const;
  net::Task<net::Result<bool>> ship(std::optional<Shipment> shipment);

  net::Loop& loop_;
  const Config& config_;
  sdk::Log log_;
  sdk::Documents documents_;
  Connector& connector_;
  References& references_;
  Outbox& outbox_;
  chat::Pace pace_;
  bool takes_reactions_ = true;               // until Teams says otherwise
  std::map<std::string, std::string> shown_;  // reaction on a message, by place and message
  std::map<std::string, std::chrono::steady_clock::time_point> typed_;  // by place
  std::function<bool(std::string_view, const chat::Body&)> reply_;
};

}  // namespace viaduct::teams
