// What viaduct_load can do. Each prints one line of JSON.
#pragma once

#include <string>
#include <vector>

namespace viaduct::bench {

using Arguments = std::vector<std::string>;

// One request at a time on each of some connections: requests per second and how long they took.
void requests(unsigned port, const std::string& path, int connections, double seconds,
              const std::string& body);
// Requests from a file, each sent once, one at a time on each of some connections: the same, and
// how often each status was answered.
void replay(unsigned port, const std::string& file, int connections);
// Idle WebSockets, which say hello first unless `quiet`: memory and processor time of `pid`.
void idle(unsigned port, const std::string& path, int count, double seconds, const std::string& pid,
          bool quiet);
// Web chats in which stamp_backend.c or acp_agent.cpp talks: from its stamps to the client's
// socket.
void stream(unsigned port, const std::string& path, int sessions, double seconds, double rate);
// The same stamps through TCP on loopback alone, from one thread to another.
void hop(int connections, double seconds, double rate);
// The same stamps from an agent's standard output alone: acp_agent.cpp, without a host.
void pipe(int sessions, double seconds, double rate, Arguments command);
// From connecting to `live`; with a session id, from asking to resume it to `live`.
void first_screen(unsigned port, const std::string& path, const std::string& session);
// Starts a program some times: until it prints `line` (empty: until it exits), and its memory after
// `settle` seconds.
void start(int times, double settle, const std::string& line, Arguments command);
// 4 KiB written and synced at a time, as a log of a database is.
void sync_disk(const std::string& folder, double seconds);

}  // namespace viaduct::bench
