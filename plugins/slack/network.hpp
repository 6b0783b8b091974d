// Slack, as the conversations and commands of sdk/chat see it. On the loop's thread; owned by the
// plugin.
#pragma once

#include "plugins/slack/outbox.hpp"
#include "plugins/slack/signs.hpp"
#include "plugins/slack/web_api.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/chat/network.hpp>

namespace viaduct::slack {

class SlackNetwork final : public chat::Network {
 public:
  SlackNetwork(const sdk::Host& host, net::Loop& loop, WebApi& api, Installations& installations,
               Outbox& outbox);

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
  chat::Body answer(std::string_view markdown) const override;
  std::vector<std::string> parts(std::string_view answer, bool ended) const override;
  const chat::Pace& pace() const override { return pace_; }

  net::Task<net::Result<bool>> post(chat::Place place, std::string key, chat::Body body) override;
  net::Task<net::Result<>> edit(chat::Place place, std::string key, std::string of,
                                chat::Body body) override;
  net::Task<net::Result<bool>> post_file(chat::Place place, std::string key,
                                         const chat::File& file) override;
  net::Task<net::Result<>> whisper(chat::Asker asker, std::string key, chat::Body body) override;
  net::Task<std::expected<std::string, std::string>> open_thread(chat::Asker asker, std::string key,
                                                                 chat::Body root) override;
  net::Task<std::expected<chat::Place, std::string>> open_channel(chat::Asker asker,
                                                                  std::string name) override;
  net::Task<> invite(chat::Place channel, std::string user) override;

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
  void show_title(const chat::Place& place, const std::string& title) override;

  // True while the first message of a thread is on its way to this channel: one that is new there
  // may be the one.
  bool is_opening(const chat::Place& place) const;

  // By a direct message, where the bot cannot write in a channel, to `user` or, if that is empty,
  // to whoever has a session there.
  net::Task<> hint(Shipment refused, ApiFailure why, const chat::Bindings& bindings);

 private:
  net::Task<net::Result<bool>> ship(Shipment shipment);
  net::Task<ApiResult> find_channel(std::string name, std::string token);

  net::Loop& loop_;
  sdk::Log log_;
  WebApi& api_;
  Installations& installations_;
  Outbox& outbox_;
  const chat::Pace pace_;
  Signs signs_;
  std::multiset<std::string> opening_;  // channels in which the first message of a thread is posted
  std::set<std::string> answered_;      // response_urls of slash commands
};

}  // namespace viaduct::slack
