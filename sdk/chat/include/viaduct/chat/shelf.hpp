// Files that are on their way to people, on disk until they have arrived: in documents of the
// instance, of which each takes a MiB, so that a file is kept in pieces. On the loop's thread;
// owned by the plugin.
#pragma once

#include <viaduct/chat/file.hpp>
#include <viaduct/chat/place.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/host.hpp>

namespace viaduct::chat {

class Shelf {
 public:
  explicit Shelf(const sdk::Host& host) : documents_(host), log_(host) {}

  // All of it is on disk when it is done. `file` lives until then.
  net::Task<net::Result<>> put(std::string key, Place place, const File& file);
  // nullopt: there is none, or not all of it.
  net::Task<net::Result<std::optional<File>>> get(std::string key);
  net::Task<> drop(std::string key);

  // What is known of one, without its bytes.
  struct Kept {
    std::string key;
    Place place;
    std::string name;
    std::uint64_t size = 0;
    std::chrono::seconds age{0};
  };
  net::Task<net::Result<std::optional<Kept>>> find(std::string key);
  net::Task<std::vector<Kept>> all();

  // How far its way has been: words of whoever sends it, on disk when it is done, gone with the
  // file; empty: none yet.
  net::Task<net::Result<>> note(std::string key, std::string words);
  net::Task<net::Result<std::string>> noted(std::string key);

 private:
  net::Task<net::Result<>> write(std::string key, std::string json);
  net::Task<net::Result<std::optional<std::string>>> read(std::string key);

  sdk::Documents documents_;
  sdk::Log log_;
};

}  // namespace viaduct::chat
