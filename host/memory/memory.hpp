// What people asked to be remembered: recognises such messages, and answers them from the store,
// for each user by itself. Lives on the loop; every answer comes there, and one that needs no
// store comes inside the call.
#pragma once

#include "host/error.hpp"
#include "host/principal.hpp"
#include "host/store/store.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::memory {

enum class Action { remember, recall };
struct Intent {
  Action action;
  std::string text;  // what to remember, or what to look for
};
// The six patterns; nullopt: an ordinary message. [any-thread]
std::optional<Intent> intent(std::string_view message);

struct Categories {
  std::string category;
  std::vector<std::string> tags;
};
// By whole words, ignoring case. [any-thread]
Categories categorize(std::string_view text);

// Answers are JSON text, as viaduct_memory in abi.h says.
class MemoryService {
 public:
  explicit MemoryService(store::Store& store);

  void message(const Principal& who, std::string text,
               Done<std::string> done);  // "{}" when it is for the backend
  void remember(const Principal& who, std::string text, Done<std::string> done);
  void recall(const Principal& who, std::string query, Done<std::string> done);
  void work_status(const Principal& who, Done<std::string> done);
  void work_log(const Principal& who, std::string items_json, Done<std::string> done);

 private:
  store::Store& store_;
};

}  // namespace viaduct::memory
