// The surface `teams`: what people say in Microsoft Teams goes into sessions, and what sessions say
// goes to Teams.
#include "plugins/teams/doctor.hpp"
#include "plugins/teams/http_transport.hpp"
#include "plugins/teams/manifest.hpp"
#include "plugins/teams/socket_mode.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <viaduct/chat/base64.hpp>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/missing.hpp>
#include <viaduct/chat/value.hpp>
#include <viaduct/sdk/surface.hpp>

namespace viaduct::teams {
namespace {

Config parse(std::string_view config_json) {
  auto config = parse_config(config_json);
  if (!config) throw sdk::Error(sdk::Code::kInvalidArgument, config.error());
  return *std::move(config);
}

std::string expanded(const std::string& path) {
  const char* const home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

ServiceCredentials credentials_of(const Config& config) {
  return {config.app_id,
          config.app_password,
          expanded(config.certificate.cert),
          expanded(config.certificate.key),
          config.endpoints.token,
          config.endpoints.scope};
}

InboundConfig inbound_config_of(const Config& config) {
  InboundConfig inbound;
  inbound.app_id = config.app_id;
  inbound.issuer = config.endpoints.issuer;
  inbound.service_hosts = Hosts(config.endpoints.service_hosts);
  inbound.allowed_tenants = config.allowed_tenants;
  inbound.allow_entra_tokens = config.allow_entra_tokens;
  inbound.entra_login = config.endpoints.entra_login;
  inbound.entra_tenants = entra_tenants_of_microsoft();
  if (!config.tenant_id.empty()) inbound.entra_tenants.push_back(config.tenant_id);
  inbound.allow_anonymous_loopback = config.allow_anonymous_loopback;
  inbound.listener_is_loopback = true;  // the request says whether it is of this computer
  return inbound;
}

class Teams final : public sdk::Surface, public sdk::Sender, public sdk::Tool {
 public:
  Teams(sdk::Host host, std::string_view config_json)
      : host_(std::move(host)),
        log_(host_),
        secrets_(host_),
        delivery_(host_),
        config_(parse(config_json)),
        token_(loop_, credentials_of(config_), Hosts(config_.endpoints.service_hosts),
               [this](const TokenReport& report) {
                 if (!report.ok) log_.error("no token for the bot reason=" + report.message);
               }),
        keys_(loop_, config_.endpoints.openid_metadata, reporter("service")),
        entra_keys_(loop_, config_.endpoints.entra_metadata, reporter("entra")),
        auth_(inbound_config_of(config_), keys_,
              config_.allow_entra_tokens ? &entra_keys_ : nullptr),
        connector_(host_, loop_, has_credentials() ? &token_ : nullptr,
                   {"28:" + config_.app_id, Hosts(config_.endpoints.service_hosts)}),
        files_(loop_, has_credentials() ? &token_ : nullptr, Hosts(config_.endpoints.service_hosts),
               Hosts(file_hosts())),
        references_(host_),
        bindings_(host_),
        outbox_(host_, loop_, connector_, files_),
        network_(host_, loop_, config_, connector_, references_, outbox_),
        world_{log_, sdk::Sessions(host_), loop_, bindings_, network_, ""},
        conversations_(world_),
        commands_(
            host_, world_, conversations_,
            {config_.default_working_dir, config_.working_dirs, config_.max_sessions_per_user}),
        inbound_(host_, world_, conversations_, commands_, network_, references_, connector_,
                 files_, config_) {
    if (const std::string wrong = has_credentials() ? token_.complaint() : ""; !wrong.empty())
      throw sdk::Error(sdk::Code::kInvalidArgument, wrong);
    if (config_.transport == Transport::kHttp)
      http_.emplace(host_, loop_, auth_, inbound_);
    else
      socket_.emplace(loop_, token_, socket_options());
    outbox_.on_refused([this](const Shipment& shipment, const Failure& why) {
      if (why.trouble == Trouble::kTargetGone) loop_.spawn(gone(shipment.target));
      if (shipment.kind == Shipment::Kind::kFile)
        loop_.spawn(network_.offer_again(shipment, why));
      else if (why.trouble == Trouble::kTooLarge)
        loop_.spawn(network_.post_smaller(shipment));
      else if (why.trouble != Trouble::kTargetGone &&
               (shipment.kind == Shipment::Kind::kPost || shipment.kind == Shipment::Kind::kEnd))
        chat::note_missing(conversations_, loop_, shipment.key, true);
    });
    outbox_.on_cancelled([this](const std::string& key) { loop_.spawn(cancelled(key)); });
  }

  sdk::EventLoop* loop() override { return &loop_; }

  void start(sdk::Reply reply) override {
    for (const std::string& secret : config_.secrets()) secrets_.redact(secret);
    has_started_ = true;
    if (http_) http_->begin(config_.messages_alias);
    loop_.spawn(begin(std::move(reply)));
  }

  void stop(sdk::Reply reply) override {
    stopping_ = true;
    keys_.stop();
    entra_keys_.stop();
    inbound_.close();
    conversations_.close();
    loop_.spawn(end(std::move(reply)));
  }

  void health(sdk::Reply reply) override {
    if (socket_ && !socket_->is_connected())
      return reply.fail(sdk::Code::kUnavailable, socket_->words());
    if (http_ && has_credentials() && keys_.count() == 0)
      return reply.fail(sdk::Code::kUnavailable,
                        "the keys by which Teams proves who it is are not there: what it sends is "
                        "refused");
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
    log_.error("a message to Teams is possibly missing, see `viaduct deliveries list` key=" +
               std::string(parcel.key) + " state=" + std::string(state) + " reason=" + why.message);
    if (!parcel.edit && state == "ambiguous")
      chat::note_missing(conversations_, loop_, std::string(parcel.key));
  }

  // ---- sdk::Tool
  void run(std::string_view arguments_json, sdk::Reply reply) override {
    const auto arguments = chat::Value::parsed(arguments_json).items();
    const auto say = [&reply](int code, const std::string& text, const std::string& files = "") {
      reply.ok(R"({"exit_code":)" + std::to_string(code) + R"(,"output":)" +
               sdk::json_string(text + "\n") + files + "}");
    };
    if (arguments.size() == 3 && arguments[0].text() == "manifest" &&
        arguments[1].text() == "--out") {
      const std::string path = arguments[2].text();
      const auto package = app_package(config_);
      if (!package) return say(1, package.error());
      std::string words =
          path +
          " is the app. In Teams: Apps, Manage your apps, Upload an app; or upload it in the Teams "
          "admin center.";
      for (const std::string& advice : manifest_advice(config_)) words += "\nBut: " + advice;
      return say(0, words,
                 R"(,"files":[{"path":)" + sdk::json_string(path) + R"(,"base64":")" +
                     chat::base64(*package) + R"("}])");
    }
    if (arguments.size() == 1 && arguments[0].text() == "manifest") {
      return say(0, manifest_json(config_));
    }
    std::string given;
    for (const chat::Value& one : arguments) given += " " + one.text();
    const bool asks = given.empty() || given == " help" || given == " --help";
    say(2, (asks ? std::string() : "There is no command like:" + given + "\n") + "Usage: viaduct " +
               host_.name() +
               " manifest --out FILE.zip   writes the app package to be uploaded to Teams\n"
               "       viaduct " +
               host_.name() + " manifest                  prints the manifest in it");
  }
  void doctor(sdk::Reply reply) override { loop_.spawn(look(std::move(reply))); }

 private:
  // What others can cause as often as they like.
  void warn_seldom(const std::string& words) {
    if (const auto line = warned_.line(words, words)) log_.warn(*line);
  }

  // With the Playground on this computer there are none.
  bool has_credentials() const {
    return !config_.app_password.empty() || !config_.certificate.cert.empty();
  }

  Keys::Reporter reporter(std::string whose) {
    return [this, whose = std::move(whose)](const Keys::Report& report) {
      if (report.ok && report.message.empty()) return;
      const std::string line = "keys of the " + whose + " reason=" + report.message;
      report.ok ? log_.warn(line) : log_.error(line);
    };
  }

  net::Task<> begin(sdk::Reply reply) {
    const sdk::Answer claimed = co_await chat::answered([this](sdk::Callback done) {
      delivery_.claim("teams:" + config_.app_id, std::move(done));
    });
    if (!claimed.ok()) {
      reply.fail(claimed.status());
      co_return;
    }
    if (const auto loaded = co_await bindings_.load(); !loaded) {
      reply.fail(loaded.error());
      co_return;
    }
    if (const auto loaded = co_await references_.load(); !loaded) {
      reply.fail(loaded.error());
      co_return;
    }
    loop_.spawn(tidy());
    if (http_) keys_.start();
    if (http_ && config_.allow_entra_tokens) entra_keys_.start();
    if (has_credentials()) {
      // What only a person can mend is said now, not with the first answer.
      const TokenResult had = co_await token_.get();
      if (!had && had.error().trouble == TokenTrouble::kSetUp) {
        reply.fail(sdk::Code::kFailedPrecondition, had.error().message);
        co_return;
      }
    }
    if (stopping_) {
      reply.ok();
      co_return;
    }
    co_await inbound_.catch_up();
    conversations_.begin();
    if (http_) http_->open();
    if (socket_ && !stopping_) socket_->start();
    if (const chat::Check allowed = check_allowed(config_.allow); !allowed.ok)
      log_.warn(allowed.message);
    log_.info("ready transport=" + std::string(http_ ? "http" : "socket"));
    reply.ok();
  }

  net::Task<> end(sdk::Reply reply) {
    if (socket_) co_await socket_->stop();
    reply.ok();
  }

  SocketModeOptions socket_options() {
    SocketModeOptions options;
    options.connect = config_.endpoints.connect;
    options.app_id = config_.app_id;
    options.geos = config_.socket_geos;
    options.receive = [this](const SocketActivity& given, SocketModeOptions::Answer answer) {
      auto activity = parse_activity(given.activity);
      if (!activity) {
        warn_seldom("activity not understood reason=" + activity.error());
        return answer(400, "");
      }
      if (const auto verdict = auth_.check_socket(facts_of(*activity)); !verdict) {
        warn_seldom("activity refused reason=" + std::string(words_of(verdict.error())));
        return answer(status_of(verdict.error()), "");
      }
      inbound_.take(*std::move(activity), given.activity, std::move(answer));
    };
    options.log = [this](SocketAction::Kind level, const std::string& line) {
      if (level == SocketAction::Kind::kError)
        log_.error(line);
      else if (level == SocketAction::Kind::kWarn)
        warn_seldom(line);
      else
        log_.info(line);
    };
    return options;
  }

  // The bot was removed from the conversation, or it is no more: nothing is sent there.
  net::Task<> gone(std::string target) {
    for (const chat::Binding& one : bindings_.all_active()) {
      // Or what is there for one person, which waits behind nothing else.
      if (!(target + " ").starts_with(one.place.key() + " ")) continue;
      references_.set_gone(one.place);
      if (const auto conversation = conversations_.at(one.place)) co_await conversation->unbind();
    }
  }

  // A person has stopped the answer in Teams itself; the key is of a part of it: SESSION/TURN/….
  net::Task<> cancelled(std::string key) {
    const std::size_t slash = key.find('/');
    if (slash == std::string::npos) co_return;
    const std::uint64_t turn = std::strtoull(key.c_str() + slash + 1, nullptr, 10);
    if (const auto one = conversations_.of(key.substr(0, slash)); one && turn != 0) {
      sdk::Principal who{one->binding().user, "", one->binding().place.team, "", true};
      co_await one->cancel(std::move(who), turn);
    }
  }

  net::Task<> tidy() {
    while (!stopping_) {
      co_await network_.tidy();
      boost::asio::steady_timer pause(
          loop_.context(),
          std::min<std::chrono::milliseconds>(config_.keep_files, std::chrono::hours(1)));
      co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
  }

  net::Task<> look(sdk::Reply reply) {
    std::vector<chat::Check> checks;
    if (has_credentials()) {
      checks.push_back(co_await check_credentials(token_));
      for (chat::Check& one : co_await check_keys(keys_)) checks.push_back(std::move(one));
    } else {
      checks.push_back({"app id and secret", true,
                        "none: only what runs on this computer can talk to this bot"});
    }
    checks.push_back(check_allowed(config_.allow));
    if (socket_ && has_started_)
      checks.push_back({"socket", socket_->is_connected(), socket_->words()});
    // Whether it leads here can only be seen where somebody listens.
    if (http_ && !config_.allow_anonymous_loopback && (has_started_ || config_.public_url.empty()))
      checks.push_back(co_await check_public_address(loop_, config_, host_.name()));
    reply.ok(chat::checks_json(checks));
  }

  net::Loop loop_;  // first: what runs on it goes before it
  sdk::Host host_;
  sdk::Log log_;
  Seldom warned_;
  sdk::Secrets secrets_;
  sdk::Delivery delivery_;
  const Config config_;
  ServiceToken token_;
  Keys keys_;
  Keys entra_keys_;
  InboundAuth auth_;
  Connector connector_;
  Files files_;
  References references_;
  chat::Bindings bindings_;
  Outbox outbox_;
  TeamsNetwork network_;
  chat::World world_;
  chat::Conversations conversations_;
  chat::Commands commands_;
  Inbound inbound_;
  std::optional<HttpTransport> http_;  // one of the two
  std::optional<SocketMode> socket_;
  bool has_started_ = false;
  bool stopping_ = false;
};

}  // namespace
}  // namespace viaduct::teams

VIADUCT_EXPORT_SURFACE(
    viaduct::teams::Teams,
    viaduct::sdk::Descriptor{
        .id = "org.viaduct.teams",
        .version = "0.1.0",
        .summary = "Microsoft Teams: personal chats, group chats, channels and meetings",
        .config_schema = viaduct::teams::kSchema,
        .config_example = viaduct::teams::kExample,
    })
