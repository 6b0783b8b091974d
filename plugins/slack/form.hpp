// A body of type application/x-www-form-urlencoded, as slash commands and interactions come. Any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::slack {

class Form {
 public:
  // Takes any text. What is no UTF-8 becomes U+FFFD, a % without two digits stays.
  explicit Form(std::string_view body);

  // The first field of that name; empty if there is none.
  const std::string& get(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// As a name or a value stands in such a body, or in a query.
std::string form_encoded(std::string_view text);

// Slack's check of a certificate, which it does not sign: answered with 200, and nothing else of
// the body is looked at. Exactly "1", once.
bool is_ssl_check(std::string_view content_type, std::string_view body);

// Whether the type is that, whatever its parameters.
bool is_type(std::string_view content_type, std::string_view type);

}  // namespace viaduct::slack
