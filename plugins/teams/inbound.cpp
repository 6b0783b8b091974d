#include "plugins/teams/inbound.hpp"

#include "plugins/teams/text.hpp"
#include "plugins/teams/words.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <memory>
#include <utility>
#include <viaduct/chat/attachment.hpp>
#include <viaduct/chat/context.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

// An older message is no longer what its author expects an answer to.
constexpr auto kTooOld = 30min;
constexpr std::size_t kMostContext = 20'000;  // bytes
constexpr std::size_t kMostOfAFile = 5 << 20;
constexpr std::size_t kMostOfFiles = 10 << 20;
constexpr std::string_view kTooMuch =
    "all files of a message may have 10 MB together; send it by itself";
constexpr std::size_t kMostAnswered = 200;
constexpr int kTries = 3;          // of a file that may be had later
constexpr auto kFilesLimit = 60s;  // of those of a message, until the last try begins
// Of this plugin's own button: a message as it is after it was edited.
constexpr std::string_view kRunAction = "run";
constexpr std::size_t kLongestValue = 2'000;
constexpr std::size_t kLongestFeedback = 1'000;  // in the log
constexpr std::size_t kLongestWord = 100;

// The first line, and what is below it.
std::pair<std::string_view, std::string_view> cut(std::string_view text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  return {text.substr(0, end), text.substr(std::min(end + 1, text.size()))};
}

std::string minutes(std::chrono::milliseconds age) {
  return std::to_string(std::chrono::duration_cast<std::chrono::minutes>(age).count());
}

}  // namespace

struct Inbound::Waiting {
  explicit Waiting(net::Loop& loop) : limit(loop.context()) {}
  Answer answer;
  boost::asio::steady_timer limit;
};

Inbound::Inbound(const sdk::Host& host, chat::World& world, chat::Conversations& conversations,
                 chat::Commands& commands, TeamsNetwork& network, References& references,
                 Connector& connector, Files& files, const Config& config)
    : loop_(world.loop),
      log_(host),
      metrics_(host),
      world_(world),
      conversations_(conversations),
      commands_(commands),
      network_(network),
      references_(references),
      connector_(connector),
      files_(files),
      config_(config),
      inbox_(host, world.loop,
             {[](std::string_view json) { return parse_activity(json); },
              [](const Activity& activity) { return place_of(activity).key(); },
              [this](Activity activity, std::chrono::milliseconds age) {
                return handle(std::move(activity), age);
              },
              "teams_duplicates_total"}) {
  network_.on_reply([this](std::string_view reply_url, const chat::Body& body) {
    const std::string key(reply_url.substr(kInvokeReply.size()));
    if (!invokes_.contains(key)) return false;
    settle(key, message_answer(body.text));
    return true;
  });
}

void Inbound::close() {
  for (const auto& [key, waiting] : std::exchange(invokes_, {})) {
    waiting->limit.cancel();
    if (waiting->answer) waiting->answer(503, "");
  }
}

// ---------------------------------------------------------------- taking

bool Inbound::is_bound(const chat::Place& place) const {
  return world_.bindings.active(place) != nullptr || commands_.is_beginning(place);
}

bool Inbound::is_nothing(const Activity& activity) const {
  if (const auto* said = std::get_if<Message>(&activity.what)) {
    if (const Ignored why = why_ignored(activity, *said); why != Ignored::kNot) {
      log_.debug("ignored reason=" + std::string(words(why)));
      return true;
    }
    return said->value.empty() && !is_addressed(activity, *said) &&
           config_.channel_messages != ChannelMessages::kAll;
  }
  if (std::holds_alternative<MessageEdited>(activity.what))
    return config_.edits == Edits::kIgnore || activity.is_own();
  if (const auto* reactions = std::get_if<Reactions>(&activity.what)) {
    for (const std::string& one : reactions->added)
      metrics_.count("teams_reactions_total", 1,
                     one == "like" ? R"({"reaction":"like"})" : R"({"reaction":"other"})");
    return true;
  }
  return std::holds_alternative<Typing>(activity.what) ||
         std::holds_alternative<Event>(activity.what) ||
         std::holds_alternative<OtherActivity>(activity.what);
}

std::optional<InvokeAnswer> Inbound::at_once(const Activity& activity, const Invoke& invoke) {
  if (const auto* feedback = std::get_if<Feedback>(&invoke.what)) {
    const bool liked = feedback->reaction == "like";
    metrics_.count("teams_feedback_total", 1,
                   liked ? R"({"reaction":"like"})" : R"({"reaction":"dislike"})");
    const std::string text = net::one_line(feedback->text, kLongestFeedback);
    if (const auto line = lines_.line(
            "feedback", "feedback reaction=" + std::string(liked ? "like" : "dislike") +
                            " message=" + net::one_line(feedback->message, kLongestWord) +
                            (text.empty() ? "" : " text=" + sdk::json_string(text))))
      log_.info(*line);
    return empty_answer();
  }
  if (std::holds_alternative<FeedbackForm>(invoke.what))
    return task_answer("Thank you. There is no form to fill in here.");
  if (std::holds_alternative<TaskModule>(invoke.what)) return not_implemented();
  if (std::holds_alternative<SignIn>(invoke.what)) return sign_in_failed();
  if (std::holds_alternative<BotConfig>(invoke.what))
    return config_answer("Viaduct", note_card("There is nothing to set here: whoever runs this bot "
                                              "does that in its configuration.",
                                              {}));
  if (std::holds_alternative<OtherInvoke>(invoke.what)) {
    const std::string name = net::one_line(invoke.name, kLongestWord);
    if (const auto line = lines_.line("invoke", "invoke not known name=" + sdk::json_string(name)))
      log_.info(*line);
    return not_implemented();
  }
  if (activity.from.id.empty() || activity.conversation.base.empty())
    return error_answer(400, "BadRequest", "Nobody has pressed this.");
  return std::nullopt;
}

void Inbound::take(Activity activity, std::string_view json, Answer answer) {
  references_.note(activity);
  if (const auto* invoke = std::get_if<Invoke>(&activity.what)) {
    if (auto now = at_once(activity, *invoke)) return answer(now->status, std::move(now->body));
  } else if (is_nothing(activity)) {
    return answer(200, "");
  } else if (std::holds_alternative<MessageEdited>(activity.what)) {
    activity.key += version_of(activity);
  }
  keep(std::move(activity), json, std::move(answer));
}

void Inbound::keep(Activity activity, std::string_view json, Answer answer) {
  // Half a surrogate pair, as where an emoji was cut in two, is no JSON for everybody.
  std::string mended;
  if (json.find("\\ud") != std::string_view::npos || json.find("\\uD") != std::string_view::npos)
    json = mended = chat::Value::parsed(json).json();
  const std::string key = activity.key;
  const bool is_invoke = std::holds_alternative<Invoke>(activity.what);
  if (const auto known = answered_.find(key); is_invoke && known != answered_.end())
    return answer(known->second.status, known->second.body);
  if (is_invoke && invokes_.contains(key)) {
    // The same press again, while the first is being dealt with.
    const InvokeAnswer soon = message_answer("One moment …");
    return answer(soon.status, soon.body);
  }
  if (is_invoke) {
    auto waiting = std::make_shared<Waiting>(loop_);
    waiting->answer = answer;
    waiting->limit.expires_after(kLongestInvoke);
    waiting->limit.async_wait([this, key](const boost::system::error_code& error) {
      if (!error) settle(key, message_answer("One moment …"));
    });
    invokes_.emplace(key, std::move(waiting));
  }
  inbox_.receive(
      std::move(activity), {key}, json,
      [this, key, is_invoke, answer = std::move(answer)](const sdk::Status& status) {
        if (status.ok() && is_invoke) return;
        if (is_invoke)
          return settle(key, error_answer(500, "Unavailable", "Try again in a moment."));
        // What is not 2xx comes again.
        if (status.ok()) return answer(200, "");
        log_.error("activity not kept, Teams will send it again reason=" + status.message);
        answer(503, R"({"error":"not kept, try again"})");
      });
}

void Inbound::settle(const std::string& key, InvokeAnswer answer) {
  const auto found = invokes_.find(key);
  if (found == invokes_.end()) return;
  const auto waiting = found->second;
  invokes_.erase(found);
  waiting->limit.cancel();
  if (waiting->answer) waiting->answer(answer.status, answer.body);
  // Teams brings a press again that it believes to be lost.
  if (answered_.size() >= kMostAnswered) answered_.erase(answered_.begin());
  answered_.insert_or_assign(key, std::move(answer));
}

// ---------------------------------------------------------------- handling

net::Task<> Inbound::handle(Activity activity, std::chrono::milliseconds age) {
  references_.note(activity);
  const std::string key = activity.key;
  if (auto* said = std::get_if<Message>(&activity.what)) {
    Message one = std::move(*said);
    co_await message(std::move(activity), std::move(one), age);
  } else if (auto* changed = std::get_if<MessageEdited>(&activity.what)) {
    MessageEdited one = std::move(*changed);
    co_await edited(std::move(activity), std::move(one));
  } else if (std::holds_alternative<MessageDeleted>(activity.what)) {
    co_await deleted(std::move(activity));
  } else if (const auto* update = std::get_if<ConversationUpdate>(&activity.what)) {
    if (update->removes_bot)
      co_await left(std::move(activity));
    else if (update->adds_bot)
      co_await greet(std::move(activity));
  } else if (const auto* installation = std::get_if<InstallationUpdate>(&activity.what)) {
    const bool is_added = installation->is_added;
    co_await installed(std::move(activity), is_added);
  } else if (std::holds_alternative<EndOfConversation>(activity.what)) {
    co_await ended(std::move(activity));
  } else if (const auto* invoke = std::get_if<Invoke>(&activity.what)) {
    if (age > kTooOld) co_return;
    if (const auto* action = std::get_if<CardAction>(&invoke->what)) {
      const std::string data = action->data;
      co_await press(std::move(activity), data);
    } else if (const auto* suggested = std::get_if<SuggestedAction>(&invoke->what)) {
      const std::string data = suggested->value;
      co_await press(std::move(activity), data);
    } else if (const auto* consent = std::get_if<FileConsent>(&invoke->what)) {
      if (co_await admit(activity, true, true))
        co_await network_.deliver_file(place_of(activity), *consent, activity.key + "/file");
      settle(key, empty_answer());
    }
    settle(key, message_answer("Done."));
  }
}

net::Task<> Inbound::message(Activity activity, Message said, std::chrono::milliseconds age) {
  if (!said.value.empty()) {
    const std::string data = said.value;
    if (parse_press(data)) {
      if (age <= kTooOld) co_await press(std::move(activity), data);
      co_return;
    }
  }
  const bool is_personal = activity.conversation.kind == ConversationKind::kPersonal;
  const bool addressed = is_addressed(activity, said);
  const bool bound = is_bound(place_of(activity));
  const bool is_left = commands_.is_left(place_of(activity));
  if (!addressed && ((!bound && !is_left) || is_for_others(activity, said))) co_return;
  auto asker = co_await admit(activity, addressed, addressed || bound);
  if (!asker) co_return;
  if (!addressed && !bound) {
    co_await commands_.tell_left(*asker);
    co_return;
  }
  const std::string text = text_of(activity, said);
  if (age > kTooOld) {
    co_await commands_.tell_openly(
        *asker,
        "This message came while I was away, " + minutes(age) +
            " minutes ago, and was not run. Send it again if you still want "
            "it:\n" +
            teams::escaped(net::prefix(text, 300)),
        {}, "old");
    co_return;
  }
  const auto command =
      addressed || is_personal ? chat::parse_addressed(text, "") : chat::parse_in_thread(text, "");
  if (command && (!text.empty() || said.files.empty())) {
    co_await commands_.run(*command, *asker);
    co_return;
  }
  // The answer would be for all to read, below a question that nobody sees.
  if (activity.is_targeted) {
    co_await commands_.tell(*asker,
                            "What nobody else sees can only be a command, such as " +
                                teams::code("help") +
                                ". For the agent, write it so that all can read it, and mention "
                                "me.",
                            {}, "targeted");
    co_return;
  }
  const std::string key = activity.key;
  co_await say_to_session(*std::move(asker), std::move(activity), std::move(said), text, key);
}

net::Task<> Inbound::say_to_session(chat::Asker asker, Activity activity, Message said,
                                    std::string text, std::string key) {
  const std::string blocks = co_await attachments(asker, files_of(said));
  if (text.empty() && blocks.empty()) co_return;
  std::vector<chat::EarlierLine> quoted;
  for (const Quote& quote : quotes_of(said))
    quoted.push_back({quote.sender.empty() ? "somebody" : quote.sender, quote.text});
  const std::string context =
      quoted.empty() ? std::string() : chat::context_json(quoted, kMostContext);
  co_await commands_.to_session(
      asker, {asker.principal(), std::move(key), activity.id, std::move(text), blocks, context});
}

net::Task<std::string> Inbound::attachments(chat::Asker asker, std::vector<File> files) {
  std::string blocks;
  std::string missing;
  std::size_t total = 0;
  std::optional<chat::Inbox<Activity>::Aside> aside;
  if (!files.empty()) aside.emplace(inbox_.step_aside());
  const auto until = std::chrono::steady_clock::now() + kFilesLimit;
  for (const File& file : files) {
    if (file.kind == File::Kind::kCard) continue;
    std::string why;
    if (file.kind == File::Kind::kStub || file.kind == File::Kind::kOther) {
      why = "Teams keeps it where only its own Graph can fetch it; send it in a chat with me";
    } else if (total >= kMostOfFiles) {
      why = kTooMuch;
    } else if (std::chrono::steady_clock::now() > until) {
      why = "the files before it have taken too long";
    } else {
      auto pause = 1s;
      for (int i = 0; i < kTries; ++i) {
        const auto had = co_await files_.download(file.url, kMostOfAFile);
        if (had && total + had->bytes.size() > kMostOfFiles) {
          why = kTooMuch;
          break;
        }
        if (had) {
          total += had->bytes.size();
          // Of a pasted picture Teams says only that it is one.
          const bool is_known = !file.type.empty() && !file.type.ends_with("/*");
          const std::string type = is_known ? file.type : had->type;
          blocks += (blocks.empty() ? "" : ",") +
                    chat::attachment_json("teams", file.id, file.name, type, had->bytes);
          why.clear();
          break;
        }
        why = had.error().message;
        if (had.error().trouble != Trouble::kRetryLater || i + 1 == kTries) break;
        if (std::chrono::steady_clock::now() + pause > until) break;
        boost::asio::steady_timer timer(loop_.context(), pause);
        co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        pause *= 2;
      }
      if (why.empty()) continue;
    }
    missing += "\n• " + teams::escaped(file.name.empty() ? "a file" : file.name) + ": " +
               teams::escaped(why);
  }
  if (!missing.empty())
    co_await commands_.tell_openly(asker, "Not given to the agent:" + missing, {}, "files");
  co_return blocks.empty() ? "" : "[" + blocks + "]";
}

// ---------------------------------------------------------------- buttons

net::Task<> Inbound::press(Activity activity, std::string data) {
  const auto pressed = parse_press(data);
  if (!pressed) {
    settle(activity.key, error_answer(400, "BadRequest", "This button is not of this bot."));
    co_return;
  }
  auto asker = co_await admit(activity, true, true);
  if (!asker) co_return;
  if (pressed->action == kRunAction) {
    // By whoever changed the message, and once: the card that offers it has an id, which a session
    // takes once, and another one never.
    const auto [user, rest] = cut(pressed->value);
    const auto [session, text] = cut(rest);
    if (user != asker->user || text.empty()) {
      co_await commands_.tell_openly(*asker,
                                     "Only whoever has changed the message can send it again.");
      co_return;
    }
    const chat::Binding* here = world_.bindings.active(asker->place());
    if (here == nullptr || here->session != session) {
      co_await commands_.tell_openly(
          *asker,
          "That message was for another session. Send it anew if the agent is to have it here.");
      co_return;
    }
    const std::string key = "edited/" + asker->place().key() + "/" + activity.reply_to;
    co_await commands_.to_session(*asker, {asker->principal(), key, "", std::string(text), "", ""});
    co_return;
  }
  co_await commands_.press(pressed->action, pressed->value, *asker);
}

net::Task<> Inbound::edited(Activity activity, MessageEdited changed) {
  const bool addressed = is_addressed(activity, changed.message);
  if (config_.edits == Edits::kIgnore || !is_bound(place_of(activity)) || !addressed) co_return;
  const auto asker = co_await admit(activity, false, false);
  if (!asker) co_return;
  const std::string text = text_of(activity, changed.message);
  const chat::Binding* here = world_.bindings.active(asker->place());
  if (text.empty() || chat::parse_addressed(text, "") || here == nullptr) co_return;
  std::string words = "You have changed a message. The agent has it as it was before.";
  std::vector<chat::Button> run;
  if (text.size() > kLongestValue)
    words += " It is too long for a button: send it anew if the agent is to have it.";
  else
    run.push_back({std::string(kRunAction), "Send it as it is now",
                   asker->user + "\n" + here->session + "\n" + text, chat::Button::Style::kPlain});
  co_await commands_.tell_openly(*asker, words, run, "edited");
}

net::Task<> Inbound::deleted(Activity activity) {
  const chat::Place place = place_of(activity);
  if (const auto one = conversations_.at(place)) {
    sdk::Principal who = asker_of(activity).principal();
    who.is_operator = true;  // Teams lets people delete only what they may
    co_await one->cancel_message(std::move(who), activity.id);
  }
}

// ---------------------------------------------------------------- coming and going

net::Task<> Inbound::installed(Activity activity, bool is_added) {
  if (is_added)
    co_await greet(std::move(activity));
  else
    co_await left(std::move(activity));
}

// Once, whichever of the two activities that tell of it comes first.
net::Task<> Inbound::greet(Activity activity) {
  const chat::Place place = place_of(activity);
  const Reference* known = references_.find(place);
  if (known == nullptr || known->was_greeted || !config_.greets) co_return;
  references_.set_greeted(activity);
  const bool is_personal = activity.conversation.kind == ConversationKind::kPersonal;
  Welcome welcome;
  welcome.title = "Hello";
  welcome.words =
      !config_.greeting.empty() ? teams::escaped(config_.greeting)
      : is_personal ? "Write to me, and an agent answers. What you say here is one conversation; " +
                          teams::code("new") + " begins another."
                    : "Mention me with what you want, and an agent answers in that thread. " +
                          teams::code("help") + " lists what else I understand.";
  if (is_personal) welcome.prompts = {"What can you do?", "help"};
  chat::Place whole = place;
  whole.thread.clear();
  const auto kept =
      co_await network_.post(whole, "greeting/" + activity.key, card_body(welcome_card(welcome)));
  if (!kept) log_.warn("not greeted reason=" + kept.error().message);
}

net::Task<> Inbound::left(Activity activity) {
  const chat::Place place = place_of(activity);
  log_.info("the bot was removed from a conversation");
  // Of a team: from all of its channels.
  const auto is_of_it = [&](const chat::Place& other) {
    if (other.team != place.team) return false;
    if (other.channel == place.channel) return true;
    const Reference* known = references_.find(other);
    return known != nullptr && !activity.team.empty() && known->team == activity.team;
  };
  for (const chat::Binding& one : world_.bindings.all_active()) {
    if (!is_of_it(one.place)) continue;
    references_.set_gone(one.place);
    // What it still owes there is posted nowhere, and then it is over.
    const auto conversation = conversations_.at(one.place);
    if (conversation && !co_await conversation->unbind())
      log_.error("binding of a conversation without the bot not given up session=" + one.session);
  }
  references_.set_gone(place);
}

// Of a conversation that a person has ended, who may do that as with the command.
net::Task<> Inbound::ended(Activity activity) {
  const auto one = conversations_.at(place_of(activity));
  if (!one) co_return;
  const auto asker = co_await admit(activity, false, false);
  if (!asker) co_return;
  const sdk::Answer done = co_await one->end(asker->principal());
  if (!done.ok() && done.code != sdk::Code::kNotFound && done.code != sdk::Code::kSessionDead) {
    log_.warn("session not ended reason=" + done.message);
    co_return;
  }
  if (!co_await one->unbind())
    log_.error("binding of an ended session not given up session=" + one->binding().session);
}

}  // namespace viaduct::teams
