// What carries the requests of the Web API: HTTP to Slack, or the simulator's stand-in inside of
// this process. On the loop's thread.
#pragma once

#include <viaduct/net/http_client.hpp>

namespace viaduct::slack {

class Carrier {
 public:
  Carrier() = default;
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;
  virtual ~Carrier() = default;
  // The whole answer, as net::HttpClient::fetch.
  virtual net::Task<net::HttpResult<net::HttpResponse>> fetch(net::HttpRequest request) = 0;
};

}  // namespace viaduct::slack
