// A minimal backend: repeats what it is told, word by word.
#include <algorithm>
#include <string_view>
#include <utility>
#include <viaduct/sdk/backend.hpp>

namespace {

using namespace viaduct::sdk;

class EchoBackend final : public Backend {
 public:
  // `config_json` fits the schema below; read it with the JSON library of your choice. Throwing
  // refuses it, with a message for the operator.
  EchoBackend(Host host, std::string_view config_json) : log_(host) { (void)config_json; }

  // What it can. Whatever it claims here it overrides below.
  Abilities abilities() const override {
    Abilities abilities;
    abilities.can = VIADUCT_CAN_STREAM | VIADUCT_CAN_CANCEL;
    abilities.agent_type = "echo";
    return abilities;
  }

  void start(Reply reply) override {
    log_.info("echo is ready");
    reply.ok();
  }

  // One message of a person. `prompt` is valid in here only; `turn` may be kept, moved to another
  // thread, and ended later.
  void prompt(const Prompt& prompt, Turn turn) override {
    std::string_view rest = prompt.text;
    while (!rest.empty()) {
      const std::size_t word = std::min(rest.find(' '), rest.size() - 1) + 1;
      turn.text(rest.substr(0, word));
      rest.remove_prefix(word);
    }
    turn.end();
  }

  // A turn ends within prompt: there is never one to cancel.
  void cancel(std::uint64_t session, std::uint64_t turn, Reply reply) override {
    (void)session, (void)turn;
    reply.ok();
  }

 private:
  Log log_;
};

}  // namespace

VIADUCT_EXPORT_BACKEND(EchoBackend,
                       Descriptor{
                           .id = "com.example.echo",
                           .version = "1.0.0",
                           .summary = "Repeats what it is told",
                           .config_schema = R"({"type":"object","additionalProperties":false})",
                           .config_example = "{}",
                       })
