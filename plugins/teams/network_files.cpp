// Files for people: a picture is a message, anything else is offered to a person in the chat with
// them, and put into their OneDrive when they have agreed. Elsewhere Teams takes no files from
// bots.
#include "plugins/teams/network.hpp"

#include "plugins/teams/words.hpp"

#include <utility>
#include <viaduct/chat/value.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

constexpr auto kForgotten = 72h;  // a file that nobody has asked to be sent

std::string upload_key(const std::string& file, int number) {
  return file + "/upload" + std::to_string(number);
}

// "chart.png (an image, 1.2 MB)"
std::string described(const chat::File& file) {
  return bold(escaped(file.name)) + " (" + (file.alt.empty() ? "" : escaped(file.alt) + ", ") +
         chat::size_words(file.bytes.size()) + ")";
}

}  // namespace

chat::Body TeamsNetwork::offer(std::string_view file, std::string_view card, std::string_view name,
                               std::string_view words, std::size_t size) const {
  const std::string context = R"({"viaduct":1,"file":)" + sdk::json_string(file) + R"(,"card":)" +
                              sdk::json_string(card) + "}";
  return file_consent_body(name, words, size, context);
}

net::Task<net::Result<bool>> TeamsNetwork::post_file(chat::Place place, std::string key,
                                                     const chat::File& file) {
  const Reference* known = references_.find(place);
  const bool is_personal = known != nullptr && known->kind == ConversationKind::kPersonal;
  const chat::Body instead =
      is_personal
          ? offer(key, key, file.name, file.words.empty() ? file.alt : file.words,
                  file.bytes.size())
          : teams::note_body(described(file) +
                             " cannot be sent here: Teams takes no such files from bots in group "
                             "chats and channels. Ask for it in a chat with me alone; whoever runs "
                             "this host has it, too: " +
                             teams::code("viaduct sessions export") + ".");
  auto out = shipment(Shipment::Kind::kPost, place, key, instead);
  if (!out) co_return co_await ship(std::move(out));
  if (is_picture(file))
    out->kind = Shipment::Kind::kPicture;
  else if (!is_personal)
    co_return co_await ship(std::move(out));
  const auto state = co_await outbox_.state_of(key);
  if (!state)
    co_return std::unexpected(sdk::Status{sdk::Code::kUnavailable, "the outbox does not answer"});
  if (!state->empty()) co_return false;
  if (const auto kept = co_await shelf_.put(key, std::move(place), file); !kept)
    co_return std::unexpected(kept.error());
  if (out->kind == Shipment::Kind::kPost)
    if (const auto noted = co_await shelf_.note(key, std::string(kOffered)); !noted)
      co_return std::unexpected(noted.error());
  co_return co_await ship(std::move(out));
}

net::Task<> TeamsNetwork::deliver_file(chat::Place place, FileConsent consent, std::string key) {
  const chat::Value context =
      chat::Value::parsed(chat::Value::parsed(consent.context).text("value"));
  const std::string file = context.text("file");
  const std::string card = context.text("card");
  if (file.empty() || card.empty()) co_return;
  const auto kept = co_await shelf_.find(file);
  // Offered in this very chat.
  if (kept && *kept && (*kept)->place != place) co_return;
  // Once it is on its way, or there, it stays so, whatever is pressed.
  int number = 1;
  for (;; ++number) {
    const auto state = co_await outbox_.state_of(upload_key(file, number));
    if (!state || !kept) {
      log_.error("the answer to an offered file is not taken, it may be given again");
      co_return;
    }
    if (state->empty()) break;
    if (*state != "failed" && *state != "expired") co_return;
  }
  const bool is_there = *kept && (*kept)->age < config_.keep_files;
  if (!consent.is_accepted || !is_there) {
    co_await edit(std::move(place), std::move(key), card,
                  note(consent.is_accepted ? "This file is not there any more. Ask for it again."
                                           : "The file was declined.",
                       {}));
    if (!consent.is_accepted) co_await shelf_.drop(file);
    co_return;
  }
  auto out =
      shipment(Shipment::Kind::kFile, place, upload_key(file, number),
               file_info_body({consent.name, consent.id, consent.extension, consent.content_url}));
  if (!out) co_return;
  // Nothing that is said meanwhile waits for it.
  out->target = out->key;
  out->of = card;
  out->file = file;
  out->upload_url = consent.upload_url;
  if (const auto posted = co_await outbox_.post(*std::move(out)); !posted)
    log_.error("file not kept for sending reason=" + posted.error().message);
}

net::Task<> TeamsNetwork::offer_again(Shipment refused, Failure why) {
  const auto kept = co_await shelf_.find(refused.file);
  if (!kept || !*kept) co_return;
  const chat::Place place = (*kept)->place;
  co_await edit(place, refused.key + "/failed", refused.of,
                note(bold(escaped((*kept)->name)) +
                         " could not be put into your OneDrive: " + escaped(why.message) + ".",
                     {}));
  const std::string card = refused.key + "/again";
  co_await post(place, card,
                offer(refused.file, card, (*kept)->name, "Try again?",
                      static_cast<std::size_t>((*kept)->size)));
}

net::Task<> TeamsNetwork::tidy() {
  for (const chat::Shelf::Kept& one : co_await shelf_.all()) {
    const auto noted = co_await shelf_.noted(one.key);
    if (!noted) continue;
    const bool is_offered = !noted->empty();
    if (is_offered && one.age < config_.keep_files) continue;
    const auto state = co_await outbox_.state_of(one.key);
    const bool is_over = state && (*state == "sent" || *state == "failed" || *state == "expired");
    if (!is_offered && !is_over && one.age < kForgotten) continue;
    if (is_offered)
      co_await edit(one.place, one.key + "/over", one.key,
                    note(bold(escaped(one.name)) +
                             " was offered and not taken. Ask for it again if you want it.",
                         {}));
    co_await shelf_.drop(one.key);
  }
}

}  // namespace viaduct::teams
