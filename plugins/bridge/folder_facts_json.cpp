// The small files beside a transcript: what is known of a session but its messages.
#include "plugins/bridge/look_up.hpp"
#include "plugins/bridge/transcript_folders.hpp"

#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kLongestTitle = 120;

std::string path_in(const json& object) {
  const std::string path = string_in(object, "working_dir");
  if (!path.starts_with('/') || path.size() > kLongestPath || path.find('\0') != std::string::npos)
    return {};
  return std::filesystem::path(path).lexically_normal().string();
}

}  // namespace

FolderFacts parse_facts(std::string_view info_json, std::string_view metadata_json) {
  const json info = read<json>(info_json);
  const json metadata = read<json>(metadata_json);
  FolderFacts facts;
  facts.working_dir = path_in(info);
  if (facts.working_dir.empty()) facts.working_dir = path_in(metadata);
  facts.title = string_in(metadata, "name");
  if (facts.title.empty()) facts.title = string_in(metadata, "description");
  facts.title = net::one_line(facts.title, kLongestTitle);
  facts.session_id = string_in(metadata, "viaduct_session");
  facts.agent_type = string_in(metadata, "agent_type");
  facts.native_id = string_in(metadata, "native_id");
  facts.is_sub_session = !string_in(metadata, "parent_id").empty();
  return facts;
}

std::string session_info_json(std::string_view working_dir, std::string_view now) {
  return dump(json{{"working_dir", working_dir}, {"created_at", now}}, 2) + "\n";
}

std::string metadata_json(std::string_view old, const FolderSession& session,
                          std::string_view working_dir, std::string_view now,
                          std::string_view lines, bool are_all) {
  json metadata = read<json>(old);
  if (!metadata.is_object()) metadata = json::object();
  std::int64_t turns = 0;
  const auto count = metadata.find("turn_count");
  if (!are_all && count != metadata.end() && count->is_number_integer())
    turns = count->get<std::int64_t>();
  const LineCount said = count_lines(lines);
  turns += static_cast<std::int64_t>(said.users.size());
  metadata["session_id"] = folder_id(session.session_id);
  if (string_in(metadata, "created").empty()) metadata["created"] = now;
  metadata["working_dir"] = working_dir;
  if (string_in(metadata, "description").empty() && !said.users.empty()) {
    TranscriptReader reader;
    reader.feed(said.users.front());
    if (const std::string first = reader.finish().first; !first.empty())
      metadata["description"] = net::one_line(first, kLongestTitle);
  }
  metadata["turn_count"] = turns;
  metadata["last_updated"] = now;
  metadata["agent_type"] = session.agent_type;
  if (!session.native_id.empty()) metadata["native_id"] = session.native_id;
  metadata["viaduct_session"] = session.session_id;
  return dump(metadata, 2) + "\n";
}

}  // namespace viaduct::bridge
