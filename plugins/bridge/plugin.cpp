// The backend `bridge`: hands the calls of the host to its driver, on the thread that is also the
// driver's event loop.
#include "plugins/bridge/config.hpp"
#include "plugins/bridge/driver.hpp"
#include "plugins/bridge/llm_driver.hpp"

#include <memory>
#include <string>
#include <utility>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/backend.hpp>

namespace viaduct::bridge {
namespace {

Config parse(std::string_view config_json) {
  auto config = parse_config(config_json);
  if (!config) throw sdk::Error(sdk::Code::kInvalidArgument, config.error());
  return *std::move(config);
}

class Bridge final : public sdk::Backend, public sdk::Tool {
 public:
  Bridge(sdk::Host host, std::string_view config_json)
      : host_(std::move(host)), driver_(make_llm_driver(host_, loop_, parse(config_json))) {}

  sdk::EventLoop* loop() override { return &loop_; }
  sdk::Abilities abilities() const override { return driver_->abilities(); }

  void stop(sdk::Reply reply) override { driver_->stop(std::move(reply)); }
  void open(const sdk::Open& open, sdk::Reply reply) override {
    driver_->open(open, std::move(reply));
  }
  void restore(const sdk::Open& open, sdk::Reply reply) override {
    driver_->restore(open, std::move(reply));
  }
  void inject(const sdk::Open& open, sdk::Reply reply) override {
    driver_->inject(open, std::move(reply));
  }
  void prompt(const sdk::Prompt& prompt, sdk::Turn turn) override {
    driver_->prompt(prompt, std::move(turn));
  }
  void cancel(std::uint64_t session, std::uint64_t turn, sdk::Reply reply) override {
    driver_->cancel(session, turn, std::move(reply));
  }
  void compact(std::uint64_t session, sdk::Reply reply) override {
    driver_->compact(session, std::move(reply));
  }
  void close(std::uint64_t session, bool ended, sdk::Reply reply) override {
    driver_->close(session, ended, std::move(reply));
  }
  void writable(std::uint64_t session) override { driver_->writable(session); }

  // The first thing that is not as it should be.
  void health(sdk::Reply reply) override {
    driver_->check(
        [kept = std::make_shared<sdk::Reply>(std::move(reply))](std::vector<Check> checks) {
          for (const Check& check : checks)
            if (!check.ok) return kept->fail(check.code, check.message);
          kept->ok();
        });
  }

  void doctor(sdk::Reply reply) override {
    driver_->check(
        [kept = std::make_shared<sdk::Reply>(std::move(reply))](std::vector<Check> checks) {
          std::string json;
          for (const Check& check : checks) {
            json += json.empty() ? "" : ",";
            json += R"({"name":)" + sdk::json_string(check.name) + R"(,"ok":)" +
                    (check.ok ? "true" : "false") + R"(,"message":)" +
                    sdk::json_string(check.message) + "}";
          }
          kept->ok(R"({"checks":[)" + json + "]}");
        });
  }

 private:
  net::Loop loop_;  // first: what runs on it goes before it
  sdk::Host host_;
  std::unique_ptr<Driver> driver_;
};

}  // namespace
}  // namespace viaduct::bridge

VIADUCT_EXPORT_BACKEND(
    viaduct::bridge::Bridge,
    viaduct::sdk::Descriptor{
        .id = "org.viaduct.bridge",
        .version = "0.1.0",
        .summary =
            "Answers by a model server: OpenAI's and Anthropic's APIs, and all that speak them",
        .config_schema = viaduct::bridge::kSchema,
        .config_example = viaduct::bridge::kExample,
    })
