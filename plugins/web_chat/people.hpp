// Which session is the current one of each user: a durable document for each, kept in memory once
// read. Changes of one user's are made one after the other. Under the plugin's lock, like Host.
#pragma once

#include "ports.hpp"
#include "requests_json.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace viaduct::web_chat {

// The user's key in documents: different users never share one.
std::string person_key(const Principal& who);

class People {
 public:
  // `changed` hears of every change, before the call that made it is answered.
  using Changed = std::function<void(const std::string& person, const std::string& session_id,
                                     const std::string& session_json, std::string_view reason)>;
  using Found = sdk::Function<void(Parsed<std::string>)>;
  using Done = sdk::Function<void(Status)>;

  explicit People(Host& host) : host_(host) {}
  People(const People&) = delete;
  People& operator=(const People&) = delete;

  void on_change(Changed changed) { changed_ = std::move(changed); }

  // The id, empty when there is none. Answers inside the call when it is known already.
  void current(const Principal& who, Found done);
  // As far as it is known without asking.
  std::string known(const std::string& person) const;

  void set(const Principal& who, std::string session_id, std::string session_json,
           std::string reason, Done done);
  // None any more, if it is (still) this one; else nothing happens.
  void clear(const Principal& who, std::string session_id, std::string reason, Done done);

 private:
  struct Step {
    bool clears = false;
    std::string session_id;
    std::string session_json;
    std::string reason;
    Done done;
  };
  struct Person {
    bool loaded = false;
    bool loading = false;
    bool storing = false;
    std::uint64_t version = 0;
    std::string session_id;
    std::vector<Found> waiting;
    std::deque<Step> steps;
  };

  Person& person(const std::string& key);
  void load(const std::string& key);
  void run(const std::string& key);
  void finish(const std::string& key, Status status);

  Host& host_;
  Changed changed_;
  std::unordered_map<std::string, Person> people_;
};

}  // namespace viaduct::web_chat
