// The surface `slack`: what people say on Slack goes into sessions, and what sessions say goes to
// Slack.
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/missing.hpp>
#include <viaduct/chat/value.hpp>
#include "plugins/slack/config.hpp"
#include "plugins/slack/doctor.hpp"
#include "plugins/slack/history.hpp"
#include "plugins/slack/http_transport.hpp"
#include "plugins/slack/manifest.hpp"
#include "plugins/slack/network.hpp"
#include "plugins/slack/oauth.hpp"
#include "plugins/slack/simulator/simulator.hpp"
#include "plugins/slack/socket_mode.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <viaduct/sdk/http.hpp>
#include <viaduct/sdk/surface.hpp>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstPause = 1s;
constexpr auto kLongestPause = 60s;
constexpr auto kBetweenNotes = 60s;                 // that it is alive
constexpr std::chrono::seconds kBetweenLooks = 1s;  // whether it has all again
constexpr auto kLongestGap = 24h;                   // that is looked for in the history
constexpr std::string_view kAlive = "alive";

Config parse(std::string_view config_json) {
  auto config = parse_config(config_json);
  if (!config) throw sdk::Error(sdk::Code::kInvalidArgument, config.error());
  return *std::move(config);
}

// Only what asks for it has a simulator instead of Slack.
std::unique_ptr<simulator::Simulator> simulator_of(const sdk::Host& host, const Config& config) {
  if (!config.simulator) return nullptr;
  return std::make_unique<simulator::Simulator>(host, config.command);
}

class Slack final : public sdk::Surface, public sdk::Sender, public sdk::Tool {
 public:
  Slack(sdk::Host host, std::string_view config_json)
      : host_(std::move(host)),
        log_(host_),
        secrets_(host_),
        delivery_(host_),
        documents_(host_),
        page_(host_),
        config_(parse(config_json)),
        simulator_(simulator_of(host_, config_)),
        token_(simulator_ ? std::string(simulator::kToken) : config_.bot_token),
        api_(host_, loop_, simulator_ ? std::string(simulator::kBase) : config_.api_base_url,
             simulator_ ? simulator_->stand_in() : nullptr),
        bindings_(host_),
        outbox_(host_, loop_, api_, installations_),
        network_(host_, loop_, api_, installations_, outbox_),
        world_{log_, sdk::Sessions(host_), loop_, bindings_, network_, config_.command},
        conversations_(world_),
        directory_(api_, installations_),
        commands_(
            host_, world_, conversations_,
            {config_.default_working_dir, config_.working_dirs, config_.max_sessions_per_user}),
        inbound_(world_, conversations_, commands_, network_, api_, installations_, directory_,
                 config_),
        inbox_(host_, loop_,
               {parse_kept, [this](const Request& request) { return inbound_.lane(request); },
                [this](Request request, std::chrono::milliseconds age) {
                  return inbound_.handle(std::move(request), age);
                },
                "slack_duplicates_total"}),
        history_(world_, api_, installations_, inbound_, inbox_) {
    if (simulator_) {
      simulator_->stand_in()->connect([this](const Envelope& envelope, SocketModeOptions::Ack ack) {
        take(envelope, std::move(ack));
      });
    } else if (config_.mode == Mode::kHttp) {
      auto signatures = Signatures::make(config_.signing_secrets);
      if (!signatures) throw sdk::Error(sdk::Code::kInvalidArgument, signatures.error());
      http_.emplace(host_, *std::move(signatures), inbound_, inbox_);
    } else {
      socket_.emplace(loop_, api_, config_.app_token, socket_options());
    }
    if (!config_.client_id.empty()) oauth_.emplace(host_, loop_, api_, installations_, config_);
    outbox_.on_refused([this](const Shipment& shipment, const ApiFailure& why) {
      loop_.spawn(network_.hint(shipment, why, bindings_));
    });
    inbound_.on_uninstalled([this](const std::string& team) { loop_.spawn(check_gone(team)); });
    inbound_.on_busy([this](const std::string& lane) { return inbox_.is_busy(lane); });
  }

  sdk::EventLoop* loop() override { return &loop_; }

  void start(sdk::Reply reply) override {
    if (!simulator_)
      page_.route("GET", "/", [](const sdk::Request&, sdk::Exchange exchange) {
        exchange.respond(sdk::Response::text(
            200, "Slack's requests come to this address. There is nothing to see in a browser.\n"));
      });
    for (const std::string& secret : config_.secrets()) secrets_.redact(secret);
    if (http_) http_->begin();
    if (simulator_) simulator_->begin();
    has_started_ = true;
    if (oauth_)
      if (const auto trouble = oauth_->begin())
        return reply.fail(sdk::Code::kFailedPrecondition, *trouble);
    loop_.spawn(begin(std::move(reply)));
  }

  void stop(sdk::Reply reply) override {
    stopping_ = true;
    conversations_.close();
    if (simulator_) simulator_->close();
    loop_.spawn(end(std::move(reply)));
  }

  void health(sdk::Reply reply) override {
    if (!trouble_.empty()) return reply.fail(sdk::Code::kUnavailable, trouble_);
    if (socket_ && !socket_->is_connected())
      return reply.fail(sdk::Code::kUnavailable, socket_->words());
    for (const auto& [team, one] : installations_.all())
      if (!one.broken.empty())
        return reply.fail(sdk::Code::kFailedPrecondition,
                          "workspace " + one.team_name + ": " + one.broken);
    reply.ok();
  }

  // ---- sdk::Sender
  void send(const sdk::Parcel& parcel, sdk::Sending sending) override {
    outbox_.send(parcel, std::move(sending));
  }
  void reconcile(const sdk::Parcel& parcel, sdk::Sending sending) override {
    outbox_.reconcile(parcel, std::move(sending));
  }
  void undelivered(const sdk::Parcel& parcel, std::string_view state,
                   const sdk::Status& why) override {
    log_.error("a message to Slack is possibly missing, see `viaduct deliveries list` key=" +
               std::string(parcel.key) + " state=" + std::string(state) + " reason=" + why.message);
    outbox_.given_up(parcel.key, why.message);
    if (!parcel.edit && state == "ambiguous")
      chat::note_missing(conversations_, loop_, std::string(parcel.key));
  }

  // ---- sdk::Tool
  void run(std::string_view arguments_json, sdk::Reply reply) override {
    const auto arguments = chat::Value::parsed(arguments_json).items();
    const bool as_json = arguments.size() == 2 && arguments[1].text() == "--json";  // so it is
    if ((arguments.size() == 1 || as_json) && arguments[0].text() == "manifest") {
      const auto text = manifest(config_, host_.name());
      return reply.ok(R"({"exit_code":)" + std::string(text ? "0" : "1") + R"(,"output":)" +
                      sdk::json_string((text ? *text : text.error()) + "\n") + "}");
    }
    reply.ok(R"({"exit_code":2,"output":)" +
             sdk::json_string("Usage: viaduct " + host_.name() +
                              " manifest   prints the manifest to make the app from\n") +
             "}");
  }
  void doctor(sdk::Reply reply) override { loop_.spawn(look(std::move(reply))); }

 private:
  // Who the bot is; the error that is worth another try has kRetryLater.
  net::Task<std::expected<Installation, ApiFailure>> who_am_i(std::string token) {
    const ApiResult answer = co_await api_.call("auth.test", "{}", token);
    if (!answer) co_return std::unexpected(answer.error());
    const chat::Value me = chat::Value::parsed(*answer);
    Installation one;
    one.team = me.text("team_id");
    one.enterprise = me.text("enterprise_id");
    one.team_name = me.text("team");
    one.url = me.text("url");
    one.token = std::move(token);
    one.bot_user = me.text("user_id");
    one.bot_id = me.text("bot_id");
    one.app_id = me.text("app_id");
    co_return one;
  }

  // It may be of an installation before the present one, or of a person's token.
  net::Task<> check_gone(std::string team) {
    const Installation* one = installations_.find(team);
    if (one == nullptr) co_return;
    const std::string token = one->token;
    const auto me = co_await who_am_i(token);
    const Installation* now = installations_.find(team);
    if (now == nullptr || now->token != token) co_return;
    if (me || me.error().trouble != ApiTrouble::kCredentials) {
      log_.info("said to be uninstalled, and is not team=" + team);
      co_return;
    }
    log_.warn("the app was uninstalled team=" + team + " reason=" + me.error().message);
    if (token == token_) {  // somebody has to mend it, and is told
      installations_.set_broken(team, me.error().message);
      if (!std::exchange(is_trying_, true)) co_await try_again(team);
      co_return;
    }
    installations_.remove(team);
    directory_.forget(team);
    if (oauth_) co_await oauth_->forget(team);
  }

  net::Task<> begin(sdk::Reply reply) {
    const sdk::Answer claimed = co_await chat::answered([this](sdk::Callback done) {
      delivery_.claim("slack:" + (simulator_ ? "simulator " + host_.name() : token_),
                      std::move(done));
    });
    if (!claimed.ok()) {
      reply.fail(claimed.status());
      co_return;
    }
    if (const auto loaded = co_await bindings_.load(); !loaded) {
      reply.fail(loaded.error());
      co_return;
    }
    loop_.spawn(outbox_.tidy());
    if (oauth_) {
      if (const auto loaded = co_await oauth_->load(); !loaded) {
        reply.fail(loaded.error());
        co_return;
      }
      loop_.spawn(oauth_->keep_fresh());
    }
    if (!token_.empty()) {
      auto me = co_await who_am_i(token_);
      if (!me && me.error().trouble != ApiTrouble::kRetryLater) {
        reply.fail(sdk::Code::kFailedPrecondition, "bot_token: " + me.error().message);
        co_return;
      }
      if (me) {
        installations_.put(*std::move(me));
      } else {
        trouble_ = me.error().message;
        log_.warn("Slack cannot be reached, it is tried again reason=" + trouble_);
        reply.ok();
        co_await try_again("");
        if (stopping_) co_return;
      }
    }
    co_await inbox_.catch_up();
    if (stopping_) co_return;
    if (simulator_)
      for (const chat::Binding& one : bindings_.all_active())
        if (one.place.team == simulator::kTeam)
          simulator_->stand_in()->recall(one.place.channel, one.place.thread);
    conversations_.begin();
    if (http_) http_->open();
    if (simulator_) simulator_->open();
    if (socket_) socket_->start();
    if (!simulator_) co_await catch_up_since_last_time();  // its history begins with the host
    has_looked_back_ = true;
    loop_.spawn(keep_noting_alive());
    log_.info("ready workspaces=" + std::to_string(installations_.all().size()));
    if (reply) reply.ok();
  }

  net::Task<> end(sdk::Reply reply) {
    note_alive();
    if (socket_) co_await socket_->stop();
    reply.ok();
  }

  SocketModeOptions socket_options() {
    SocketModeOptions options;
    options.receive = [this](const Envelope& envelope, SocketModeOptions::Ack ack) {
      take(envelope, std::move(ack));
    };
    options.gap = [this](std::chrono::system_clock::time_point since) { history_.fill(since); };
    options.connected = [this] { note_alive(); };
    options.log = [this](SocketAction::Kind level, const std::string& line) {
      if (level == SocketAction::Kind::kError)
        log_.error(line);
      else if (level == SocketAction::Kind::kWarn)
        log_.warn(line);
      else
        log_.info(line);
    };
    return options;
  }

  // Acknowledged when it is on disk; what is not taken comes again.
  void take(const Envelope& envelope, SocketModeOptions::Ack ack) {
    auto request = parse_envelope(envelope.type, envelope.payload);
    if (!request) {
      log_.warn("event not understood type=" + envelope.type + " reason=" + request.error());
      return ack("");
    }
    if (inbound_.is_nothing(*request)) return ack("");
    std::string seen;
    if (const auto* command = std::get_if<SlashCommand>(&request->what);
        command != nullptr && envelope.takes_payload)
      seen = slash_seen_json(*command);
    const auto keys = inbound_.keys(*request);
    if (is_too_long(keys)) {
      log_.warn("event dropped, its ids are longer than any of Slack's type=" + envelope.type);
      return ack("");
    }
    inbox_.receive(
        *std::move(request), keys, kept_json(false, envelope.type, envelope.payload),
        [this, seen = std::move(seen), ack = std::move(ack)](const sdk::Status& status) {
          if (status.ok()) return ack(seen);
          log_.error("event not kept, Slack will send it again reason=" + status.message);
        });
  }

  // Slack sends an event again three times in six minutes; what came to nobody is in the history.
  net::Task<> catch_up_since_last_time() {
    const sdk::Answer answer = co_await chat::answered(
        [this](sdk::Callback done) { documents_.get(kAlive, std::move(done)); });
    if (!answer.ok()) co_return;
    const auto seconds =
        static_cast<std::time_t>(chat::Value::parsed(answer.result).at("value").number("at"));
    const auto last = std::chrono::system_clock::from_time_t(seconds) - kBetweenNotes;
    const auto longest = std::chrono::system_clock::now() - kLongestGap;
    history_.fill(std::max(last, longest));
  }

  // Not while there is a gap, or it is still being read: after a restart it is looked for again.
  bool note_alive() {
    const bool hears = !socket_ || socket_->is_connected();
    if (!has_looked_back_ || !hears || !history_.is_idle()) return false;
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    documents_.put(kAlive, R"({"at":)" + std::to_string(now) + "}", sdk::Documents::kAnyVersion,
                   {});
    return true;
  }

  net::Task<> keep_noting_alive() {
    while (!stopping_) {
      const bool has_all = note_alive();
      boost::asio::steady_timer timer(loop_.context(), has_all ? kBetweenNotes : kBetweenLooks);
      co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
  }

  // Until Slack takes the configured token; `team`: that it was of, if it was ever taken.
  net::Task<> try_again(std::string team) {
    is_trying_ = true;
    auto pause = std::chrono::milliseconds(kFirstPause);
    while (!stopping_) {
      boost::asio::steady_timer timer(loop_.context(), pause);
      co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      auto me = co_await who_am_i(token_);
      const Installation* now = installations_.find(team);
      const bool is_replaced = now != nullptr && now->token != token_;
      if (me && !is_replaced) {
        trouble_.clear();
        installations_.put(*std::move(me));
      }
      if (me || is_replaced) break;
      if (team.empty())
        trouble_ = me.error().message;
      else
        installations_.set_broken(team, me.error().message);
      pause = std::min(pause * 2, std::chrono::milliseconds(kLongestPause));
    }
    is_trying_ = false;
  }

  net::Task<> look(sdk::Reply reply) {
    std::vector<Check> checks;
    const auto add = [&checks](std::vector<Check> more) {
      for (Check& one : more) checks.push_back(std::move(one));
    };
    if (simulator_) {
      checks.push_back({"simulator", true,
                        "nothing is on Slack: /apps/" + host_.name() + "/simulator/ is the page"});
      co_return reply.ok(checks_json(checks));
    }
    if (!token_.empty()) add(co_await check_bot(api_, token_, ""));
    const auto installed = installations_.all();
    for (const auto& [team, one] : installed)
      if (one.token != token_) add(co_await check_bot(api_, one.token, one.team_name));
    checks.push_back(check_allowed(config_.allow));
    if (socket_) checks.push_back(co_await check_app_token(api_, config_.app_token));
    if (socket_ && has_started_)
      checks.push_back({"socket", socket_->is_connected(),
                        socket_->words() + (trouble_.empty() ? "" : ": " + trouble_)});
    if (http_ && has_started_)
      checks.push_back(co_await check_public_address(loop_, config_, host_.name()));
    if (http_ && !has_started_)
      checks.push_back(
          {"public address", true,
           "not looked at: " + config_.public_url + " answers only while the host runs", true});
    reply.ok(checks_json(checks));
  }

  net::Loop loop_;  // first: what runs on it goes before it
  sdk::Host host_;
  sdk::Log log_;
  sdk::Secrets secrets_;
  sdk::Delivery delivery_;
  sdk::Documents documents_;
  sdk::Http page_;
  const Config config_;
  Installations installations_;
  const std::unique_ptr<simulator::Simulator> simulator_;  // null: it is Slack
  const std::string token_;  // of the configured workspace; empty: only of those from OAuth
  WebApi api_;
  chat::Bindings bindings_;
  Outbox outbox_;
  SlackNetwork network_;
  chat::World world_;
  chat::Conversations conversations_;
  Directory directory_;
  chat::Commands commands_;
  Inbound inbound_;
  Inbox inbox_;
  History history_;
  std::optional<OAuth> oauth_;         // null: only the workspace of the configured token
  std::optional<HttpTransport> http_;  // one of the two
  std::optional<SocketMode> socket_;
  std::string trouble_;
  bool has_started_ = false;
  bool is_trying_ = false;        // the configured token, again and again
  bool has_looked_back_ = false;  // at what was said while the host was away
  bool stopping_ = false;
};

}  // namespace
}  // namespace viaduct::slack

VIADUCT_EXPORT_SURFACE(
    viaduct::slack::Slack,
    viaduct::sdk::Descriptor{
        .id = "org.viaduct.slack",
        .version = "0.1.0",
        .summary = "Slack: slash commands, mentions, threads and direct messages",
        .config_schema = viaduct::slack::kSchema,
        .config_example = viaduct::slack::kExample,
    })
