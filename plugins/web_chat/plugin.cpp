// The web chat as a plugin: wires its parts to the SDK.
#include "http_api.hpp"
#include "live.hpp"
#include "page_files.hpp"
#include "people.hpp"

#include <viaduct/sdk/surface.hpp>

#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace viaduct::web_chat {
namespace {

constexpr const char* kVersion = "0.1.0";
constexpr const char* kSchema = R"({
  "type": "object",
  "x-needs-backend": true,
  "properties": {
    "title": {"type": "string", "minLength": 1, "maxLength": 100,
              "description": "What the page calls itself"}
  },
  "additionalProperties": false
})";

constexpr std::string_view kNoPage =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Viaduct web chat</title>"
    "<p>The web chat runs, but it was built without its page (<code>VIADUCT_WEB=OFF</code>). "
    "Its HTTP API and WebSocket work.</p></html>";

// A number that no other life of the instance had, for idempotency keys.
std::string random_seed() {
  std::random_device device;
  std::string seed = "http-";
  for (int i = 0; i < 4; ++i) seed += std::to_string(device()) + "-";
  return seed;
}

class PageSocket final : public Socket {
 public:
  explicit PageSocket(sdk::WebSocket socket) : socket_(std::move(socket)) {}
  Flow send(const std::string& text) override { return socket_.send(text); }
  void close(std::uint16_t code, const std::string& reason) override {
    constexpr std::size_t kLongest = 120;  // a close frame holds 123 bytes
    socket_.close(code, std::string_view(reason).substr(0, kLongest));
  }

 private:
  sdk::WebSocket socket_;
};

// The host may call a concurrent plugin on several threads: everything here is under one lock, held
// while the host is called, which never calls back inside of that.
class WebChat final : public sdk::Surface, private Host {
 public:
  WebChat(sdk::Host host, std::string_view config)
      : instance_(host.name()),
        log_(host),
        http_(host),
        sessions_(host),
        documents_(host),
        memory_(host),
        status_(host),
        people_(*this),
        live_(*this, people_, Live::About{instance_, title(config), kVersion}),
        api_(*this, people_, random_seed()) {}

  void start(sdk::Reply reply) override {
    for (const HttpApi::Route& route : HttpApi::routes()) {
      http_.route(
          route.method, route.path,
          [this, handler = route.handler](const sdk::Request& request, sdk::Exchange exchange) {
            serve(handler, request, std::move(exchange));
          });
    }
    http_.websocket("/api/ws", [this](const sdk::Request& request, sdk::Exchange exchange) {
      open_socket(request, std::move(exchange));
    });
    http_.files(files());
    reply.ok();
  }

  void stop(sdk::Reply reply) override {
    {
      const std::lock_guard lock(mutex_);
      live_.close_all(1012, "the surface restarts");
    }
    reply.ok();
  }

  void reload(std::string_view config, sdk::Reply reply) override {
    std::string fresh = title(config);
    const std::lock_guard lock(mutex_);
    live_.set_title(std::move(fresh));
    reply.ok();
  }

 private:
  // What the host says of a WebSocket, handed on.
  class Page final : public sdk::Connection {
   public:
    Page(WebChat& chat, std::uint64_t id) : chat_(chat), id_(id) {}
    void message(std::string_view text) override {
      const std::lock_guard lock(chat_.mutex_);
      chat_.live_.message(id_, text);
    }
    void writable() override {
      const std::lock_guard lock(chat_.mutex_);
      chat_.live_.writable(id_);
    }
    void closed(std::uint16_t, std::string_view) override {
      const std::lock_guard lock(chat_.mutex_);
      chat_.live_.closed(id_);
    }

   private:
    WebChat& chat_;
    const std::uint64_t id_;
  };

  class Watcher final : public sdk::Subscriber {
   public:
    Watcher(WebChat& chat, std::uint64_t id) : chat_(chat), id_(id) {}
    Flow change(const sdk::Change& change) override {
      const std::lock_guard lock(chat_.mutex_);
      return chat_.live_.change(id_, Change{change.kind == sdk::ChangeKind::kEntry,
                                            change.kind == sdk::ChangeKind::kLive,
                                            {change.cursor.epoch, change.cursor.seq},
                                            change.json});
    }
    void unsubscribed(const Status& why) override {
      const std::lock_guard lock(chat_.mutex_);
      chat_.subscriptions_.erase(id_);
      chat_.live_.unsubscribed(id_, why);
    }

   private:
    WebChat& chat_;
    const std::uint64_t id_;
  };

  static std::string title(std::string_view config) {
    const auto settings = parse_settings(config);
    if (!settings) throw sdk::Error(Code::kInvalidArgument, settings.error().message);
    return settings->title;
  }

  static std::vector<sdk::File> files() {
    std::vector<sdk::File> files;
    for (const PageFile& file : page_files())
      files.push_back({file.path, file.content_type, file.data, file.gzip, file.immutable});
    if (files.empty()) files.push_back({"/", "text/html; charset=utf-8", kNoPage});
    return files;
  }

  void serve(HttpApi::Handler handler, const sdk::Request& request, sdk::Exchange exchange) {
    const auto who = request.who();
    if (!who) {
      exchange.respond(sdk::Response::json(401, error_body("nobody said who is asking")));
      return;
    }
    const HttpRequest given{*who, request.query(), request.body(),
                            request.header("idempotency-key").value_or(std::string_view{}),
                            exchange.request_id()};
    const std::lock_guard lock(mutex_);
    (api_.*handler)(given, [exchange = std::move(exchange)](HttpAnswer answer) mutable {
      sdk::Response response = sdk::Response::json(answer.status, std::move(answer.body));
      response.headers.emplace_back("Cache-Control", "no-store");
      if (answer.retry_after) response.headers.emplace_back("Retry-After", "1");
      exchange.respond(response);
    });
  }

  void open_socket(const sdk::Request& request, sdk::Exchange exchange) {
    auto who = request.who();
    if (!who) {
      exchange.respond(sdk::Response::json(401, error_body("nobody said who is asking")));
      return;
    }
    const std::lock_guard lock(mutex_);
    const std::uint64_t id = exchange.id();
    auto socket = exchange.accept(std::make_shared<Page>(*this, id));
    live_.opened(id, std::make_unique<PageSocket>(std::move(socket)), std::move(*who));
  }

  Callback locked(Callback done) {
    return [this, done = std::move(done)](Answer answer) mutable {
      const std::lock_guard lock(mutex_);
      if (done) done(std::move(answer));
    };
  }
  static sdk::Message borrow(const Message& message) {
    return {message.key, message.text, message.blocks, {}};
  }

  // Host: what the parts ask for. The lock is held.
  void create(const Principal& who, const std::string& options, Callback done) override {
    sessions_.create(who, options, locked(std::move(done)));
  }
  void send(const Principal& who, const std::string& session, const Message& message,
            Callback done) override {
    sessions_.send(who, session, borrow(message), locked(std::move(done)));
  }
  void ask(const Principal& who, const std::string& session, const Message& message,
           Callback done) override {
    sessions_.ask(who, session, borrow(message), locked(std::move(done)));
  }
  void cancel(const Principal& who, const std::string& session, std::uint64_t turn,
              Callback done) override {
    sessions_.cancel(who, session, turn, locked(std::move(done)));
  }
  void answer(const Principal& who, const std::string& session, std::uint64_t entry,
              const std::string& option, Callback done) override {
    sessions_.answer(who, session, entry, option, locked(std::move(done)));
  }
  void resume(const Principal& who, const std::string& session, Callback done) override {
    sessions_.resume(who, session, locked(std::move(done)));
  }
  void end(const Principal& who, const std::string& session, Callback done) override {
    sessions_.end(who, session, locked(std::move(done)));
  }
  void list(const Principal& who, const std::string& query, Callback done) override {
    sessions_.list(who, query, locked(std::move(done)));
  }
  void get(const Principal& who, const std::string& session, Callback done) override {
    sessions_.get(who, session, locked(std::move(done)));
  }
  void history(const Principal& who, const std::string& session, std::uint64_t before,
               std::uint32_t limit, Callback done) override {
    sessions_.history(who, session, before, limit, locked(std::move(done)));
  }
  void rename(const Principal& who, const std::string& session, const std::string& text,
              Callback done) override {
    sessions_.rename(who, session, text, locked(std::move(done)));
  }
  void subscribe(const Principal& who, const std::string& session, std::uint64_t subscription,
                 Cursor cursor, Callback done) override {
    subscriptions_[subscription] = sessions_.subscribe(
        who, session, {cursor.epoch, cursor.seq}, std::make_shared<Watcher>(*this, subscription),
        locked(std::move(done)));
  }
  void unsubscribe(std::uint64_t subscription) override { subscriptions_.erase(subscription); }
  void proceed(std::uint64_t subscription) override {
    const auto at = subscriptions_.find(subscription);
    if (at != subscriptions_.end()) at->second.proceed();
  }
  void load(const std::string& key, Callback done) override {
    documents_.get(key, locked(std::move(done)));
  }
  void store(const std::string& key, const std::string& value, std::uint64_t version,
             Callback done) override {
    documents_.put(key, value, version, locked(std::move(done)));
  }
  void memory_message(const Principal& who, const std::string& text, Callback done) override {
    memory_.message(who, text, locked(std::move(done)));
  }
  void remember(const Principal& who, const std::string& text, Callback done) override {
    memory_.remember(who, text, locked(std::move(done)));
  }
  void recall(const Principal& who, const std::string& query, Callback done) override {
    memory_.recall(who, query, locked(std::move(done)));
  }
  void work_status(const Principal& who, Callback done) override {
    memory_.work_status(who, locked(std::move(done)));
  }
  void work_log(const Principal& who, const std::string& items, Callback done) override {
    memory_.work_log(who, items, locked(std::move(done)));
  }
  void overview(Callback done) override { status_.get(locked(std::move(done))); }
  void warn(const std::string& message) override { log_.warn(message); }

  const std::string instance_;
  std::mutex mutex_;
  const sdk::Log log_;
  const sdk::Http http_;
  const sdk::Sessions sessions_;
  const sdk::Documents documents_;
  const sdk::Memory memory_;
  const sdk::Overview status_;
  std::unordered_map<std::uint64_t, sdk::Subscription> subscriptions_;
  People people_;
  Live live_;
  HttpApi api_;
};

}  // namespace
}  // namespace viaduct::web_chat

VIADUCT_EXPORT_SURFACE(viaduct::web_chat::WebChat,
                       viaduct::sdk::Descriptor{
                           "org.viaduct.web-chat", viaduct::web_chat::kVersion,
                           "A web page to chat on, with an HTTP API and a WebSocket",
                           viaduct::web_chat::kSchema, R"({"title": "Viaduct"})", true})
