// `viaduct init`: a first configuration out of what is installed on this machine. Here is what
// needs no machine: what can be offered, which of it somebody wants, and the YAML for that. Any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace viaduct::cli {

// A server on this machine that answered GET /v1/models.
struct LocalServer {
  std::uint16_t port = 0;
  std::vector<std::string> models;
  std::string stranger{};  // whose it is, if neither this user's nor the machine's own
};

// What was found.
struct Machine {
  std::vector<LocalServer> servers;
  std::set<std::string> programs;  // on PATH, of agent_programs()
  std::set<std::string> keys;      // variables of the environment that are set, of key_names()
};

// Where to look. The programs are those that the plugins acp and bridge have presets for; the host
// reads no plugin's files, so they are named here, too, and a test holds them against each other.
std::vector<std::string> agent_programs();
std::set<std::string> key_names();
std::vector<std::uint16_t> usual_ports();

// One backend that the configuration may get.
struct Offer {
  enum class Kind { kServer, kProgram, kVendor };
  Kind kind = Kind::kServer;
  std::string name{};  // of the backend
  std::string what{};  // it is, for people
  std::string plugin = "bridge";
  std::string why{};  // this plugin, for people; lines
  std::string api{}, base_url{};
  std::vector<std::string> models{};  // to choose from
  std::string model{};                // the one that is taken
  std::string key{};                  // name of the variable with its key
  bool use_key = false;               // a program: instead of its own login
  std::size_t context_tokens = 0;     // what to write; 0: nothing
};

// What can be offered, the surest first; all of them usable as they are.
std::vector<Offer> offers(const Machine& machine);
// What is written as a comment only: servers that somebody else runs, who would read what is said.
std::vector<Offer> strangers(const Machine& machine);
// What people should know of what was found but cannot be offered.
std::vector<std::string> remarks(const Machine& machine);

// The backends to write; the first is the one that answers where nobody chose another. Empty: only
// the mock.
using Plan = std::vector<Offer>;
// Asks which of them and how; an empty line takes what is in brackets. nullopt: the input ended.
std::optional<Plan> ask(const std::vector<Offer>& offers, std::istream& in, std::ostream& out);

// init_yaml.cpp: the whole file, with comments. It has names of keys in it, never a key.
std::string configuration(const Plan& plan, const std::vector<Offer>& strangers = {});

}  // namespace viaduct::cli
