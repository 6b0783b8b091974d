// Damaged files: whatever they are, load() answers, and says something about what it refuses.
#include "fixture.hpp"

#include <random>

namespace viaduct::config {
namespace {

constexpr std::string_view kGood = R"(server:
  listen: 127.0.0.1:8410
  webhooks: { listen: "0.0.0.0:8411" }
  allowed_hosts: [viaduct.example]
  limits: { header: 16KiB, connections: 100, ping: 30s }
plugins:
  path: [./plugins, ~/more]
store:
  driver: sqlite
  path: ${env:VIADUCT_HOME:-~/.viaduct}/viaduct.db
log: { level: info, format: text }
backends:
  echo: &echo
    plugin: mock
    config:
      record: "${env:HOME}/calls.jsonl"
      chunk_delay: 20ms
      api_key: ${file:secret}
      rules:
        - { match: "^die$", fail: session_dead }
        - match: 'slow'
          reply: |
            took $1
            $${x}
  again: *echo
surfaces:
  web-chat: { plugin: web_chat, backend: echo, backends: [again] }
  settings: { plugin: settings } # the end
)";

constexpr std::string_view kPieces[] = {"\n",        " ",
                                        "\t",        ":",
                                        ": ",        "- ",
                                        "#",         "\"",
                                        "'",         "[",
                                        "]",         "{",
                                        "}",         ",",
                                        "&a ",       "*a",
                                        "*echo",     "|",
                                        ">",         "!x ",
                                        "%",         "@",
                                        "`",         "? ",
                                        "---\n",     "...\n",
                                        "${",        "}",
                                        "${env:",    "${file:/dev/null}",
                                        "$${",       "~",
                                        "null",      "1e999",
                                        "-0",        "\xff",
                                        "\xC3",      "\xEF\xBB\xBF",
                                        "\r\n",      "<<: ",
                                        "  ",        "\\",
                                        "\x01",      "999999999999999999999",
                                        "\"\\x00\"", "\"\\uD800\"",
                                        "😀"};

class Mutation : public ConfigFixture, public testing::WithParamInterface<unsigned> {};

TEST_P(Mutation, NeverEscapesLoad) {
  write("secret", "hunter22-file\n");
  ASSERT_EQ(errors(kGood), "");
  std::mt19937 random(GetParam());
  const auto below = [&](std::size_t n) { return std::size_t{random()} % n; };
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string text(kGood);
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      const std::size_t at = below(text.size() + 1);
      switch (below(5)) {
        case 0: text.erase(at, 1 + below(20)); break;
        case 1: text.insert(at, kPieces[below(std::size(kPieces))]); break;
        case 2: text.insert(at, text.substr(below(text.size() + 1), below(60))); break;
        case 3: text.resize(at); break;
        default:
          if (at < text.size()) text[at] = static_cast<char>(below(256));
      }
    }
    Loaded loaded;
    ASSERT_NO_THROW(loaded = load(text)) << text;
    if (!loaded.diagnostics.empty()) ++refused;
    for (const Diagnostic& d : loaded.diagnostics) {
      ASSERT_FALSE(d.message.empty()) << text;
      ASSERT_EQ(d.message.find("hunter22"), std::string::npos) << text;
      ASSERT_EQ(d.message.find("cannot be loaded"), std::string::npos) << d.message << "\n" << text;
      ASSERT_EQ(d.message.find('\n'), std::string::npos) << d.message;
    }
  }
  EXPECT_GT(refused, 100);
}

INSTANTIATE_TEST_SUITE_P(Load, Mutation, testing::Range(0u, 4u));

}  // namespace
}  // namespace viaduct::config
