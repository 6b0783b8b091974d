// The backend `bridge`: hands the calls of the host to its driver, on the thread that is also the
// driver's event loop.
#include "plugins/bridge/cli_driver.hpp"
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

std::unique_ptr<Driver> make_driver(const sdk::Host& host, net::Loop& loop, const Config& config,
                                    Transcripts& transcripts) {
  if (config.cli) return make_cli_driver(host, loop, config, transcripts);
  return make_llm_driver(host, loop, config, transcripts);
}

class Bridge final : public sdk::Backend, public sdk::Tool {
 public:
  Bridge(sdk::Host host, std::string_view config_json)
      : host_(std::move(host)),
        config_(parse(config_json)),
        transcripts_(host_, loop_, config_.home, config_.transcripts),
        driver_(make_driver(host_, loop_, config_, transcripts_)) {}

  sdk::EventLoop* loop() override { return &loop_; }
  sdk::Abilities abilities() const override {
    sdk::Abilities abilities = driver_->abilities();
    abilities.can |= VIADUCT_CAN_DISCOVER;
    return abilities;
  }

  void stop(sdk::Reply reply) override {
    transcripts_.stopping();
    driver_->stop(std::move(reply));
  }
  void open(const sdk::Open& open, sdk::Reply reply) override {
    driver_->open(open, std::move(reply));
  }
  void restore(const sdk::Open& open, sdk::Reply reply) override {
    driver_->restore(open, std::move(reply));
  }
  void inject(const sdk::Open& open, sdk::Reply reply) override {
    driver_->inject(open, std::move(reply));
  }
  void resumed(const sdk::Open& open, sdk::Reply reply) override {
    driver_->resumed(open, std::move(reply));
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
  void discover(std::string_view working_dir, sdk::Reply reply) override {
    transcripts_.discover(working_dir, std::move(reply));
  }
  void read(std::string_view native_id, sdk::Reply reply) override {
    transcripts_.read(native_id, std::move(reply));
  }
  void purge(const sdk::Open& open, sdk::Reply reply) override {
    transcripts_.purge(open, std::move(reply));
  }

  // The first thing that is not as it should be.
  void health(sdk::Reply reply) override {
    driver_->health(
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
  const Config config_;
  Transcripts transcripts_;
  std::unique_ptr<Driver> driver_;
};

}  // namespace
}  // namespace viaduct::bridge

VIADUCT_EXPORT_BACKEND(viaduct::bridge::Bridge,
                       viaduct::sdk::Descriptor{
                           .id = "org.viaduct.bridge",
                           .version = "0.1.0",
                           .summary = "Answers by a model server (OpenAI's and Anthropic's APIs, "
                                      "and all that speak them), or "
                                      "by an agent program on this machine",
                           .config_schema = viaduct::bridge::kSchema,
                           .config_example = viaduct::bridge::kExample,
                       })
