// Files that people send, and those that they agree to get (reference sections 2.2 and 2.4). Only
// hosts on a list are called, by https and by name, redirects included, so that nobody makes this
// host call somewhere inside; the bot's token goes to the service's own hosts only. On the loop's
// thread; what it has begun may outlive it, but not the Loop and the ServiceToken.
#pragma once

#include "plugins/teams/address.hpp"
#include "plugins/teams/failure.hpp"
#include "plugins/teams/service_token.hpp"

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>

namespace viaduct::teams {

// Where Teams keeps files.
std::vector<std::string> file_hosts();

struct FetchedFile {
  std::string type;  // as the host calls it: image/png; may be empty
  std::string bytes;
};

// How long a download may take: `least`, and what its largest size needs at the pace `slowest`.
struct FileLimits {
  std::chrono::milliseconds least{15'000};
  std::size_t slowest = 128 << 10;  // bytes in a second
};

class Files {
 public:
  // `service`: hosts that get the token. `others`: those that get none. `token`: null where none is
  // needed.
  Files(net::Loop& loop, ServiceToken* token, Hosts service, Hosts others, FileLimits limits = {});
  ~Files();
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // A person's file, of at most so many bytes. `url`: downloadUrl or contentUrl of an attachment.
  net::Task<std::expected<FetchedFile, Failure>> download(std::string url, std::size_t max_bytes);
  // To the uploadUrl of a consent, in parts. It may be done again, and goes on then where it was:
  // kRetryLater when it was cut off, or takes long.
  struct Progress {
    bool has_begun = false;     // in an earlier try
    bool may_be_whole = false;  // in an earlier try the last part was sent
    // Told before the last part is sent; false: not now.
    std::function<net::Task<bool>()> before_last = nullptr;
  };
  net::Task<std::expected<void, Failure>> upload(std::string url, std::string bytes,
                                                 Progress progress);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace viaduct::teams
