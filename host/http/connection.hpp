// One client's connection: requests in order, and a WebSocket after an upgrade. On the loop; kept
// alive by its own asynchronous work. Calls its handler only from that work, never inside a call
// of the server's interface.
#pragma once

#include "host/http/core.hpp"

#include <memory>
#include <string>
#include <vector>

namespace viaduct::http {

class Connection final : public std::enable_shared_from_this<Connection>, public Deadline {
 public:
  // `is_loopback`: the listener that it comes from.
  Connection(std::shared_ptr<Core> core, Socket socket, bool webhooks, bool is_loopback);
  ~Connection();

  void start();
  void refuse_connection();  // 503 and no more

  // What the plugin says about the exchange that is open.
  void respond(Response response);
  void begin(Response head);
  void write(std::string piece);
  void finish();
  void accept();
  void send(std::string text);
  void close_websocket(std::uint16_t code, std::string reason);

  void drain();
  // The plugin is gone: ends what is open without another word to it.
  void abandon();
  const MountState* mount() const { return plan_.mount.get(); }
  // Ends at once; tells the handler if something was open.
  void drop(std::string reason);
  // Closes and tells nobody.
  void shut_down();
  // A deadline may have passed.
  void look(Clock::time_point now);

  std::size_t place = 0;  // in the server's list
  bool counts = true;     // against the limit of connections

 private:
  enum class State : std::uint8_t {
    idle,       // between requests
    header,     // part of a request's header is here
    body,       // the header is here
    answering,  // the plugin works
    streaming,  // the plugin writes
    upgrading,  // the WebSocket's handshake is being sent
    websocket,
    closing,    // our close frame is on its way
    lingering,  // nothing more is sent; what still comes is thrown away, lest the answer is lost
    closed,
  };
  struct Incoming;   // the parser, while a request comes in
  struct WebSocket;  // Beast's stream

  bool reading() const { return state_ <= State::body && !writing_; }
  bool wants_to_read() const;
  void arm();
  void readable(boost::system::error_code error);
  std::size_t feed(std::string_view bytes);
  void take(std::string_view bytes);  // feeds, and keeps the rest
  void refuse(unsigned status, std::string_view message);
  void deliver();
  bool is_local();
  void serve(const StaticFile& file, const RequestHead& head);
  void answer(Response response);
  void append_answer_head(const Response& response, HeadOptions& options);
  void answered(unsigned status);
  void note(unsigned status);  // in log and metrics
  void flush();
  void written(boost::system::error_code error);
  void sent_all();
  void go_on();
  // Ends the connection and tells the handler; politely: a close frame has been sent to a
  // peer that may still be sending, and shall read it.
  void lost(std::uint16_t code, std::string reason, bool politely = false);
  void lost_later(std::string reason);
  void close();
  void set(State state);
  Clock::time_point due() const;
  void watch();
  Traffic& traffic();

  void read_message();
  void message_read(boost::system::error_code error, std::size_t size);
  void write_message();
  void message_written(boost::system::error_code error);
  void send_close();
  void look_at_websocket(Clock::time_point now);

  std::shared_ptr<Core> core_;
  Stream stream_;
  std::unique_ptr<Incoming> incoming_;
  std::unique_ptr<WebSocket> websocket_;
  std::string in_;       // read, not yet parsed
  std::string out_;      // to be sent
  std::string sending_;  // being sent
  std::size_t out_cost_ = 0;
  std::size_t sending_cost_ = 0;
  std::size_t sent_ = 0;  // body bytes of this answer, for the log
  Plan plan_;
  std::string request_id_;
  ExchangeId exchange_ = 0;  // while the plugin may speak about it
  Clock::time_point since_;  // of this state
  Clock::time_point began_;  // of this request
  unsigned status_ = 0;      // of a streamed answer
  State state_ = State::idle;
  bool webhooks_;
  std::optional<bool> is_local_;  // once it is known
  bool armed_ = false;            // waits to be readable
  bool writing_ = false;          // `sending_` is on its way
  bool processing_ = false;       // inside feed(): who answers now is flushed by it
  bool keep_alive_ = false;       // after this answer
  bool head_only_ = false;        // HEAD
  bool chunked_ = false;
  bool http10_ = false;
  bool send_shut_ = false;
};

}  // namespace viaduct::http
