// viaduct.http/1: from the plugin to the HTTP server. The other way is Instance, as http::Handler.
#include "host/plugins/abi_text.hpp"
#include "host/plugins/instance.hpp"
#include "host/plugins/service_tables.hpp"

#include <fmt/format.h>

namespace viaduct::plugins {
namespace {

viaduct_code refused(Instance& instance, std::string_view what, const Error& error) {
  instance.fault(fmt::format("{}: {}", what, error.message));
  return static_cast<viaduct_code>(error.code);
}

viaduct_code http_route(const viaduct_host* host, viaduct_str method, viaduct_str pattern,
                        std::uint32_t flags, std::uint64_t token) noexcept {
  const HostCall in(host, "http.route");
  if (!in) return VIADUCT_E_UNAVAILABLE;
  const auto added =
      in->add_route(std::string(view(method)), std::string(view(pattern)), flags, token);
  if (!added)
    return refused(
        *in, fmt::format("route {} {}", repaired_utf8(view(method)), repaired_utf8(view(pattern))),
        added.error());
  return VIADUCT_OK;
}

viaduct_code http_files(const viaduct_host* host, const viaduct_file* files,
                        std::size_t count) noexcept {
  const HostCall in(host, "http.files");
  if (!in) return VIADUCT_E_UNAVAILABLE;
  if (files == nullptr && count > 0) return VIADUCT_E_INVALID_ARGUMENT;
  std::vector<http::File> list;
  list.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    list.push_back({.path = std::string(view(files[i].path)),
                    .content_type = std::string(view(files[i].content_type)),
                    .data = view(files[i].data),
                    .gzip = view(files[i].gzip),
                    .immutable = files[i].immutable != 0});
  const auto added = in->add_files(list);
  return added ? VIADUCT_OK : refused(*in, "files", added.error());
}

// Null for what is not to be sent.
std::optional<http::Response> response_of(Instance& instance, const viaduct_http_response* raw) {
  if (raw == nullptr || raw->struct_size < VIADUCT_SIZE_WITH(viaduct_http_response, body) ||
      (raw->headers == nullptr && raw->header_count > 0)) {
    instance.fault("it answers a request with a response that is null or too short");
    return std::nullopt;
  }
  if (raw->status < 200 || raw->status > 599) {
    instance.fault(fmt::format("it answers a request with status {}", raw->status));
    return std::nullopt;
  }
  http::Response response;
  response.status = raw->status;
  response.headers.reserve(raw->header_count);
  for (std::size_t i = 0; i < raw->header_count; ++i) {
    const std::string_view name = view(raw->headers[i].name);
    const std::string_view value = view(raw->headers[i].value);
    // A line break in a header would let a user's text forge the rest of the answer.
    if (name.empty() || name.find_first_of(std::string_view("\r\n\0: ", 5)) != name.npos ||
        value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos) {
      instance.fault("it answers a request with a header that is none");
      return std::nullopt;
    }
    response.headers.push_back({std::string(name), std::string(value)});
  }
  response.body = std::string(view(raw->body));
  return response;
}

http::Response broken() {
  return {.status = 500,
          .headers = {{"content-type", "application/json"}},
          .body = R"({"error":"the plugin answered what cannot be sent"})"};
}

void http_respond(const viaduct_host* host, std::uint64_t exchange,
                  const viaduct_http_response* raw) noexcept {
  const HostCall in(host, "http.respond");
  if (!in) return;
  auto response = response_of(*in, raw);
  in->services().http.respond(exchange, response ? std::move(*response) : broken());
}

viaduct_flow http_begin(const viaduct_host* host, std::uint64_t exchange,
                        const viaduct_http_response* raw) noexcept {
  const HostCall in(host, "http.begin");
  if (!in) return VIADUCT_FLOW_GONE;
  auto head = response_of(*in, raw);
  if (!head) {
    in->services().http.respond(exchange, broken());
    return VIADUCT_FLOW_GONE;
  }
  return static_cast<viaduct_flow>(in->services().http.begin(exchange, std::move(*head)));
}

viaduct_flow http_write(const viaduct_host* host, std::uint64_t exchange,
                        viaduct_str piece) noexcept {
  const HostCall in(host, "http.write");
  if (!in) return VIADUCT_FLOW_GONE;
  return static_cast<viaduct_flow>(in->services().http.write(exchange, std::string(view(piece))));
}

void http_finish(const viaduct_host* host, std::uint64_t exchange) noexcept {
  if (const HostCall in(host, "http.finish"); in) in->services().http.finish(exchange);
}

void http_accept(const viaduct_host* host, std::uint64_t exchange) noexcept {
  if (const HostCall in(host, "http.accept"); in) in->services().http.accept(exchange);
}

viaduct_flow http_send(const viaduct_host* host, std::uint64_t exchange, viaduct_str raw) noexcept {
  const HostCall in(host, "http.send");
  if (!in) return VIADUCT_FLOW_GONE;
  const std::string_view text = view(raw);
  // The peer would have to fail the connection.
  std::string whole = valid_utf8(text) ? std::string(text) : repaired_utf8(text);
  return static_cast<viaduct_flow>(in->services().http.send(exchange, std::move(whole)));
}

void http_close(const viaduct_host* host, std::uint64_t exchange, std::uint16_t code,
                viaduct_str reason) noexcept {
  if (const HostCall in(host, "http.close"); in)
    in->services().http.close(exchange, code, repaired_utf8(view(reason)));
}

constexpr viaduct_http kHttp{sizeof(viaduct_http), 0,          http_route, http_files,
                             http_respond,         http_begin, http_write, http_finish,
                             http_accept,          http_send,  http_close};

}  // namespace

const viaduct_http& http_table() {
  return kHttp;
}

}  // namespace viaduct::plugins
