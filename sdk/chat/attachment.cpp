#include <viaduct/chat/attachment.hpp>

#include <viaduct/chat/base64.hpp>
#include <viaduct/chat/text.hpp>

#include <viaduct/sdk/base.hpp>

namespace viaduct::chat {
namespace {

bool is_text(std::string_view type, std::string_view bytes) {
  const bool may_be = type.starts_with("text/") || type == "application/json" ||
                      type == "application/xml" || type == "application/yaml" ||
                      type == "application/javascript";
  return may_be && valid_utf8(bytes) == bytes;
}

}  // namespace

std::string attachment_json(std::string_view scheme, std::string_view id, std::string_view name,
                            std::string_view type, std::string_view bytes) {
  const std::string mime = sdk::json_string(type);
  if (type.starts_with("image/") || type.starts_with("audio/"))
    return R"({"type":")" + std::string(type.substr(0, 5)) + R"(","mimeType":)" + mime +
           R"(,"data":")" + base64(bytes) + R"("})";
  std::string json = R"({"type":"resource","resource":{"uri":)" +
                     sdk::json_string(std::string(scheme) + "://file/" + std::string(id) + "/" +
                                      std::string(name)) +
                     R"(,"mimeType":)" + mime;
  if (is_text(type, bytes))
    json += R"(,"text":)" + sdk::json_string(bytes);
  else
    json += R"(,"blob":")" + base64(bytes) + "\"";
  return json + "}}";
}

}  // namespace viaduct::chat
