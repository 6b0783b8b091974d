#include "plugins/teams/connector.hpp"

#include "plugins/teams/connector_json.hpp"
#include "plugins/teams/percent.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <viaduct/chat/budget.hpp>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using chat::Budget;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kConnectLimit = 10s;
constexpr auto kCallLimit = 20s;
constexpr std::size_t kMostOfAnAnswer = 8 << 20;
constexpr auto kFirstRetry = 1000ms;  // doubles
constexpr auto kLongestRetry = 16'000ms;
constexpr milliseconds kLeastWait{200};            // "Retry-After: 0" is no permission to storm
constexpr std::chrono::seconds kLongestWait{600};  // nor a large one to be silent for a day
constexpr int kMostPages = 10;
constexpr std::size_t kLongestCorrelation = 100;
constexpr std::string_view kPageSize = "500";

// One call, as it goes out.
struct Call {
  std::string_view operation;
  std::string_view method = "POST";
  Destination to{};
  std::string path{};  // behind "v3/"
  std::string body{};
  CallKind kind = CallKind::kSend;
  bool sends = false;       // it is something that is said
  bool makes = false;       // a message, whose id the answer tells
  bool idempotent = false;  // may be done again
  Connector::Patience patience{0};
  milliseconds limit{kCallLimit};  // of one try
};

// " name=value"; nothing, where there is no value.
std::string field(const char* name, std::string_view value) {
  return value.empty() ? std::string() : name + std::string(value);
}

std::string conversation_path(const Destination& to, std::string_view more) {
  return "conversations/" + percent_encoded(to.conversation) + std::string(more);
}
std::string message_path(const Destination& to, std::string_view id, std::string_view more = {}) {
  return conversation_path(to, "/activities/") + percent_encoded(id) + std::string(more);
}

Failure not_begun(Trouble trouble, std::string message) {
  Failure failure;
  failure.trouble = trouble;
  failure.message = std::move(message);
  return failure;
}

Failure no_answer(const net::HttpError& error, const std::string& token) {
  Failure failure =
      not_begun(error.code == sdk::Code::kBusy ? Trouble::kOther : Trouble::kRetryLater,
                "Teams does not answer (" + net::redacted(error.message, {token}) + ")");
  failure.not_done = !error.sent;
  return failure;
}

}  // namespace

struct Connector::Shared {
  Shared(net::Loop& of, ServiceToken* with, ConnectorOptions given, Reporter to)
      : loop(of),
        token(with),
        options(std::move(given)),
        reporter(std::move(to)),
        client(of, {.proxy_from_environment = true}),
        local(of) {}

  using Answer = std::expected<std::string, Failure>;  // the body

  net::HttpRequest request(const Call& call, const std::string& service,
                           const std::string& bearer) const;
  milliseconds backoff(int attempt);

  static net::Task<Answer> call(std::shared_ptr<Shared> self, Call call);
  static net::Task<Answer> attempt(std::shared_ptr<Shared> self, const Call& call,
                                   std::string& bearer, std::string& correlation, int& status);
  static net::Task<bool> wait_for_room(std::shared_ptr<Shared> self, Budget::Ticket ticket,
                                       Clock::time_point deadline);
  static net::Task<CallResult> message(std::shared_ptr<Shared> self, Call call,
                                       std::string activity);
  static net::Task<CallResult> create(std::shared_ptr<Shared> self, std::string service_url,
                                      std::string tenant, std::optional<std::string> body);

  net::Loop& loop;
  ServiceToken* const token;
  const ConnectorOptions options;
  const Reporter reporter;
  net::HttpClient client;
  net::HttpClient local;  // a stand-in on this computer is behind no proxy
  Budget budget;
  std::set<std::string> in_gcc;  // service URLs
  std::minstd_rand random{std::random_device{}()};
};

net::HttpRequest Connector::Shared::request(const Call& call, const std::string& service,
                                            const std::string& bearer) const {
  net::HttpRequest request;
  request.method = call.method;
  request.url = service;
  if (!request.url.ends_with('/')) request.url += '/';
  request.url += "v3/" + call.path;
  if (call.to.is_targeted) request.url += "?isTargetedActivity=true";
  if (!bearer.empty()) request.headers.push_back({"Authorization", "Bearer " + bearer});
  if (!call.body.empty())
    request.headers.push_back({"Content-Type", "application/json; charset=utf-8"});
  request.body = call.body;
  request.connect_timeout = kConnectLimit;
  request.total_timeout = call.limit;
  request.max_body_bytes = kMostOfAnAnswer;
  request.once = !call.idempotent;
  return request;
}

milliseconds Connector::Shared::backoff(int attempt) {
  const auto wait =
      std::min<milliseconds>(kLongestRetry, kFirstRetry * (1 << std::min(attempt, 4)));
  // By up to a quarter more or less, so that not all come at once.
  return milliseconds(std::uniform_int_distribution<milliseconds::rep>(
      wait.count() * 3 / 4, wait.count() * 5 / 4)(random));
}

// False: not before the deadline.
net::Task<bool> Connector::Shared::wait_for_room(std::shared_ptr<Shared> self,
                                                 Budget::Ticket ticket,
                                                 Clock::time_point deadline) {
  struct Place {  // is given up with the coroutine
    ~Place() { budget.leave(ticket); }
    Budget& budget;
    Budget::Ticket ticket;
  } place{self->budget, ticket};
  for (;;) {
    const auto again = self->budget.look(ticket, Clock::now());
    if (!again) co_return true;
    if (*again > deadline) co_return false;
    asio::steady_timer timer(self->loop.context(), *again);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return false;
  }
}

// Once, and once more with another token where that was refused, or to the cloud where the tenant
// is.
net::Task<Connector::Shared::Answer> Connector::Shared::attempt(std::shared_ptr<Shared> self,
                                                                const Call& call,
                                                                std::string& bearer,
                                                                std::string& correlation,
                                                                int& status) {
  bool renewed = false, moved = false;
  for (;;) {
    const std::string service = self->in_gcc.contains(call.to.service_url)
                                    ? self->options.gcc_service_url
                                    : call.to.service_url;
    if (!self->options.hosts.trusts(service) ||
        (self->token != nullptr && !self->token->may_have_token(service)))
      co_return std::unexpected(
          not_begun(Trouble::kSetUp,
                    "the service URL of the conversation is not one that is trusted; other clouds "
                    "need cloud or endpoints.service_hosts"));
    if (self->token != nullptr && bearer.empty()) {
      TokenResult got = co_await self->token->get();
      if (!got) {
        Failure failure =
            not_begun(got.error().trouble == TokenTrouble::kSetUp ? Trouble::kCredentials
                                                                  : Trouble::kRetryLater,
                      got.error().message);
        failure.error = got.error().error;
        if (got.error().retry_after > 0s) failure.retry_after = got.error().retry_after;
        co_return std::unexpected(std::move(failure));
      }
      bearer = *std::move(got);
    }
    const auto address = parse_address(service);
    net::HttpClient& client = address && address->is_loopback ? self->local : self->client;
    const auto response = co_await client.fetch(self->request(call, service, bearer));
    if (!response) co_return std::unexpected(no_answer(response.error(), bearer));
    status = response->head.status;
    // Before it is cut: of a token that it repeats a piece would be left.
    correlation = net::one_line(
        net::redacted(std::string(response->head.header("ms-cv")), {bearer}), kLongestCorrelation);
    Complaint complaint = parse_complaint(response->body);
    if (status >= 200 && status < 300 && complaint.error.empty()) co_return response->body;
    complaint.detail = net::redacted(std::move(complaint.detail), {bearer});
    complaint.error = net::redacted(std::move(complaint.error), {bearer});
    Failure failure = failure_of(status, complaint, call.sends);
    if (const auto wait = response->head.retry_after())
      failure.retry_after = std::min(*wait, kLongestWait);
    if (status == 401 && self->token != nullptr && !std::exchange(renewed, true)) {
      TokenResult another = co_await self->token->refused(bearer);
      if (another) {
        bearer = *std::move(another);
        continue;
      }
      failure.message = another.error().message;
      if (another.error().retry_after > 0s) failure.retry_after = another.error().retry_after;
      if (another.error().trouble == TokenTrouble::kRetryLater)
        failure.trouble = Trouble::kRetryLater;
    }
    if (failure.error == "InvalidBotApiHost" && !std::exchange(moved, true) &&
        service != self->options.gcc_service_url &&
        self->options.hosts.trusts(self->options.gcc_service_url)) {
      self->in_gcc.insert(call.to.service_url);
      continue;
    }
    co_return std::unexpected(std::move(failure));
  }
}

net::Task<Connector::Shared::Answer> Connector::Shared::call(std::shared_ptr<Shared> self,
                                                             Call call) {
  const auto begun = Clock::now();
  const auto deadline = begun + call.patience;
  const bool passing = call.patience.count() <= 0;
  const auto lanes = lanes_of(call.kind, call.to.tenant, call.to.conversation);
  std::string bearer, correlation;
  int status = 0;
  bool called = false;
  Answer answer;
  Budget::Ticket ticket = 0;
  for (int tries = 0;; ++tries) {
    ticket = self->budget.enter(lanes, passing ? Budget::Rank::kPassing : Budget::Rank::kLastWord,
                                Clock::now(), ticket);
    const bool room = co_await wait_for_room(self, ticket, deadline);
    if (!room) {
      if (tries > 0) break;  // what the service said is known better
      answer = std::unexpected(not_begun(Trouble::kRetryLater,
                                         "there is much to say in this conversation: Teams limits "
                                         "how often; it is tried again"));
      break;
    }
    called = true;
    answer = co_await attempt(self, call, bearer, correlation, status);
    if (answer || answer.error().trouble != Trouble::kRetryLater) break;
    const Failure& why = answer.error();
    const milliseconds wait = std::max(why.retry_after.value_or(self->backoff(tries)), kLeastWait);
    const auto until = Clock::now() + wait;
    if (why.status == 429) self->budget.pause(refused_lane(lanes), until);
    if (passing || (!why.not_done && !call.idempotent) || until > deadline) break;
    asio::steady_timer timer(self->loop.context(), until);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
  }
  if (self->reporter && called)
    self->reporter({call.operation, answer ? std::string_view() : answer.error().error, correlation,
                    status, answer.has_value(), Clock::now() - begun});
  co_return answer;
}

net::Task<CallResult> Connector::Shared::message(std::shared_ptr<Shared> self, Call call,
                                                 std::string activity) {
  auto body = addressed(activity, self->options.bot, call.to.conversation);
  if (!body)
    co_return std::unexpected(not_begun(Trouble::kContent, "the activity is no JSON object"));
  call.body = *std::move(body);
  const bool makes = call.makes;
  const auto answer = co_await Shared::call(self, std::move(call));
  if (!answer) co_return std::unexpected(answer.error());
  Done done = parse_done(*answer);
  if (makes && done.id.empty()) {
    // It may be a proxy that says so.
    Failure failure = not_begun(Trouble::kRetryLater, "Teams does not say which message it made");
    failure.not_done = false;
    co_return std::unexpected(std::move(failure));
  }
  co_return done;
}

net::Task<CallResult> Connector::Shared::create(std::shared_ptr<Shared> self,
                                                std::string service_url, std::string tenant,
                                                std::optional<std::string> body) {
  if (!body)
    co_return std::unexpected(not_begun(Trouble::kContent, "the activity is no JSON object"));
  Call call{.operation = "create", .path = "conversations", .sends = true, .patience = kUsual};
  call.to = {.service_url = std::move(service_url), .conversation = "new", .tenant = tenant};
  call.to.conversation += " in " + tenant;
  call.body = *std::move(body);
  const auto answer = co_await Shared::call(self, std::move(call));
  if (!answer) co_return std::unexpected(answer.error());
  co_return parse_created(*answer);
}

// ---------------------------------------------------------------- the public ends

Connector::Connector(net::Loop& loop, ServiceToken* token, ConnectorOptions options,
                     Reporter reporter)
    : shared_(std::make_shared<Shared>(loop, token, std::move(options), std::move(reporter))) {}

Connector::Connector(const sdk::Host& host, net::Loop& loop, ServiceToken* token,
                     ConnectorOptions options)
    : Connector(loop, token, std::move(options),
                [log = sdk::Log(host), metrics = sdk::Metrics(host)](const CallReport& call) {
                  const std::string operation = sdk::json_string(call.operation);
                  const std::string outcome = call.ok              ? "ok"
                                              : call.error.empty() ? std::to_string(call.status)
                                                                   : std::string(call.error);
                  metrics.count("teams_calls_total", 1,
                                R"({"operation":)" + operation + R"(,"outcome":)" +
                                    sdk::json_string(outcome) + "}");
                  metrics.observe("teams_call_seconds", call.took,
                                  R"({"operation":)" + operation + "}");
                  if (!call.ok)
                    log.info("call of Teams failed operation=" + std::string(call.operation) +
                             " status=" + std::to_string(call.status) +
                             field(" error=", call.error) + field(" ms_cv=", call.correlation));
                }) {}

Connector::~Connector() = default;

net::Task<CallResult> Connector::send(Destination to, std::string activity, Patience patience) {
  std::string path = conversation_path(to, "/activities");
  return Shared::message(shared_,
                         {.operation = "send",
                          .to = std::move(to),
                          .path = std::move(path),
                          .sends = true,
                          .makes = true,
                          .patience = patience},
                         std::move(activity));
}

net::Task<CallResult> Connector::reply(Destination to, std::string of, std::string activity,
                                       Patience patience) {
  std::string path = message_path(to, of);
  return Shared::message(shared_,
                         {.operation = "reply",
                          .to = std::move(to),
                          .path = std::move(path),
                          .sends = true,
                          .makes = true,
                          .patience = patience},
                         std::move(activity));
}

net::Task<CallResult> Connector::update(Destination to, std::string id, std::string activity,
                                        Patience patience) {
  std::string path = message_path(to, id);
  return Shared::message(shared_,
                         {.operation = "update",
                          .method = "PUT",
                          .to = std::move(to),
                          .path = std::move(path),
                          .idempotent = true,
                          .patience = patience},
                         std::move(activity));
}

net::Task<CallResult> Connector::stream(Destination to, std::string activity, Patience patience) {
  std::string path = conversation_path(to, "/activities");
  return Shared::message(shared_,
                         {.operation = "stream",
                          .to = std::move(to),
                          .path = std::move(path),
                          .kind = CallKind::kStream,
                          .sends = true,
                          .patience = patience},
                         std::move(activity));
}

net::Task<CallResult> Connector::typing(Destination to) {
  std::string path = conversation_path(to, "/activities");
  return Shared::message(
      shared_, {.operation = "typing", .to = std::move(to), .path = std::move(path), .sends = true},
      R"({"type":"typing"})");
}

namespace {

// What has no body, and nothing to tell.
net::Task<CallResult> bare(net::Task<std::expected<std::string, Failure>> call) {
  const auto answer = co_await std::move(call);
  // Not there any more: as it was to be.
  if (!answer && answer.error().trouble != Trouble::kMissing)
    co_return std::unexpected(answer.error());
  co_return Done{};
}

}  // namespace

net::Task<CallResult> Connector::remove(Destination to, std::string id, Patience patience) {
  std::string path = message_path(to, id);
  return bare(Shared::call(shared_, {.operation = "delete",
                                     .method = "DELETE",
                                     .to = std::move(to),
                                     .path = std::move(path),
                                     .idempotent = true,
                                     .patience = patience}));
}

net::Task<CallResult> Connector::react(Destination to, std::string id, std::string type) {
  std::string path = message_path(to, id, "/reactions/") + percent_encoded(type);
  return bare(Shared::call(shared_, {.operation = "react",
                                     .method = "PUT",
                                     .to = std::move(to),
                                     .path = std::move(path),
                                     .kind = CallKind::kReaction,
                                     .idempotent = true,
                                     .patience = kUsual}));
}

net::Task<CallResult> Connector::unreact(Destination to, std::string id, std::string type) {
  std::string path = message_path(to, id, "/reactions/") + percent_encoded(type);
  return bare(Shared::call(shared_, {.operation = "unreact",
                                     .method = "DELETE",
                                     .to = std::move(to),
                                     .path = std::move(path),
                                     .kind = CallKind::kReaction,
                                     .idempotent = true,
                                     .patience = kUsual}));
}

net::Task<CallResult> Connector::create_chat(std::string service_url, std::string tenant,
                                             std::string person, std::string activity) {
  auto body = chat_body(tenant, shared_->options.bot, person, activity);
  return Shared::create(shared_, std::move(service_url), std::move(tenant), std::move(body));
}

net::Task<CallResult> Connector::create_thread(std::string service_url, std::string tenant,
                                               std::string channel, std::string activity) {
  auto body = thread_body(tenant, shared_->options.bot, channel, activity);
  return Shared::create(shared_, std::move(service_url), std::move(tenant), std::move(body));
}

net::Task<std::expected<std::vector<Member>, Failure>> Connector::members(Destination of) {
  using Result = std::expected<std::vector<Member>, Failure>;
  return [](std::shared_ptr<Shared> self, Destination place) -> net::Task<Result> {
    std::vector<Member> all;
    std::string continuation;
    for (int page = 0; page < kMostPages; ++page) {
      Call call{.operation = "members", .method = "GET", .to = place};
      call.kind = CallKind::kRead;
      call.idempotent = true;
      call.patience = kUsual;
      call.path = conversation_path(place, "/pagedmembers?pageSize=") + std::string(kPageSize);
      if (!continuation.empty()) call.path += "&continuationToken=" + percent_encoded(continuation);
      const auto answer = co_await Shared::call(self, std::move(call));
      if (!answer) co_return std::unexpected(answer.error());
      MemberPage got = parse_members(*answer);
      std::ranges::move(got.members, std::back_inserter(all));
      if (got.continuation.empty()) break;
      continuation = std::move(got.continuation);
    }
    co_return all;
  }(shared_, std::move(of));
}

net::Task<std::expected<Member, Failure>> Connector::member(Destination of, std::string id) {
  using Result = std::expected<Member, Failure>;
  return
      [](std::shared_ptr<Shared> self, Destination place, std::string whom) -> net::Task<Result> {
        Call call{.operation = "member", .method = "GET", .to = place};
        call.kind = CallKind::kRead;
        call.idempotent = true;
        call.patience = call.limit = self->options.lookup_limit;
        call.path = conversation_path(place, "/members/") + percent_encoded(whom);
        const auto answer = co_await Shared::call(self, std::move(call));
        if (!answer) co_return std::unexpected(answer.error());
        co_return parse_member(*answer);
      }(shared_, std::move(of), std::move(id));
}

}  // namespace viaduct::teams
