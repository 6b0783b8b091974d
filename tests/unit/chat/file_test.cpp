// Files for people: what they are called, and how they are kept on their way.
#include <viaduct/chat/base64.hpp>
#include <viaduct/chat/file.hpp>
#include <viaduct/chat/shelf.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <viaduct/sdk/surface.hpp>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::chat {
namespace {

TEST(FileName, IsTheLastPartOfItsAddress) {
  EXPECT_EQ(file_name("file:///tmp/out/chart.png", "image/png"), "chart.png");
  EXPECT_EQ(file_name("https://example.org/a/Quarter%20%C3%BC.pdf?x=/y.exe#z", "application/pdf"),
            "Quarter ü.pdf");
  EXPECT_EQ(file_name("C:\\reports\\sum.csv", "text/csv"), "sum.csv");
  EXPECT_EQ(file_name("file:///tmp/archive.tar.gz", "application/gzip"), "archive.tar.gz");
  EXPECT_EQ(file_name("file:///tmp/chart", "image/png"), "chart.png") << "with an extension";
}

TEST(FileName, IsMadeFromTheTypeWhereThereIsNone) {
  for (const char* uri : {"", "https://example.org", "https://example.org/", "data:image/png,x/y",
                          "file:///", "file:///..", "file:///tmp/%00%2e%2E"})
    EXPECT_EQ(file_name(uri, "image/png"),
              uri == std::string_view("file:///tmp/%00%2e%2E") ? "_.png" : "image.png")
        << uri;
  EXPECT_EQ(file_name("", "image/jpeg"), "image.jpg");
  EXPECT_EQ(file_name("", "audio/mpeg"), "audio.mp3");
  EXPECT_EQ(file_name("", "text/x-python"), "file.txt");
  EXPECT_EQ(file_name("", "application/x-strange"), "file.bin");
}

TEST(FileName, HasNothingThatIsNoName) {
  EXPECT_EQ(file_name("file:///a/..%2F..%2Fetc%2Fpasswd", "text/plain"), "passwd.txt");
  EXPECT_EQ(file_name("file:///a/..%5Cb%5C.hidden.sh", "text/plain"), "hidden.sh");
  EXPECT_EQ(file_name("file:///a%0D%0AX-Evil%3A%201%22%3C.png", "image/png"), "a__X-Evil_ 1__.png");
  EXPECT_EQ(file_name("file:///photo%E2%80%AEgpj.exe", "image/png"), "photogpj.exe")
      << "nothing turns its letters round";
  EXPECT_EQ(file_name("file:///%FF%C0.png", "image/png"), "\xEF\xBF\xBD\xEF\xBF\xBD.png");
  const std::string name = file_name("file:///" + std::string(5000, 'x') + ".tar", "image/png");
  EXPECT_LE(name.size(), 120U);
  EXPECT_TRUE(name.ends_with("xx.tar"));
}

TEST(ParseFile, FindsTheBytesOfAnEntry) {
  const std::string bytes("\x89PNG\0\xFF", 6);
  const std::string page =
      R"({"entries":[{"entry":6,"type":"text","text":"Look:"},{"entry":7,"type":"content","text":"[an image]","data":{"type":"image","data":")" +
      base64(bytes) +
      R"(","mimeType":"image/PNG","uri":"file:///a/chart.png"}},{"entry":8,"type":"content","text":"[a file]","data":{"type":"resource","resource":{"uri":"notes.md","mimeType":"text/markdown","text":"# ü"}}},{"entry":9,"type":"content","text":"[a file]","data":{"type":"resource","resource":{"uri":"","blob":"%%%"}}}],"more":false})";
  const auto image = parse_file(page, 7);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->bytes, bytes);
  EXPECT_EQ(image->name, "chart.png");
  EXPECT_EQ(image->type, "image/png");
  EXPECT_EQ(image->alt, "an image");
  const auto text = parse_file(page, 8);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->bytes, "# ü");
  EXPECT_EQ(text->name, "notes.md");
  for (const std::uint64_t other : {6U, 9U, 10U}) EXPECT_FALSE(parse_file(page, other)) << other;
}

TEST(SizeWords, AreShort) {
  EXPECT_EQ(size_words(1), "1 byte");
  EXPECT_EQ(size_words(999), "999 bytes");
  EXPECT_EQ(size_words(1000), "1 kB");
  EXPECT_EQ(size_words(1549), "1.5 kB");
  EXPECT_EQ(size_words(6'291'456), "6.3 MB");
  EXPECT_EQ(size_words(123'456'789), "123 MB");
}

// ---------------------------------------------------------------- on their way

class Keeper final : public sdk::Surface {
 public:
  Keeper(const sdk::Host& host, std::string_view) : shelf(host) { last = this; }
  sdk::EventLoop* loop() override { return &loop_; }
  void spawn(net::Task<> task, std::function<void(net::Result<>)> ended) {
    loop_.spawn(std::move(task), std::move(ended));
  }

  Shelf shelf;
  static inline Keeper* last = nullptr;

 private:
  net::Loop loop_;
};

constexpr viaduct_plugin kPlugin = sdk::surface_plugin<Keeper>(
    sdk::Descriptor{"com.example.keeper", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class ChatShelf : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(host.load(&kPlugin));
    ASSERT_TRUE(host.run("{}"));
  }
  void TearDown() override {
    EXPECT_TRUE(host.stop());
    host.destroy();
    for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  void with(std::function<net::Task<>(Shelf&)> work) {
    std::atomic<bool> ended = false;
    EXPECT_TRUE(host.on_plugin_thread([&] {
      Keeper::last->spawn(work(Keeper::last->shelf), [&](const net::Result<>& over) {
        EXPECT_TRUE(over);
        ended = true;
      });
    }));
    EXPECT_TRUE(host.wait_until([&] { return ended.load(); }));
  }

  const Place place{"T1", "C1", "1.2"};
  testing::FakeHost host;
};

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  unsigned state = 1;
  for (char& c : bytes) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24);
  return bytes;
}

TEST_F(ChatShelf, KeepsALargeFileWholeUntilItIsDropped) {
  const File file{"a ü.bin", "application/octet-stream", "Here", "a file", noise(6 << 20)};
  with([&](Shelf& shelf) -> net::Task<> {
    EXPECT_TRUE(co_await shelf.put("s/1/file2@x", place, file));
    EXPECT_TRUE(co_await shelf.put("s/1/file2@x/1", place, {"b", "text/plain", "", "", "small"}));
    EXPECT_TRUE(co_await shelf.note("s/1/file2@x", "half"));
    const auto got = co_await shelf.get("s/1/file2@x");
    const bool is_there = got && *got;
    EXPECT_TRUE(is_there);
    if (!is_there) co_return;
    EXPECT_EQ((*got)->name, file.name);
    EXPECT_EQ((*got)->type, file.type);
    EXPECT_EQ((*got)->words, file.words);
    EXPECT_EQ((*got)->alt, file.alt);
    EXPECT_TRUE((*got)->bytes == file.bytes);
    EXPECT_EQ(co_await shelf.noted("s/1/file2@x"), "half");
    const auto kept = co_await shelf.all();
    EXPECT_EQ(kept.size(), 2U);
    if (kept.size() != 2U) co_return;
    EXPECT_EQ(kept[0].key, "s/1/file2@x");
    EXPECT_EQ(kept[0].place, place);
    EXPECT_EQ(kept[0].size, 6U << 20);
    EXPECT_LT(kept[0].age, std::chrono::minutes(5));
    co_await shelf.drop("s/1/file2@x");
    EXPECT_FALSE((co_await shelf.get("s/1/file2@x")).value().has_value());
    EXPECT_EQ(co_await shelf.noted("s/1/file2@x"), "");
    EXPECT_EQ((co_await shelf.get("s/1/file2@x/1")).value()->bytes, "small")
        << "another's pieces stay";
    co_await shelf.drop("s/1/file2@x/1");
  });
  EXPECT_TRUE(host.documents().empty());
}

TEST_F(ChatShelf, NoDocumentIsTooLargeAndAFileWithoutAPieceIsNone) {
  with([&](Shelf& shelf) -> net::Task<> {
    EXPECT_TRUE(co_await shelf.put("k", place, {"a", "b/c", "", "", noise(3 << 20)}));
  });
  std::size_t pieces = 0;
  for (const auto& [key, value] : host.documents()) {
    EXPECT_LE(value.size(), 1U << 20) << key;
    if (key.starts_with("filepiece/")) ++pieces;
  }
  EXPECT_EQ(pieces, 5U);
}

}  // namespace
}  // namespace viaduct::chat
