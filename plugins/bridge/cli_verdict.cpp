#include "plugins/bridge/cli_verdict.hpp"

#include <algorithm>
#include <cstring>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

bool has_one(const std::string& text, const std::vector<std::string>& of) {
  return std::any_of(of.begin(), of.end(), [&text](const std::string& one) {
    return text.find(one) != std::string::npos;
  });
}

std::string how_it_ended(const CliEnd& end) {
  if (end.signal != 0) {
    const char* name = ::strsignal(end.signal);
    return " was ended by signal " + std::to_string(end.signal) +
           (name != nullptr ? std::string(" (") + name + ")" : "");
  }
  if (end.code == 0) return " ended without an answer";
  return " ended with code " + std::to_string(end.code);
}

}  // namespace

std::string tidy(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == 0x1B) {  // a sequence of a terminal: ESC [ … letter, ESC ] … BEL, ESC letter
      if (at + 1 < text.size() && text[at + 1] == '[') {
        at += 2;
        while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
      } else if (at + 1 < text.size() && text[at + 1] == ']') {
        while (at < text.size() && text[at] != '\a' && text[at] != '\\') ++at;
      } else {
        ++at;
      }
    } else if (byte == '\n' || byte == '\r') {
      while (!out.empty() && out.back() == ' ') out.pop_back();
      if (!out.empty() && out.back() != '\n') out += '\n';
    } else if (byte == '\t') {
      out += ' ';
    } else if (byte >= ' ' && byte != 0x7F) {
      out += text[at];
    }
  }
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

std::string in_words(std::chrono::milliseconds time) {
  const auto count = time.count();
  if (count % 60'000 == 0) return std::to_string(count / 60'000) + " min";
  if (count % 1000 == 0) return std::to_string(count / 1000) + " s";
  return std::to_string(count) + " ms";
}

CliVerdict judge(const Preset& preset, const CliOutput& output, const CliEnd& end, bool resumed,
                 const std::vector<std::string>& secrets) {
  using Kind = CliVerdict::Kind;
  const bool clean = end.signal == 0 && end.code == 0 && !end.silent;
  if (!output.error() && (output.done() || (clean && !preset.tells_end()))) return {};

  const std::string all =
      output.error().value_or("") + "\n" + end.errors + "\n" + output.noise(secrets);
  std::string words = preset.name;
  if (resumed && !output.said() && has_one(all, preset.lost))
    return {Kind::kLost, words + " no longer has this conversation"};
  if (has_one(all, preset.login_says)) {
    words += " is not logged in";
    if (!preset.login_hint.empty()) words += ": " + preset.login_hint;
    return {Kind::kNotLoggedIn, words};
  }
  if (output.error()) {
    words += ": " + tidy(net::redacted(*output.error(), secrets));
  } else {
    words += end.silent ? " said nothing for " + in_words(end.silence) + " and was ended"
                        : how_it_ended(end);
    // Redacted before it is tidied: its beginning may be cut in the middle of a secret.
    std::string details = tidy(net::redacted(end.errors, secrets));
    if (details.empty()) details = tidy(output.noise(secrets));
    if (!details.empty()) words += ": " + details;
  }
  return {end.silent && !output.error() ? Kind::kSilent : Kind::kFailed,
          net::redacted(std::move(words), secrets)};
}

}  // namespace viaduct::bridge
