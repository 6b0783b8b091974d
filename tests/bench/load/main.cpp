// Loads a server on loopback, or the machine, and prints what it saw as one line of JSON.
#include "loads.hpp"

#include <cstdio>
#include <stdexcept>

namespace {

constexpr const char* kUsage =
    R"(usage: viaduct_load requests PORT PATH CONNECTIONS SECONDS [BODY]
         one request at a time on each connection, a POST with BODY
       viaduct_load replay PORT FILE CONNECTIONS
         the requests of FILE, each once; each is there behind its length in four bytes
       viaduct_load idle PORT PATH COUNT SECONDS PID [quiet]
         WebSockets that say hello (not if quiet) and then nothing: memory and processor of PID
       viaduct_load stream PORT PATH SESSIONS SECONDS RATE
         web chats in which stamp_backend or acp_agent talks: from its stamps to here
       viaduct_load hop CONNECTIONS SECONDS RATE
         the same stamps through TCP alone, from one thread to another
       viaduct_load pipe SESSIONS SECONDS RATE COMMAND…
         the same stamps from the standard output of acp_agent
       viaduct_load first-screen PORT PATH [SESSION]
         from connecting, or from resuming SESSION, to live
       viaduct_load start TIMES SETTLE-SECONDS LINE COMMAND…
         until it prints LINE (empty: until it exits); its memory after that
       viaduct_load sync FOLDER SECONDS
         4 KiB written and synced at a time
"{}" in PATH and BODY stands for the number of the connection.
)";

unsigned port(const std::string& text) {
  return static_cast<unsigned>(std::stoul(text));
}

bool run(const viaduct::bench::Arguments& args) {
  using namespace viaduct::bench;
  const auto is = [&](const char* name, std::size_t least, std::size_t most) {
    return !args.empty() && args[0] == name && args.size() > least && args.size() <= most + 1;
  };
  const auto optional = [&](std::size_t at) { return args.size() > at ? args[at] : std::string(); };
  if (is("requests", 4, 5))
    requests(port(args[1]), args[2], std::stoi(args[3]), std::stod(args[4]), optional(5));
  else if (is("replay", 3, 3))
    replay(port(args[1]), args[2], std::stoi(args[3]));
  else if (is("idle", 5, 6))
    idle(port(args[1]), args[2], std::stoi(args[3]), std::stod(args[4]), args[5],
         optional(6) == "quiet");
  else if (is("stream", 5, 5))
    stream(port(args[1]), args[2], std::stoi(args[3]), std::stod(args[4]), std::stod(args[5]));
  else if (is("hop", 3, 3))
    hop(std::stoi(args[1]), std::stod(args[2]), std::stod(args[3]));
  else if (is("pipe", 4, 100))
    pipe(std::stoi(args[1]), std::stod(args[2]), std::stod(args[3]),
         {args.begin() + 4, args.end()});
  else if (is("first-screen", 2, 3))
    first_screen(port(args[1]), args[2], optional(3));
  else if (is("start", 4, 100))
    start(std::stoi(args[1]), std::stod(args[2]), args[3], {args.begin() + 4, args.end()});
  else if (is("sync", 2, 2))
    sync_disk(args[1], std::stod(args[2]));
  else
    return false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (run({argv + 1, argv + argc})) return 0;
  } catch (const std::logic_error&) {  // an argument that is no number
  }
  std::fputs(kUsage, stderr);
  return 2;
}
