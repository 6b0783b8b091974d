// The JSON of the Web API's calls. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace viaduct::slack {

// Arguments as the body of a form, which every method takes.
struct ApiForm {
  std::string body;
  std::string channel;  // the one that the call is about, or empty
};
// Nothing: the arguments are no JSON object.
std::optional<ApiForm> form_of(std::string_view arguments);

// `arguments` of files.completeUploadExternal, for this file.
std::string with_file(std::string_view arguments, std::string_view file, std::string_view title);

// What Slack says in its answer.
struct ApiAnswer {
  bool is_json = false;  // an object, that is
  bool ok = false;
  std::string error;
  std::string needed, provided;  // of missing_scope
  std::string detail;            // the first of response_metadata.messages
};
ApiAnswer parse_answer(std::string_view body);

struct UploadPlace {
  std::string url;
  std::string file;
};
UploadPlace parse_upload_place(std::string_view body);

}  // namespace viaduct::slack
