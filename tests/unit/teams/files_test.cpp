#include "plugins/teams/files.hpp"

#include "tests/unit/teams/service.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace viaduct::teams {
namespace {

using net::run_on;
using net::Task;

std::string file(std::string_view bytes, std::string_view type, const std::string& more = {}) {
  return "HTTP/1.1 200 OK\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n" + more + "\r\n" +
         std::string(bytes);
}
std::string moved(const std::string& to) {
  return "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + "\r\n\r\n";
}

// `own` hosts get the token, and `others` do not.
struct Fetcher {
  explicit Fetcher(const Service& from, Hosts with_token = Service::hosts(), Hosts without = {})
      : service(from), own(std::move(with_token)), others(std::move(without)) {}

  template <class Result>
  Result run(std::function<Task<Result>(Files&)> work) {
    net::Loop loop;
    ServiceToken token(loop, credentials_at(service.origin()), Service::hosts(), {});
    Files files(loop, &token, own, others);
    Result result;
    run_on(loop, [](Files& with, std::function<Task<Result>(Files&)> then, Result& to) -> Task<> {
      to = co_await then(with);
    }(files, std::move(work), result));
    if (!result)
      EXPECT_EQ(result.error().message.find("secret"), std::string::npos) << result.error().message;
    return result;
  }
  std::expected<FetchedFile, Failure> download(const std::string& url, std::size_t most = 1000) {
    return run<std::expected<FetchedFile, Failure>>(
        [&](Files& files) { return files.download(url, most); });
  }
  std::expected<void, Failure> upload(const std::string& url, const std::string& bytes,
                                      Files::Progress progress = {}) {
    return run<std::expected<void, Failure>>(
        [&](Files& files) { return files.upload(url, bytes, progress); });
  }

  const Service& service;
  const Hosts own, others;
};

TEST(Files, FetchesAPictureWithTheToken) {
  Service service([](const std::string&) { return file("png!", "image/png; x=y"); });
  Fetcher fetcher(service);
  const auto got = fetcher.download(service.origin() + "/v3/attachments/1/views/original?a=b");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->bytes, "png!");
  EXPECT_EQ(got->type, "image/png");
  EXPECT_TRUE(service.requests().at(0).starts_with("GET /v3/attachments/1/views/original?a=b "));
  EXPECT_NE(service.requests().at(0).find("Bearer token-secret-1\r"), std::string::npos);
}

TEST(Files, FetchesFromAShareWithoutTheToken) {
  Service service([](const std::string&) { return file("notes", "text/plain"); });
  Fetcher fetcher(service, Hosts(), Service::hosts());
  ASSERT_TRUE(fetcher.download(service.origin() + "/download?tempauth=secret"));
  EXPECT_EQ(service.requests().at(0).find("Authorization"), std::string::npos);
  EXPECT_EQ(service.tokens, 0);
}

TEST(Files, GoesNowhereElse) {
  Service service([](const std::string&) { return file("x", "text/plain"); });
  Fetcher fetcher(service, Service::hosts(), Hosts(file_hosts()));
  const std::string port = service.origin().substr(service.origin().rfind(':'));
  for (const std::string& url :
       {"http://localhost" + port + "/", "http://0.0.0.0" + port + "/", "http://[::1]" + port + "/",
        "http://2130706433" + port + "/", "http://127.1" + port + "/",
        "http://user@127.0.0.1" + port + "/", "http://127.0.0.1" + port + "\\@x/",
        std::string("http://169.254.169.254/metadata/identity"), std::string("http://10.0.0.1/"),
        std::string("http://contoso.sharepoint.com/x"),
        std::string("https://contoso.sharepoint.com:8443/x"),
        std::string("https://contoso.sharepoint.com.example.com/x"),
        std::string("https://sharepoint.com/x"), std::string("https://evilsharepoint.com/x"),
        std::string("https://[fe80::1]/x"), std::string("file:///etc/passwd"), std::string(),
        "http://127.0.0.1" + port + "/a b", std::string("//127.0.0.1/")}) {
    const auto got = fetcher.download(url);
    ASSERT_FALSE(got) << url;
    EXPECT_EQ(got.error().trouble, Trouble::kOther) << url;
    EXPECT_TRUE(got.error().not_done);
  }
  EXPECT_EQ(service.requests().size(), 0U);
}

TEST(Files, FollowsRedirectsToTheListedHostsOnly) {
  std::string to = "/there";
  Service service([&](const std::string& request) {
    return request.starts_with("GET /there ") ? file("x", "a/b") : moved(to);
  });
  Fetcher fetcher(service);
  EXPECT_TRUE(fetcher.download(service.origin() + "/here"));
  to = service.origin() + "/there";
  EXPECT_TRUE(fetcher.download(service.origin() + "/here"));
  EXPECT_EQ(service.requests().size(), 4U);
  for (const char* away : {"http://169.254.169.254/", "//169.254.169.254/", "there", "", "/here"}) {
    to = away;
    EXPECT_FALSE(fetcher.download(service.origin() + "/here")) << away;
  }
  EXPECT_EQ(service.requests().size(), 4U + 4U + 4U) << "round and round only so often";
}

TEST(Files, TakesNoMoreThanItMay) {
  Service service([](const std::string&) { return file(std::string(1001, 'x'), "a/b"); });
  const auto got = Fetcher(service).download(service.origin() + "/x", 1000);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().trouble, Trouble::kTooLarge);
  EXPECT_TRUE(Fetcher(service).download(service.origin() + "/x", 1001));
}

TEST(Files, KnowsALoginPageFromAFile) {
  for (const std::string& answer : {file("<p>sign in</p>", "text/html; charset=utf-8"),
                                    file("\n <!DOCTYPE html><html>", "application/octet-stream"),
                                    reply("no", 403), reply("", 401)}) {
    Service service([&](const std::string&) { return answer; });
    const auto got = Fetcher(service).download(service.origin() + "/x");
    ASSERT_FALSE(got) << answer;
    EXPECT_EQ(got.error().trouble, Trouble::kSetUp);
  }
  Service page([](const std::string&) {
    return file("<html>", "text/html", "Content-Disposition: attachment; filename=a.html\r\n");
  });
  EXPECT_TRUE(Fetcher(page).download(page.origin() + "/x"));
}

TEST(Files, AsksForAnotherTokenOnce) {
  Service service([](const std::string& request) {
    return request.find("token-secret-2\r") != request.npos ? file("x", "a/b") : reply("", 401);
  });
  EXPECT_TRUE(Fetcher(service).download(service.origin() + "/x"));
  EXPECT_EQ(service.requests().size(), 2U);
}

TEST(Files, SaysWhenAFileIsNotThereOrItsHostIsNot) {
  Service service([](const std::string& request) {
    return request.starts_with("GET /cut") ? ""
                                           : reply("", request.starts_with("GET /a") ? 404 : 503);
  });
  Fetcher fetcher(service);
  EXPECT_EQ(fetcher.download(service.origin() + "/a").error().trouble, Trouble::kMissing);
  EXPECT_EQ(fetcher.download(service.origin() + "/b").error().trouble, Trouble::kRetryLater);
  EXPECT_EQ(fetcher.download(service.origin() + "/cut?secret").error().trouble,
            Trouble::kRetryLater);
}

TEST(Files, GivesUpAHostThatSendsAFileByteByByte) {
  std::atomic<bool> over = false;
  net::Server server([&](net::Peer& peer) {
    peer.request();
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    while (!over && peer.say("x")) std::this_thread::yield();
  });
  net::Loop loop;
  Files files(loop, nullptr, Service::hosts(), {}, {std::chrono::milliseconds(200), 1'000'000'000});
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/x";
  run_on(loop, [](Files& with, std::string from, std::atomic<bool>& end) -> Task<> {
    const auto got = co_await with.download(from, 100'000'000);
    end = true;
    EXPECT_FALSE(got);
    if (got) co_return;
    EXPECT_EQ(got.error().trouble, Trouble::kOther) << "and it is not tried again";
    EXPECT_NE(got.error().message.find("too slow"), std::string::npos) << got.error().message;
  }(files, url, over));
}

TEST(Files, UploadsInPartsAndWithoutTheToken) {
  Service service([](const std::string& request) {
    return reply("{}", request.find("-6291455/") == request.npos ? 202 : 201);
  });
  const std::string bytes(6 * 1024 * 1024, 'x');
  ASSERT_TRUE(Fetcher(service).upload(service.origin() + "/upload?ticket=secret", bytes));
  const auto requests = service.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_TRUE(requests[0].starts_with("PUT /upload?ticket=secret "));
  EXPECT_NE(requests[0].find("Content-Range: bytes 0-2621439/6291456\r"), std::string::npos);
  EXPECT_NE(requests[1].find("Content-Range: bytes 2621440-5242879/6291456\r"), std::string::npos);
  EXPECT_NE(requests[2].find("Content-Range: bytes 5242880-6291455/6291456\r"), std::string::npos);
  EXPECT_EQ(body_of(requests[2]).size(), 1024U * 1024U);
  EXPECT_EQ(requests[0].find("Authorization"), std::string::npos);
}

// A place for one file, as OneDrive's: parts in their order, and gone when it is whole.
struct Drive {
  explicit Drive(std::string there = {}) : has(std::move(there)) {}
  std::string answer(const std::string& request) {
    if (is_gone) return reply("{}", 404);
    const auto ranges = [&] {
      return R"({"nextExpectedRanges":[")" + std::to_string(has.size()) + R"(-"]})";
    };
    if (request.starts_with("GET ")) return reply(ranges());
    const std::size_t at = request.find("Content-Range: bytes ") + 21;
    if (std::stoul(request.substr(at)) != has.size()) return reply("{}", 416);
    has += body_of(request);
    is_gone = has.size() == size;
    if (cuts_last && is_gone) return "";
    return is_gone ? reply("{}", 201) : reply(ranges(), 202);
  }
  std::string has;
  std::size_t size = 0;
  bool is_gone = false;
  bool cuts_last = false;
};

TEST(Files, AnUploadGoesOnWhereItWas) {
  std::string bytes(6 * 1024 * 1024, 'x');
  bytes[2'621'440] = 'y';
  bytes[2'700'000] = '\0';
  Drive drive(bytes.substr(0, 2'700'000));  // a part that was cut
  drive.size = bytes.size();
  Service service([&](const std::string& request) { return drive.answer(request); });
  Files::Progress progress;
  progress.has_begun = true;
  ASSERT_TRUE(Fetcher(service).upload(service.origin() + "/up", bytes, progress));
  EXPECT_TRUE(drive.has == bytes);
  EXPECT_EQ(service.requests().size(), 3U);

  Drive another(bytes.substr(0, 1000));
  another.size = bytes.size();
  Service busy([&](const std::string& request) { return another.answer(request); });
  ASSERT_TRUE(Fetcher(busy).upload(busy.origin() + "/up", bytes)) << "it is asked when it refuses";
  EXPECT_TRUE(another.has == bytes);
}

TEST(Files, AnUploadWhoseLastAnswerWasCutOffIsWhole) {
  const std::string bytes(3 * 1024 * 1024, 'x');
  Drive drive;
  drive.size = bytes.size();
  drive.cuts_last = true;
  Service service([&](const std::string& request) { return drive.answer(request); });
  Fetcher fetcher(service);
  bool said = false;
  Files::Progress progress;
  progress.before_last = [&]() -> Task<bool> {
    EXPECT_FALSE(drive.is_gone);
    said = true;
    co_return true;
  };
  EXPECT_TRUE(fetcher.upload(service.origin() + "/up", bytes, progress)) << "it is asked";
  EXPECT_TRUE(said);
  EXPECT_TRUE(drive.has == bytes);
  progress.has_begun = true;
  EXPECT_EQ(fetcher.upload(service.origin() + "/up", bytes, progress).error().trouble,
            Trouble::kMissing)
      << "gone, and its last part was never sent";
  progress.may_be_whole = true;
  EXPECT_TRUE(fetcher.upload(service.origin() + "/up", bytes, progress));
}

TEST(Files, UploadsToTheListedHostsOnly) {
  Service service([](const std::string&) { return reply("", 404); });
  Fetcher fetcher(service);
  EXPECT_EQ(fetcher.upload("http://169.254.169.254/", "x").error().trouble, Trouble::kOther);
  EXPECT_EQ(fetcher.upload(service.origin() + "/x", "").error().trouble, Trouble::kContent);
  EXPECT_EQ(service.requests().size(), 0U);
  EXPECT_EQ(fetcher.upload(service.origin() + "/x", "x").error().trouble, Trouble::kMissing);
}

}  // namespace
}  // namespace viaduct::teams
