// One thing that goes out to Slack by the outbox, and where it has arrived. Values, and their JSON
// as the outbox keeps it. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace viaduct::slack {

struct Shipment {
  enum class Kind {
    kPost,     // a method that makes something: chat.postMessage, chat.startStream, …
    kEdit,     // chat.update of the message that the shipment `of` made
    kEnd,      // the same of one that was streamed: `markdown` is all of it
    kRespond,  // `args` to the response_url `method`, else `markdown` by chat.postEphemeral
    kFile      // `markdown` as a file in the thread, named by `method`
  };
  Kind kind = Kind::kPost;
  std::string key;
  std::string target;  // those of one target are sent in their order
  std::string team;
  std::string method;
  std::string args;      // JSON object
  std::string of;        // kEdit, kEnd: key of the shipment that made it
  std::string markdown;  // kEnd, kFile
};

// Where it is now.
struct Arrival {
  std::string channel;
  std::string ts;
};

std::string shipment_json(const Shipment& shipment);  // without key and target
std::optional<Shipment> parse_shipment(std::string_view json);
std::string arrival_json(const Arrival& arrival);
std::optional<Arrival> parse_arrival(std::string_view json);
// What posting methods answer: {"channel","ts"} or {"message":{"ts"}}.
Arrival posted_at(std::string_view answer);
// `args` with the place of an arrival.
std::string with_place(std::string_view args, const Arrival& at);
// The same without blocks, which were refused: the text of a Markdown block becomes the text.
std::string without_blocks(std::string_view args);
// A value of `args`, text only.
std::string argument(std::string_view args, std::string_view name);

// What the outbox said of a shipment: {"new","state","result"} or {"state","result","reason"}.
struct Posted {
  bool is_new = false;
  std::string state;
  std::optional<Arrival> arrival;
};
std::optional<Posted> parse_posted(std::string_view json);

// Looks for a message by its key in what conversations.replies or .history answered.
struct Search {
  std::optional<Arrival> found;
  bool more = false;
  std::string cursor;
};
std::optional<Search> find_by_key(std::string_view answer, std::string_view channel,
                                  std::string_view key);
// The streamed message of `bot_user` that begins with `text`, for streams have no metadata.
std::optional<Search> find_by_text(std::string_view answer, std::string_view channel,
                                   std::string_view bot_user, std::string_view text);

}  // namespace viaduct::slack
