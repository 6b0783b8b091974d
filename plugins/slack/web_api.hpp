// Slack's Web API (reference section 11): one method, one answer, errors in words. It waits out
// rate limits for each method and workspace and for each channel, within the patience of the call.
// Tokens, and addresses that are secrets, are never in what it says. On the loop's thread.
#pragma once

#include "plugins/slack/carrier.hpp"
#include "plugins/slack/error_words.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <viaduct/chat/file.hpp>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/host.hpp>

namespace viaduct::slack {

struct ApiFailure {
  ApiTrouble trouble = ApiTrouble::kOther;
  std::string error;    // Slack's own word; empty: it did not answer
  std::string message;  // for a person, with what to do
  // Nothing was done for certain. False: it may have been (cut off behind the request).
  bool not_done = true;
  std::optional<std::chrono::milliseconds> retry_after = std::nullopt;
};

// It was answered, and nothing was done.
inline bool is_refusal(const ApiFailure& why) {
  return why.trouble != ApiTrouble::kRetryLater && why.trouble != ApiTrouble::kCredentials &&
         why.trouble != ApiTrouble::kTargetGone;
}

using ApiResult =
    std::expected<std::string, ApiFailure>;  // the answer, a JSON object with ok: true

struct ApiFile {
  std::string type;  // as Slack calls it: image/png
  std::string bytes;
};

// One call that is over, for log and metrics.
struct ApiReport {
  std::string_view method;
  std::string_view error;    // empty: none, or no answer
  std::string_view request;  // Slack's name for it, which its support asks for
  bool ok = false;
  std::chrono::steady_clock::duration took{0};
};

class WebApi {
 public:
  using Reporter = std::function<void(const ApiReport&)>;

  // `base_url` ends with a slash: https://slack.com/api/. Without a carrier it goes by HTTP.
  WebApi(const sdk::Host& host, net::Loop& loop, std::string base_url,
         std::shared_ptr<Carrier> carrier = nullptr);
  WebApi(net::Loop& loop, std::string base_url, Reporter reporter,
         std::shared_ptr<Carrier> carrier = nullptr);
  ~WebApi();
  WebApi(const WebApi&) = delete;
  WebApi& operator=(const WebApi&) = delete;

  // `arguments`: a JSON object; sent as a form, nested values as JSON text. Without a token, none
  // is sent. Fails with kRetryLater when the limit of the method is not over by `patience`; without
  // any patience, text that has some goes first. An error that leaves nothing to do (the reaction
  // is there already) is none.
  net::Task<ApiResult> call(std::string method, std::string arguments, std::string token,
                            std::chrono::milliseconds patience = std::chrono::seconds(10));
  // The same without arguments, with the head of the answer: what `doctor` looks at. Empty: none
  // came.
  struct Probe {
    ApiResult result;
    net::HttpHead head;
  };
  net::Task<Probe> probe(std::string method, std::string token);
  // A file in a thread, in two steps. The bytes, by files.getUploadURLExternal: the file's id.
  // Nobody sees it yet, so that it may be done again.
  net::Task<ApiResult> put_file(chat::File file, std::string token);
  // Then files.completeUploadExternal; `arguments` are its own without `files`.
  net::Task<ApiResult> share_file(std::string file, std::string title, std::string arguments,
                                  std::string token);
  // A file that a person has posted (url_private_download), of at most so many bytes. The token
  // goes to Slack's hosts only.
  net::Task<std::expected<ApiFile, ApiFailure>> download(std::string url, std::string token,
                                                         std::size_t max_bytes);
  // POST of JSON to a response_url; the URL is a secret.
  net::Task<ApiResult> respond(std::string response_url, std::string json);

  const std::string& base_url() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace viaduct::slack
