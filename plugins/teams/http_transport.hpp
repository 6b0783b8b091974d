// Activities over HTTP: who sends is checked before anything is done, and an activity is
// acknowledged when it is safe. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/teams/inbound.hpp"
#include "plugins/teams/inbound_auth.hpp"
#include "plugins/teams/seldom.hpp"

#include <string>
#include <viaduct/sdk/http.hpp>

namespace viaduct::teams {

// What the check of who sends looks at.
ActivityFacts facts_of(const Activity& activity);

class HttpTransport {
 public:
  HttpTransport(const sdk::Host& host, net::Loop& loop, InboundAuth& auth, Inbound& inbound);

  // The routes: from then on requests are answered, with 503 until open() is called. Throws
  // sdk::Error.
  void begin(bool with_alias);
  void open() { is_open_ = true; }

 private:
  net::Task<> take(std::string authorization, std::string body, bool is_direct,
                   std::string request_id, std::shared_ptr<sdk::Exchange> exchange);

  net::Loop& loop_;
  sdk::Http http_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  InboundAuth& auth_;
  Inbound& inbound_;
  void note_refusal(const std::string& request_id, std::string_view why);
  Seldom noted_;
  bool is_open_ = false;
};

}  // namespace viaduct::teams
