// One thing that goes out to Teams by the outbox, and where it has arrived. Values, and their JSON
// as the outbox keeps it. Any thread.
#pragma once

#include "plugins/teams/connector.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <viaduct/chat/file.hpp>

namespace viaduct::teams {

struct Shipment {
  enum class Kind {
    kPost,     // a message; with `reply_to`, in answer to that one
    kBegin,    // the first words of what kEnd ends; with `streams`, as a stream where that is
               // possible
    kEdit,     // what the message that the shipment `of` made becomes
    kEnd,      // the same for kBegin: `activity` is all of it
    kFile,     // `file` to the place that a person has agreed to; then `activity` says so
    kPicture,  // the file that is kept for its key, inside of a message; or else `activity`
    kAlone     // a message for `person` alone, whoever else is there
  };
  Kind kind = Kind::kPost;
  std::string key;
  std::string target;  // those of one target are sent in their order: the conversation
  Destination to;
  std::string activity;  // JSON object: a message as Teams gets it
  std::string of;        // kEdit, kEnd: key of the shipment that made it; kFile: that asked for it
  std::string reply_to;  // kPost: id of a message
  bool streams = false;  // kBegin
  std::string person;    // kAlone: 29:… or of Entra
  std::string upload_url;  // kFile: of the consent; a secret
  std::string file;        // kFile: the key that it is kept for
};

// What is noted of a file for which a person was asked.
inline constexpr std::string_view kOffered = "offered";

// Where it is now.
struct Arrival {
  std::string id;  // of the message; empty: nobody knows it, and it cannot be changed
  bool streams = false;
};

std::string shipment_json(const Shipment& shipment);  // without key and target
std::optional<Shipment> parse_shipment(std::string_view json);
std::string arrival_json(const Arrival& arrival);

// `text` of an activity.
std::string activity_text(std::string_view activity);
std::string with_text(std::string_view activity, std::string_view text);

// One frame of a stream: `text` as `activity` formats it. Without an id it begins one.
std::string frame_activity(std::string_view activity, std::string_view text,
                           std::string_view stream_id, std::uint64_t sequence);
// The message that ends a stream.
std::string final_activity(std::string_view activity, std::string_view stream_id);

// Whether Teams shows a file of this kind and size inside of a message, and such a message.
bool is_picture(const chat::File& file);
std::string picture_activity(const chat::File& file);

}  // namespace viaduct::teams
