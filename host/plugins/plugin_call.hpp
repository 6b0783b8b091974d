// One asynchronous call of a plugin into a service: checks what it passes and carries it to where
// it is served. Any thread.
#pragma once

#include "host/plugins/instance.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace viaduct::plugins {

class PluginCall {
 public:
  // `waits`: it may take as long as a turn.
  PluginCall(const viaduct_host* host, std::uint64_t call, const char* what, bool waits = false);
  // Answers with the first thing that was wrong.
  ~PluginCall();
  PluginCall(const PluginCall&) = delete;
  PluginCall& operator=(const PluginCall&) = delete;
  // False when there is nobody to serve, or an argument was wrong.
  explicit operator bool() const { return in_ && !error_; }

  // Arguments. What they give is meaningful only while the call is true.
  std::string text(viaduct_str text, const char* name);
  std::string json_array(viaduct_str text, const char* name);  // or empty
  std::string json(viaduct_str text, const char* name, std::size_t limit);
  Principal principal(const viaduct_principal* who);
  void require(bool holds, std::string_view otherwise);

  // Where the answer goes, from the loop.
  Done<std::string> done();
  // Runs `serve(Instance&, Done<std::string>)` on the loop.
  template <class Serve>
  void on_loop(Serve serve) {
    in_->services().loop.post(
        [instance = in_->shared_from_this(), done = done(), serve = std::move(serve)]() mutable {
          serve(*instance, std::move(done));
        });
  }
  Instance& instance() const { return *in_; }

 private:
  HostCall in_;
  const std::uint64_t call_;
  const char* const what_;
  std::optional<Error> error_;
};

// Answers `done` with the JSON that `convert` makes of what was answered.
template <class Answer, class Convert>
Done<Answer> as_json(Done<std::string> done, Convert convert) {
  return [done = std::move(done), convert = std::move(convert)](Result<Answer> result) mutable {
    if (result)
      done(convert(*result));
    else
      done(std::unexpected(std::move(result.error())));
  };
}
// The same for what answers nothing: the text is fixed.
inline Done<> as_text(Done<std::string> done, std::string text = {}) {
  return [done = std::move(done), text = std::move(text)](Result<> result) mutable {
    if (result)
      done(std::move(text));
    else
      done(std::unexpected(std::move(result.error())));
  };
}

}  // namespace viaduct::plugins
