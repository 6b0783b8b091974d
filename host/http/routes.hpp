// What is served below one mount: routes by pattern, and static files. Not synchronised; whoever
// owns a table guards it.
#pragma once

#include "host/error.hpp"
#include "host/http/server.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::http {

// A file as it is served.
struct StaticFile {
  std::string content_type;
  std::string_view data;
  std::string_view gzip;
  std::string etag;       // with its quotes
  std::string gzip_etag;  // another: the bytes differ
  bool immutable = false;
};

class RouteTable {
 public:
  Result<> add(std::string method, std::string pattern, std::uint32_t flags, std::uint64_t token);
  Result<> add_files(std::span<const File> files);

  enum class Which { all, public_only, private_only };
  struct Match {
    bool path_known = false;  // something is there, perhaps for other methods
    bool found = false;
    std::shared_ptr<const StaticFile> file;  // or a route:
    std::uint64_t token = 0;
    std::uint32_t flags = 0;
    std::vector<Header> params;
    std::string allow;  // where the path is known
  };
  // HEAD is answered by what answers GET. Literal segments win over {name}, that over {*rest};
  // files win over routes.
  Match match(std::string_view method, std::string_view path, Which which) const;

 private:
  struct Segment {
    enum class Kind { literal, param, rest };
    Kind kind;
    std::string text;
    bool operator==(const Segment&) const = default;
  };
  struct Route {
    std::string method;
    std::vector<Segment> segments;
    std::uint32_t flags;
    std::uint64_t token;
  };
  static Result<std::vector<Segment>> parse_pattern(std::string_view pattern);
  static bool fits(const Route& route, const std::vector<std::string_view>& path);
  static bool before(const Route& a, const Route& b);

  std::vector<Route> routes_;  // the most specific first
  std::map<std::string, std::shared_ptr<const StaticFile>, std::less<>> files_;
};

}  // namespace viaduct::http
