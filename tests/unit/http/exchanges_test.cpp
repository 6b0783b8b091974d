#include "host/http/exchanges.hpp"

#include "host/http/connection.hpp"

#include <gtest/gtest.h>

namespace viaduct::http {
namespace {

using Stage = Exchanges::Stage;

class ExchangesTest : public testing::Test {
 protected:
  ExchangesTest() { exchanges.add(1, connection()); }
  // Never touched: a place to point to.
  static Connection& connection() {
    alignas(Connection) static std::byte space[sizeof(Connection)];
    return reinterpret_cast<Connection&>(space);
  }
  Exchanges exchanges{100};
};

TEST_F(ExchangesTest, LetsOnlyTheFirstAnswerThrough) {
  EXPECT_TRUE(exchanges.advance(1, Stage::waiting, Stage::ended));
  EXPECT_FALSE(exchanges.advance(1, Stage::waiting, Stage::streaming));
  EXPECT_EQ(exchanges.remove(1), Stage::ended);
  EXPECT_EQ(exchanges.remove(1), std::nullopt);
}

TEST_F(ExchangesTest, IsBusyWhenTheQueueIsFullAndSaysOnceWhenItIsNot) {
  ASSERT_TRUE(exchanges.advance(1, Stage::waiting, Stage::websocket));
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 60), Flow::ok);
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 40), Flow::ok);
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 1), Flow::busy);
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 1), Flow::busy);
  EXPECT_FALSE(exchanges.release(1, 40));
  EXPECT_TRUE(exchanges.release(1, 60));
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 1), Flow::ok);
  EXPECT_FALSE(exchanges.release(1, 1));
}

TEST_F(ExchangesTest, WaitsWithWritableUntilWhatWasRefusedFits) {
  ASSERT_TRUE(exchanges.advance(1, Stage::waiting, Stage::websocket));
  ASSERT_EQ(exchanges.reserve(1, Stage::websocket, 60), Flow::ok);
  ASSERT_EQ(exchanges.reserve(1, Stage::websocket, 30), Flow::ok);
  ASSERT_EQ(exchanges.reserve(1, Stage::websocket, 90), Flow::busy);
  EXPECT_FALSE(exchanges.release(1, 60));
  EXPECT_TRUE(exchanges.release(1, 30));
}

TEST_F(ExchangesTest, TakesSomethingLargeWhenNothingElseWaits) {
  ASSERT_TRUE(exchanges.advance(1, Stage::waiting, Stage::websocket));
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 5000), Flow::ok);
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 1), Flow::busy);
}

TEST_F(ExchangesTest, IsGoneForWhatIsOverOrOfAnotherStage) {
  EXPECT_EQ(exchanges.reserve(1, Stage::websocket, 1), Flow::gone);
  EXPECT_EQ(exchanges.reserve(2, Stage::streaming, 1), Flow::gone);
  EXPECT_EQ(exchanges.find(2), nullptr);
  EXPECT_EQ(exchanges.find(1), &connection());
}

}  // namespace
}  // namespace viaduct::http
