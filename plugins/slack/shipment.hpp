// One thing that goes out to Slack by the outbox, and where it has arrived. Values, and their JSON
// as the outbox keeps it. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/chat/place.hpp>

namespace viaduct::slack {

struct Shipment {
  enum class Kind {
    kPost,     // a method that makes something: chat.postMessage, chat.startStream, …
    kEdit,     // chat.update of the message that the shipment `of` made
    kEnd,      // the same of one that was streamed: `markdown` is all of it
    kRespond,  // `args` to the response_url `method`, else `markdown` by chat.postEphemeral
    kFile      // the file that is kept for its key, by `args` of files.completeUploadExternal
  };
  Kind kind = Kind::kPost;
  std::string key;
  std::string target;  // those of one target are sent in their order
  std::string team;
  std::string method;
  std::string args;        // JSON object
  std::string of;          // kEdit, kEnd: key of the shipment that made it
  std::string markdown;    // kEnd
  std::int64_t since = 0;  // chat.startStream: when it was made, in seconds since the epoch
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
// `args` with the metadata of a key.
std::string with_key(std::string_view args, std::string_view key);
// A new message that says what `args` of an update do.
std::string new_message(std::string_view args, const chat::Place& place, std::string_view key);
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
// Or by the id of the file that was shared with it, which may be empty.
std::optional<Search> find_by_key(std::string_view answer, std::string_view channel,
                                  std::string_view key, std::string_view file = {});
// A stream has metadata only when it has ended: which messages of `bot_user` in such an answer may
// be the one that was begun with `text`, not before `since`. Slack may keep the text converted:
// only its letters and digits count.
struct StreamSearch {
  std::vector<Arrival> fitting;
  std::vector<Arrival> others;  // that have no key either, and other words
  bool more = false;
  std::string cursor;
};
std::optional<StreamSearch> find_stream(std::string_view answer, std::string_view channel,
                                        std::string_view bot_user, std::string_view text,
                                        std::int64_t since);

}  // namespace viaduct::slack
