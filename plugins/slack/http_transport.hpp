// Slack's deliveries over HTTP: signed requests to /events, /commands, /interactivity, or to the
// mount itself, for all three. Acknowledged when the inbox has them. On the loop's thread; owned by
// the plugin.
#pragma once

#include "plugins/slack/inbound.hpp"
#include "plugins/slack/inbox.hpp"
#include "plugins/slack/signature.hpp"

#include <viaduct/sdk/http.hpp>

namespace viaduct::slack {

class HttpTransport {
 public:
  HttpTransport(const sdk::Host& host, Signatures signatures, Inbound& inbound, Inbox& inbox);

  // Makes the routes.
  void begin();
  // Until then, everything is answered with 503, so that Slack comes again.
  void open() { is_open_ = true; }

 private:
  void take(const sdk::Request& request, sdk::Exchange exchange);

  sdk::Http http_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  const Signatures signatures_;
  Inbound& inbound_;
  Inbox& inbox_;
  bool is_open_ = false;
};

// What a person sees at once of a slash command, over either transport.
std::string slash_seen_json(const SlashCommand& command);

}  // namespace viaduct::slack
