// The Bot Connector (reference sections 3.2 to 3.4): one call, one answer, refusals in words. It
// waits out rate limits for each conversation and tenant within the patience of the call, fetches
// another token once after a 401, and repeats only what is idempotent or was certainly not done.
// The token goes to the service's hosts only, and is in nothing that it says. On the loop's thread;
// what it has begun may outlive it, but not the Loop and the ServiceToken.
#pragma once

#include "plugins/teams/address.hpp"
#include "plugins/teams/failure.hpp"
#include "plugins/teams/limits.hpp"
#include "plugins/teams/service_token.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/host.hpp>

namespace viaduct::teams {

// Where a message goes: what is stored of a conversation.
struct Destination {
  std::string service_url;   // as the last activity of the conversation had it
  std::string conversation;  // the whole id, with ";messageid=" where it is a channel's thread
  std::string tenant;
  bool is_personal = false;
  bool is_targeted = false;  // only the activity's `recipient` sees it
};

// What the service answered.
struct Done {
  std::string id;            // of the message; empty: it told none
  std::string conversation;  // create: the new one's id
};
using CallResult = std::expected<Done, Failure>;

struct Member {
  std::string id;   // 29:…
  std::string aad;  // may be empty
  std::string name;
  std::string email;
  std::string tenant;  // of the person; empty: not told
  std::string role;    // "guest", "anonymous", "user"; empty: not told
};

// One call that is over, for log and metrics; what a limit of ours held back is none.
struct CallReport {
  std::string_view operation;    // "send"
  std::string_view error;        // empty: none, or no answer
  std::string_view correlation;  // MS-CV, which Microsoft's support asks for
  int status = 0;
  bool ok = false;
  std::chrono::steady_clock::duration took{0};
};

struct ConnectorOptions {
  std::string bot;  // "28:<app id>": who sends, where the activity does not say so
  Hosts hosts;      // the service's; no other is called
  // Where the service says that the tenant is in the Government Community Cloud
  // (InvalidBotApiHost).
  std::string gcc_service_url = "https://smba.infra.gcc.teams.microsoft.com/teams/";
  std::chrono::milliseconds lookup_limit{4'000};  // of member(): somebody waits for it to be let in
};

class Connector {
 public:
  using Reporter = std::function<void(const CallReport&)>;
  using Patience = std::chrono::milliseconds;
  static constexpr Patience kUsual{10'000};
  static constexpr Patience kPassing{
      0};  // goes at once or not at all, behind whatever has patience

  // `token`: null where none is needed, that is, with the Playground on this computer.
  Connector(net::Loop& loop, ServiceToken* token, ConnectorOptions options, Reporter reporter);
  // Reports to log and metrics.
  Connector(const sdk::Host& host, net::Loop& loop, ServiceToken* token, ConnectorOptions options);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // `activity`: a JSON object; `from` and `conversation` are put in where it has none.
  net::Task<CallResult> send(Destination to, std::string activity, Patience patience = kUsual);
  net::Task<CallResult> reply(Destination to, std::string of, std::string activity,
                              Patience patience = kUsual);
  net::Task<CallResult> update(Destination to, std::string id, std::string activity,
                               Patience patience = kUsual);
  // One that is not there any more is removed.
  net::Task<CallResult> remove(Destination to, std::string id, Patience patience = kUsual);
  // A frame or the end of a stream: as send, at most one in a second.
  net::Task<CallResult> stream(Destination to, std::string activity, Patience patience);
  // Shows nothing in channels: do not.
  net::Task<CallResult> typing(Destination to);
  // `type`: "like", or another name of an emoji.
  net::Task<CallResult> react(Destination to, std::string id, std::string type);
  net::Task<CallResult> unreact(Destination to, std::string id, std::string type);
  // A chat with one person (`person`: their 29: or AAD id), who has the app, or a new thread of a
  // channel (`channel`: its id; it begins with `activity`). Not idempotent.
  net::Task<CallResult> create_chat(std::string service_url, std::string tenant, std::string person,
                                    std::string activity);
  net::Task<CallResult> create_thread(std::string service_url, std::string tenant,
                                      std::string channel, std::string activity);
  // At most 5,000.
  net::Task<std::expected<std::vector<Member>, Failure>> members(Destination of);
  net::Task<std::expected<Member, Failure>> member(Destination of, std::string id);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace viaduct::teams
