#include "host/http/routes.hpp"

#include <gtest/gtest.h>

namespace viaduct::http {
namespace {

using Which = RouteTable::Which;

TEST(RouteTable, FillsInTheNamesOfAPattern) {
  RouteTable table;
  ASSERT_TRUE(table.add("GET", "/api/sessions/{id}/parts/{part}", 0, 7));
  const auto match = table.match("GET", "/api/sessions/s-1/parts/2", Which::all);
  ASSERT_TRUE(match.found);
  EXPECT_EQ(match.token, 7u);
  ASSERT_EQ(match.params.size(), 2u);
  EXPECT_EQ(match.params[0].name, "id");
  EXPECT_EQ(match.params[0].value, "s-1");
  EXPECT_EQ(match.params[1].value, "2");
  EXPECT_FALSE(table.match("GET", "/api/sessions//parts/2", Which::all).path_known);
  EXPECT_FALSE(table.match("GET", "/api/sessions/s-1/parts/2/", Which::all).path_known);
}

TEST(RouteTable, GivesTheRestToAStar) {
  RouteTable table;
  ASSERT_TRUE(table.add("GET", "/files/{*rest}", 0, 1));
  const auto match = table.match("GET", "/files/a/b/c", Which::all);
  ASSERT_TRUE(match.found);
  EXPECT_EQ(match.params.at(0).value, "a/b/c");
  EXPECT_EQ(table.match("GET", "/files/", Which::all).params.at(0).value, "");
  EXPECT_FALSE(table.match("GET", "/files", Which::all).path_known);
}

TEST(RouteTable, PrefersTheMoreSpecificPatternInAnyOrderOfAdding) {
  RouteTable table;
  ASSERT_TRUE(table.add("GET", "/{*rest}", 0, 1));
  ASSERT_TRUE(table.add("GET", "/a/{x}", 0, 2));
  ASSERT_TRUE(table.add("GET", "/a/b", 0, 3));
  EXPECT_EQ(table.match("GET", "/a/b", Which::all).token, 3u);
  EXPECT_EQ(table.match("GET", "/a/c", Which::all).token, 2u);
  EXPECT_EQ(table.match("GET", "/a/c/d", Which::all).token, 1u);
}

TEST(RouteTable, LooksFurtherWhenTheMostSpecificPatternHasAnotherMethod) {
  RouteTable table;
  ASSERT_TRUE(table.add("POST", "/a/new", 0, 1));
  ASSERT_TRUE(table.add("GET", "/a/{id}", 0, 2));
  EXPECT_EQ(table.match("GET", "/a/new", Which::all).token, 2u);
}

TEST(RouteTable, SaysWhatIsAllowedWhenTheMethodIsNot) {
  RouteTable table;
  ASSERT_TRUE(table.add("GET", "/a", 0, 1));
  ASSERT_TRUE(table.add("POST", "/a", 0, 2));
  const auto match = table.match("DELETE", "/a", Which::all);
  EXPECT_FALSE(match.found);
  EXPECT_TRUE(match.path_known);
  EXPECT_EQ(match.allow, "GET, HEAD, OPTIONS, POST");
}

TEST(RouteTable, AnswersHeadByTheRouteOfGet) {
  RouteTable table;
  ASSERT_TRUE(table.add("GET", "/a", 0, 1));
  EXPECT_EQ(table.match("HEAD", "/a", Which::all).token, 1u);
  ASSERT_TRUE(table.add("HEAD", "/a", 0, 2));
  EXPECT_EQ(table.match("HEAD", "/a", Which::all).token, 2u);
}

TEST(RouteTable, KeepsPublicAndPrivateApart) {
  RouteTable table;
  ASSERT_TRUE(table.add("POST", "/hook", VIADUCT_ROUTE_PUBLIC, 1));
  ASSERT_TRUE(table.add("GET", "/hook", 0, 2));
  EXPECT_TRUE(table.match("POST", "/hook", Which::public_only).found);
  EXPECT_FALSE(table.match("GET", "/hook", Which::public_only).found);
  EXPECT_EQ(table.match("GET", "/hook", Which::public_only).allow, "OPTIONS, POST");
  EXPECT_FALSE(table.match("POST", "/hook", Which::private_only).found);
}

TEST(RouteTable, RefusesWhatIsThereAlready) {
  RouteTable table;
  ASSERT_TRUE(table.add("GET", "/a/{x}", 0, 1));
  const auto again = table.add("GET", "/a/{y}", 0, 2);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::invalid_argument);
  EXPECT_TRUE(table.add("POST", "/a/{y}", 0, 2));
}

TEST(RouteTable, RefusesBrokenPatterns) {
  RouteTable table;
  for (const char* pattern : {"", "a", "/{", "/{}", "/{a", "/{a}b", "/a{b}", "/{a}/{a}",
                              "/{*rest}/a", "/a/../b", "/{a b}", "/a?b"})
    EXPECT_FALSE(table.add("GET", pattern, 0, 1)) << pattern;
  EXPECT_FALSE(table.add("get", "/a", 0, 1));
  EXPECT_FALSE(table.add("", "/a", 0, 1));
  EXPECT_FALSE(table.add("POST", "/ws", VIADUCT_ROUTE_WEBSOCKET, 1));
}

TEST(RouteTable, ServesFilesBeforeRoutes) {
  RouteTable table;
  ASSERT_TRUE(table.add("GET", "/{*rest}", 0, 1));
  const File file{"/app.js", "text/javascript", "alert(1)", "zipped", true};
  ASSERT_TRUE(table.add_files({&file, 1}));
  const auto match = table.match("HEAD", "/app.js", Which::all);
  ASSERT_TRUE(match.file);
  EXPECT_NE(match.file->etag, match.file->gzip_etag);
  EXPECT_FALSE(table.match("GET", "/other.js", Which::all).file);
  EXPECT_FALSE(table.match("GET", "/app.js", Which::public_only).found);
}

TEST(RouteTable, TakesAllFilesOrNone) {
  RouteTable table;
  const File files[] = {{"/a", "text/plain", "a", "", false}, {"/a", "text/plain", "b", "", false}};
  EXPECT_FALSE(table.add_files(files));
  EXPECT_FALSE(table.match("GET", "/a", Which::all).path_known);
  const File untyped{"/a", "", "a", "", false};
  EXPECT_FALSE(table.add_files({&untyped, 1}));
}

TEST(RouteTable, TagsDifferentContentDifferently) {
  RouteTable table;
  const File files[] = {{"/a", "text/plain", "a", "", false},
                        {"/b", "text/plain", "b", "", false},
                        {"/c", "text/plain", "a", "", false}};
  ASSERT_TRUE(table.add_files(files));
  const auto tag = [&](const char* path) {
    return table.match("GET", path, Which::all).file->etag;
  };
  EXPECT_NE(tag("/a"), tag("/b"));
  EXPECT_EQ(tag("/a"), tag("/c"));
}

}  // namespace
}  // namespace viaduct::http
