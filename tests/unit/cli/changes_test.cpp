#include "host/cli/changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace viaduct::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

config::Config a_config() {
  config::Config config;
  for (const char* name : {"a", "b"}) {
    config::Backend backend;
    backend.name = name;
    backend.config = "{}";
    config.backends.push_back(backend);
  }
  config.origins = {{"log.level", "\"info\"", "default"},
                    {"backends.a.plugin", "\"mock\"", "x:1:1"}};
  return config;
}

TEST(Changes, AreNoneWhereOnlyLinesMoved) {
  config::Config fresh = a_config();
  fresh.backends[0].line = 7;
  fresh.origins[0].origin = "viaduct.yaml:9:1";
  const Changes all = changes(a_config(), fresh);
  EXPECT_THAT(all.reload, IsEmpty());
  EXPECT_THAT(all.restart, IsEmpty());
}

TEST(Changes, OfInstancesAreAReloadWhetherNewGoneOrOther) {
  config::Config fresh = a_config();
  fresh.backends[0].config = R"({"x":1})";
  fresh.backends[1].name = "c";
  fresh.origins[1].value = "\"bridge\"";
  const Changes all = changes(a_config(), fresh);
  EXPECT_THAT(all.reload, ElementsAre("a", "c", "b"));
  EXPECT_THAT(all.restart, IsEmpty());
}

TEST(Changes, OfEverythingElseAreARestart) {
  config::Config fresh = a_config();
  fresh.origins[0].value = "\"warn\"";
  fresh.origins.push_back({"server.listen", "\"x\"", "x:1:1"});
  EXPECT_THAT(changes(a_config(), fresh).restart, ElementsAre("log.level", "server.listen"));
  EXPECT_THAT(changes(fresh, a_config()).restart, ElementsAre("log.level", "server.listen"));
}

}  // namespace
}  // namespace viaduct::cli
