// What the web chat needs of the world: the host's services and the sockets of pages. plugin.cpp
// makes them of the SDK, tests make their own. Called under the plugin's lock; answers come later,
// under that lock, never inside the call.
#pragma once

#include <viaduct/sdk/base.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace viaduct::web_chat {

using sdk::Answer;
using sdk::Callback;
using sdk::Code;
using sdk::Flow;
using sdk::Principal;
using sdk::Status;

struct Message {
  std::string key;
  std::string text;
  std::string blocks;  // JSON array, or empty
};

struct Cursor {
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
};

// Views: valid during the call that hands it over.
struct Change {
  bool is_entry = false;
  bool is_live = false;  // all that was missed has been sent
  Cursor cursor;
  std::string_view json;
};

class Host {
 public:
  virtual ~Host() = default;

  // The sessions service; results as viaduct_sessions in abi.h says.
  virtual void create(const Principal& who, const std::string& options, Callback done) = 0;
  virtual void send(const Principal& who, const std::string& session, const Message& message,
                    Callback done) = 0;
  virtual void ask(const Principal& who, const std::string& session, const Message& message,
                   Callback done) = 0;
  virtual void cancel(const Principal& who, const std::string& session, std::uint64_t turn,
                      Callback done) = 0;
  virtual void answer(const Principal& who, const std::string& session, std::uint64_t entry,
                      const std::string& option, Callback done) = 0;
  virtual void resume(const Principal& who, const std::string& session, Callback done) = 0;
  virtual void end(const Principal& who, const std::string& session, Callback done) = 0;
  virtual void list(const Principal& who, const std::string& query, Callback done) = 0;
  virtual void get(const Principal& who, const std::string& session, Callback done) = 0;
  virtual void history(const Principal& who, const std::string& session, std::uint64_t before,
                       std::uint32_t limit, Callback done) = 0;
  virtual void rename(const Principal& who, const std::string& session, const std::string& title,
                      Callback done) = 0;
  // Changes come to Live::change by the id `subscription`, until unsubscribe or Live::unsubscribed.
  virtual void subscribe(const Principal& who, const std::string& session,
                         std::uint64_t subscription, Cursor cursor, Callback done) = 0;
  virtual void unsubscribe(std::uint64_t subscription) = 0;
  virtual void proceed(std::uint64_t subscription) = 0;

  // The documents service.
  virtual void load(const std::string& key, Callback done) = 0;
  virtual void store(const std::string& key, const std::string& value, std::uint64_t version,
                     Callback done) = 0;

  // The memory service.
  virtual void memory_message(const Principal& who, const std::string& text, Callback done) = 0;
  virtual void remember(const Principal& who, const std::string& text, Callback done) = 0;
  virtual void recall(const Principal& who, const std::string& query, Callback done) = 0;
  virtual void work_status(const Principal& who, Callback done) = 0;
  virtual void work_log(const Principal& who, const std::string& items, Callback done) = 0;

  // viaduct.overview/1
  virtual void overview(Callback done) = 0;

  virtual void warn(const std::string& message) = 0;
};

// The WebSocket of one page.
class Socket {
 public:
  virtual ~Socket() = default;
  virtual Flow send(const std::string& text) = 0;
  virtual void close(std::uint16_t code, const std::string& reason) = 0;
};

}  // namespace viaduct::web_chat
