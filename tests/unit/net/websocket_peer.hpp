// The server's end of a WebSocket, frame by frame in the test's hands.
#pragma once

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/unit/net/server.hpp"

namespace viaduct::net {

// Sec-WebSocket-Accept for an upgrade.
inline std::string accept_of(const std::string& request) {
  constexpr std::string_view kName = "Sec-WebSocket-Key: ";
  const auto at = request.find(kName) + kName.size();
  const std::string text =
      request.substr(at, request.find('\r', at) - at) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char hash[SHA_DIGEST_LENGTH];
  ::SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash);
  unsigned char base64[32];
  const int size = ::EVP_EncodeBlock(base64, hash, sizeof hash);
  return std::string(reinterpret_cast<const char*>(base64), static_cast<std::size_t>(size));
}

inline std::string agreement(const std::string& request, const std::string& more = {}) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         accept_of(request) + "\r\n" + more + "\r\n";
}

// A frame as a server sends it.
inline std::string frame(int opcode, std::string_view payload, bool last = true) {
  std::string bytes(1, static_cast<char>(opcode | (last ? 0x80 : 0)));
  const std::uint64_t size = payload.size();
  const int more = size < 126 ? 0 : size < 65536 ? 2 : 8;
  bytes += static_cast<char>(more == 0 ? size : more == 2 ? 126 : 127);
  for (int i = more - 1; i >= 0; --i) bytes += static_cast<char>(size >> (8 * i));
  return bytes += payload;
}

enum Opcode { kMore = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  int opcode = -1;  // none: the client has gone
  bool last = false;
  bool masked = false;
  std::string payload{};
  // Of a close.
  int code() const {
    return payload.size() < 2 ? 1005
                              : static_cast<unsigned char>(payload[0]) * 256 +
                                    static_cast<unsigned char>(payload[1]);
  }
};

// `take`: exactly so many bytes of the client's, or none.
template <class Take>
Frame read_frame(Take take) {
  Frame frame;
  const auto number = [&](std::size_t size) {
    std::uint64_t value = 0;
    for (const char c : take(size)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  };
  const std::string head = take(2);
  if (head.empty()) return frame;
  frame.opcode = head[0] & 0x0F;
  frame.last = (head[0] & 0x80) != 0;
  frame.masked = (head[1] & 0x80) != 0;
  std::uint64_t size = head[1] & 0x7F;
  if (size == 126) size = number(2);
  if (size == 127) size = number(8);
  const std::string mask = frame.masked ? take(4) : std::string();
  if (size > 0) frame.payload = take(size);
  for (std::size_t i = 0; i < frame.payload.size() && frame.masked; ++i)
    frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
  return frame;
}

class WebSocketPeer {
 public:
  // Reads the upgrade.
  explicit WebSocketPeer(Peer& peer) : peer_(peer), request_(peer.request()) {}

  const std::string& request() const { return request_; }
  bool agree(const std::string& headers = {}) { return peer_.say(agreement(request_, headers)); }
  bool say(int opcode, std::string_view payload, bool last = true) {
    return peer_.say(frame(opcode, payload, last));
  }
  Frame read() {
    return read_frame([this](std::size_t size) { return peer_.take(size); });
  }
  // Ends when the client has gone.
  void echo() {
    for (Frame got = read(); got.opcode >= 0; got = read())
      say(got.opcode == kPing ? kPong : got.opcode, got.payload, got.last);
  }

 private:
  Peer& peer_;
  const std::string request_;
};

}  // namespace viaduct::net
