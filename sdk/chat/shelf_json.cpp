#include <viaduct/chat/base64.hpp>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/shelf.hpp>
#include <viaduct/chat/value.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace viaduct::chat {
namespace {

// Of a file, its pieces, and how far it has come: one does not begin as another.
constexpr std::string_view kFiles = "file/";
constexpr std::string_view kBehindFiles = "file0";
constexpr std::string_view kPieces = "filepiece/";
constexpr std::string_view kNotes = "filenote/";
constexpr std::size_t kPiece = 720 << 10;  // a multiple of 3, so that base64 fills a MiB nearly
constexpr std::uint32_t kPage = 100;

std::chrono::seconds now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

std::string piece_key(std::string_view key, std::size_t number) {
  return std::string(kPieces) + std::string(key) + "/" + std::to_string(number);
}
std::size_t pieces_of(std::uint64_t size) {
  return static_cast<std::size_t>((size + kPiece - 1) / kPiece);
}

std::string dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Shelf::Kept kept_of(std::string_view key, const Value& from) {
  Shelf::Kept kept;
  kept.key = key;
  kept.place = {from.text("team"), from.text("channel"), from.text("thread")};
  kept.name = from.text("name");
  kept.size = from.number("size");
  kept.age = std::max(now() - std::chrono::seconds(from.number("at")), std::chrono::seconds(0));
  return kept;
}

}  // namespace

net::Task<net::Result<>> Shelf::write(std::string key, std::string json) {
  const sdk::Answer kept = co_await answered([&](sdk::Callback done) {
    documents_.put(key, json, sdk::Documents::kAnyVersion, std::move(done));
  });
  if (!kept.ok()) co_return std::unexpected(kept.status());
  co_return net::Result<>();
}

net::Task<net::Result<std::optional<std::string>>> Shelf::read(std::string key) {
  sdk::Answer found =
      co_await answered([&](sdk::Callback done) { documents_.get(key, std::move(done)); });
  if (found.code == sdk::Code::kNotFound) co_return std::optional<std::string>();
  if (!found.ok()) co_return std::unexpected(found.status());
  co_return std::optional<std::string>(std::move(found.result));
}

// What tells of its pieces is there before them, so that none is forgotten.
net::Task<net::Result<>> Shelf::put(std::string key, Place place, const File& file) {
  const std::string about = dump({{"team", place.team},
                                  {"channel", place.channel},
                                  {"thread", place.thread},
                                  {"name", file.name},
                                  {"type", file.type},
                                  {"words", file.words},
                                  {"alt", file.alt},
                                  {"size", file.bytes.size()},
                                  {"at", now().count()}});
  if (auto kept = co_await write(std::string(kFiles) + key, about); !kept) co_return kept;
  for (std::size_t i = 0; i < pieces_of(file.bytes.size()); ++i) {
    const std::string_view piece = std::string_view(file.bytes).substr(i * kPiece, kPiece);
    auto kept = co_await write(piece_key(key, i), R"({"data":")" + base64(piece) + "\"}");
    if (!kept) co_return kept;
  }
  co_return net::Result<>();
}

net::Task<net::Result<std::optional<File>>> Shelf::get(std::string key) {
  const auto about = co_await read(std::string(kFiles) + key);
  if (!about) co_return std::unexpected(about.error());
  if (!*about) co_return std::optional<File>();
  const Value said = Value::parsed(**about).at("value");
  File file{said.text("name"), said.text("type"), said.text("words"), said.text("alt"), ""};
  const std::uint64_t size = said.number("size");
  for (std::size_t i = 0; i < pieces_of(size); ++i) {
    const auto piece = co_await read(piece_key(key, i));
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) co_return std::optional<File>();
    const auto bytes = unbase64(Value::parsed(**piece).at("value").text("data"));
    if (!bytes) co_return std::optional<File>();
    file.bytes += *bytes;
  }
  if (file.bytes.size() != size) co_return std::optional<File>();
  co_return std::optional<File>(std::move(file));
}

net::Task<net::Result<std::optional<Shelf::Kept>>> Shelf::find(std::string key) {
  const auto about = co_await read(std::string(kFiles) + key);
  if (!about) co_return std::unexpected(about.error());
  if (!*about) co_return std::optional<Kept>();
  co_return std::optional<Kept>(kept_of(key, Value::parsed(**about).at("value")));
}

net::Task<std::vector<Shelf::Kept>> Shelf::all() {
  std::vector<Kept> found;
  std::string from(kFiles);
  for (bool more = true; more;) {
    const sdk::Answer answer = co_await answered(
        [&](sdk::Callback done) { documents_.scan(from, kBehindFiles, kPage, std::move(done)); });
    if (!answer.ok()) {
      log_.warn("files that are kept cannot be listed reason=" + answer.message);
      break;
    }
    const Value page = Value::parsed(answer.result);
    more = page.yes("more");
    for (const Value& one : page.at("documents").items()) {
      const std::string key = one.text("key");
      from = key + '\0';
      found.push_back(kept_of(std::string_view(key).substr(kFiles.size()), one.at("value")));
    }
  }
  co_return found;
}

// What tells of the pieces goes last: cut off, it is done again.
net::Task<> Shelf::drop(std::string key) {
  const auto kept = co_await find(key);
  if (!kept || !*kept) co_return;
  std::vector<std::string> documents{std::string(kNotes) + key};
  for (std::size_t i = pieces_of((*kept)->size); i > 0; --i)
    documents.push_back(piece_key(key, i - 1));
  documents.push_back(std::string(kFiles) + key);
  for (const std::string& document : documents) {
    const sdk::Answer gone = co_await answered([&](sdk::Callback done) {
      documents_.remove(document, sdk::Documents::kAnyVersion, std::move(done));
    });
    if (!gone.ok() && gone.code != sdk::Code::kNotFound) {
      log_.warn("a file is kept longer than it is needed reason=" + gone.message);
      co_return;
    }
  }
}

net::Task<net::Result<>> Shelf::note(std::string key, std::string words) {
  co_return co_await write(std::string(kNotes) + key, dump({{"words", words}}));
}

net::Task<net::Result<std::string>> Shelf::noted(std::string key) {
  const auto note = co_await read(std::string(kNotes) + key);
  if (!note) co_return std::unexpected(note.error());
  if (!*note) co_return std::string();
  co_return Value::parsed(**note).at("value").text("words");
}

}  // namespace viaduct::chat
