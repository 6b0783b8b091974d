#include "plugins/teams/text.hpp"

#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace viaduct::teams {
namespace {

// Where the bot's own mention was; people cannot write it, since control characters are taken out.
constexpr char kOwn = '\x01';
constexpr std::string_view kNoBreakSpace = "\xC2\xA0";

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kEntities = {
    {{"&nbsp;", " "},
     {"&lt;", "<"},
     {"&gt;", ">"},
     {"&amp;", "&"},
     {"&quot;", "\""},
     {"&#39;", "'"}}};

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == kOwn;
}

// Without control characters, and with plain blanks and line ends.
std::string clean(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with(kNoBreakSpace)) {
      out += ' ';
      ++i;
    } else if (text[i] == '\r') {
      if (!text.substr(i + 1).starts_with('\n')) out += '\n';
    } else if (text[i] == '\n' || text[i] == '\t' ||
               (static_cast<unsigned char>(text[i]) >= ' ' && text[i] != 0x7F)) {
      out += text[i];
    }
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto found = std::ranges::find_if(
        kEntities, [&](const auto& one) { return text.substr(i).starts_with(one.first); });
    if (text[i] == '&' && found != kEntities.end()) {
      out += found->second;
      i += found->first.size();
    } else {
      out += text[i++];
    }
  }
  return out;
}

// A name is one line, and cannot be taken for anything else.
std::string name_of(const Mention& mention) {
  std::string name = clean(mention.name);
  std::replace(name.begin(), name.end(), '\n', ' ');
  return std::string(chat::trimmed(name));
}

// One <at>…</at> of a text, and whose it is.
struct Found {
  std::size_t begin = 0;
  std::size_t size = 0;
  const Mention* mention = nullptr;
};

// Each entity stands for the first place with its text that no other entity has; places that are
// left over are for whoever all entities of that text are.
std::vector<Found> mentions_in(std::string_view text, const std::vector<Mention>& mentions) {
  std::vector<Found> all;
  const auto is_free = [&all](std::size_t begin, std::size_t size) {
    return std::ranges::none_of(all, [&](const Found& one) {
      return begin < one.begin + one.size && one.begin < begin + size;
    });
  };
  const auto next_free = [&](std::string_view wanted, std::size_t from) {
    for (std::size_t at = text.find(wanted, from); at != text.npos; at = text.find(wanted, at + 1))
      if (is_free(at, wanted.size())) return at;
    return text.npos;
  };
  for (const Mention& one : mentions) {
    if (one.text.empty()) continue;
    if (const std::size_t at = next_free(one.text, 0); at != text.npos)
      all.push_back({at, one.text.size(), &one});
  }
  constexpr std::size_t kMost = 200;
  for (const Mention& one : mentions) {
    if (!one.text.starts_with("<at")) continue;
    const bool is_sure = std::ranges::all_of(mentions, [&](const Mention& other) {
      return other.text != one.text || other.id == one.id;
    });
    for (std::size_t at = 0; is_sure && all.size() < kMost;) {
      at = next_free(one.text, at);
      if (at == text.npos) break;
      all.push_back({at, one.text.size(), &one});
    }
  }
  std::ranges::sort(all, {}, &Found::begin);
  return all;
}

// <at …> and </at> that belong to no entity.
std::string without_tags(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  constexpr std::size_t kLongestTag = 200;
  for (std::size_t i = 0; i < text.size();) {
    const std::string start = text[i] == '<' ? chat::lower(text.substr(i, 5)) : std::string();
    const bool is_open = start.starts_with("<at>") || start.starts_with("<at ");
    const std::size_t end =
        is_open || start == "</at>" ? text.substr(i, kLongestTag).find('>') : text.npos;
    if (end == text.npos) {
      out += text[i++];
      continue;
    }
    i += end + 1;
  }
  return out;
}

// <quoted messageId="…"/>, which stands where a quoted message is shown.
std::string without_placeholders(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  constexpr std::size_t kLongestTag = 600;
  while (true) {
    const std::size_t at = text.find("<quoted ");
    const std::size_t end = at == text.npos ? at : text.substr(at, kLongestTag).find("/>");
    if (end == text.npos) {
      if (at == text.npos) return out.append(text);
      out += text.substr(0, at + 1);
      text.remove_prefix(at + 1);
      continue;
    }
    out += text.substr(0, at);
    text.remove_prefix(at + end + 2);
  }
}

// The text without the marks of the own mention: words that it stood between are apart by one
// blank, and what follows an address at the beginning ("@Bot, …") goes with it.
std::string without_marks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != kOwn) {
      out += text[i++];
      continue;
    }
    bool has_line_end = false;
    while (i < text.size() && is_blank(text[i])) has_line_end = text[i++] == '\n' || has_line_end;
    while (!out.empty() && is_blank(out.back())) {
      has_line_end = out.back() == '\n' || has_line_end;
      out.pop_back();
    }
    if (out.empty()) {
      if (i < text.size() && (text[i] == ',' || text[i] == ':')) ++i;
      while (i < text.size() && is_blank(text[i]) && text[i] != kOwn) ++i;
      continue;
    }
    if (i == text.size()) break;
    if (has_line_end)
      out += '\n';
    else if (std::string_view(",.;:!?)").find(text[i]) == std::string_view::npos)
      out += ' ';
  }
  return std::string(chat::trimmed(out));
}

bool is_own(const Activity& activity, const Mention& mention) {
  return !mention.id.empty() && mention.id == activity.bot.id;
}

// Everything but blanks.
std::string letters(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (!is_blank(c)) out += c;
  return out;
}

}  // namespace

std::string text_of(const Activity& activity, const Message& message) {
  const std::string& raw = message.text;
  std::vector<std::string> names;  // of the mentions in their order
  const auto append = [](std::string& out, std::string_view piece) {
    out += clean(without_tags(without_placeholders(piece)));
  };
  std::string plain;
  std::size_t begin = 0;
  for (const Found& one : mentions_in(raw, message.mentions)) {
    append(plain, std::string_view(raw).substr(begin, one.begin - begin));
    names.push_back(is_own(activity, *one.mention) ? std::string(1, kOwn) : name_of(*one.mention));
    plain += names.back();
    begin = one.begin + one.size;
  }
  append(plain, std::string_view(raw).substr(begin));
  const bool is_html = message.html.empty() && message.is_xml;
  const auto rich = html_text(is_html ? raw : message.html, names);
  if (rich && (is_html || rich->has_structure || chat::trimmed(plain).empty()))
    return without_marks(rich->text);
  // Some clients escape the plain text, some do not: the HTML tells.
  const bool is_escaped = !rich || letters(rich->text) != letters(plain);
  return without_marks(is_escaped ? unescaped(plain) : plain);
}

std::vector<Quote> quotes_of(const Message& message) {
  std::vector<Quote> quotes = message.quotes;
  if (quotes.empty())
    if (auto rich = html_text(message.html)) quotes = std::move(rich->quotes);
  for (Quote& quote : quotes) {
    quote.sender = clean(quote.sender);
    quote.text = chat::trimmed(clean(quote.text));
  }
  std::erase_if(quotes, [](const Quote& quote) { return quote.text.empty(); });
  return quotes;
}

std::vector<File> files_of(const Message& message) {
  std::vector<File> files = message.files;
  const auto rich = html_text(message.html);
  constexpr std::size_t kMost = 50;
  for (const std::string& id : rich ? rich->stubs : std::vector<std::string>())
    if (std::ranges::find(files, id, &File::id) == files.end() && files.size() < kMost) {
      files.emplace_back().kind = File::Kind::kStub;
      files.back().id = id;
    }
  return files;
}

bool is_addressed(const Activity& activity, const Message& message) {
  if (activity.conversation.kind == ConversationKind::kPersonal || activity.is_targeted)
    return true;
  return std::ranges::any_of(message.mentions,
                             [&](const Mention& one) { return is_own(activity, one); });
}

bool is_for_others(const Activity& activity, const Message& message) {
  return !message.mentions.empty() && !is_addressed(activity, message);
}

}  // namespace viaduct::teams
