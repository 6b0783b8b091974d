#include "people.hpp"

#include <utility>

namespace viaduct::web_chat {
namespace {

constexpr std::size_t kRemembered = 10'000;  // users kept in memory, beyond those who are busy

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '%') {
      out += "%25";
    } else if (c == '/') {
      out += "%2F";
    } else {
      out += c;
    }
  }
}

}  // namespace

std::string person_key(const Principal& who) {
  std::string key = "current/";
  append_escaped(key, who.user_id);
  if (who.tenant.empty() && who.place.empty()) return key;
  key += '/';
  append_escaped(key, who.tenant);
  if (who.place.empty()) return key;
  key += '/';
  append_escaped(key, who.place);
  return key;
}

People::Person& People::person(const std::string& key) {
  if (people_.size() >= kRemembered && !people_.contains(key)) {
    std::erase_if(people_, [](const auto& item) {
      return !item.second.loading && !item.second.storing && item.second.steps.empty();
    });
  }
  return people_[key];
}

std::string People::known(const std::string& key) const {
  const auto at = people_.find(key);
  return at == people_.end() ? std::string() : at->second.session_id;
}

void People::current(const Principal& who, Found done) {
  const std::string key = person_key(who);
  Person& one = person(key);
  if (one.loaded) {
    done(one.session_id);
    return;
  }
  one.waiting.push_back(std::move(done));
  load(key);
}

void People::load(const std::string& key) {
  Person& one = person(key);
  if (one.loading) return;
  one.loading = true;
  host_.load(key, [this, key](Answer answer) {
    Person& loaded = person(key);
    loaded.loading = false;
    Parsed<CurrentDocument> document = CurrentDocument{};  // not there: version 0
    if (answer.ok()) {
      document = parse_current(answer.result);
    } else if (answer.code != Code::kNotFound) {
      document = std::unexpected(answer.status());
    }
    if (document) {
      loaded.loaded = true;
      loaded.version = document->version;
      loaded.session_id = document->session_id;
    }
    std::vector<Found> waiting = std::exchange(loaded.waiting, {});
    const Parsed<std::string> found =
        document ? Parsed<std::string>(document->session_id) : std::unexpected(document.error());
    for (Found& done : waiting) done(found);
    if (document) {
      run(key);
    } else {
      finish(key, document.error());
    }
  });
}

void People::set(const Principal& who, std::string session_id, std::string session_json,
                 std::string reason, Done done) {
  const std::string key = person_key(who);
  person(key).steps.push_back(Step{false, std::move(session_id), std::move(session_json),
                                   std::move(reason), std::move(done)});
  run(key);
}

void People::clear(const Principal& who, std::string session_id, std::string reason, Done done) {
  const std::string key = person_key(who);
  person(key).steps.push_back(
      Step{true, std::move(session_id), {}, std::move(reason), std::move(done)});
  run(key);
}

// Does the first of the waiting steps, unless one is being done.
void People::run(const std::string& key) {
  Person& one = person(key);
  if (one.storing || one.steps.empty()) return;
  if (!one.loaded) {
    load(key);
    return;
  }
  const Step& step = one.steps.front();
  const bool nothing_to_do = step.clears != (one.session_id == step.session_id);
  if (nothing_to_do) {
    finish(key, {});
    return;
  }
  one.storing = true;
  const std::string target = step.clears ? std::string() : step.session_id;
  host_.store(key, current_value(target), one.version, [this, key, target](Answer answer) {
    Person& stored = person(key);
    stored.storing = false;
    if (answer.code == Code::kConflict) {  // somebody else wrote it: look again
      stored.loaded = false;
      run(key);
      return;
    }
    if (!answer.ok()) {
      stored.loaded = false;  // it may have been written all the same
      finish(key, answer.status());
      return;
    }
    const Parsed<std::uint64_t> version = parse_version(answer.result);
    stored.loaded = version.has_value();
    stored.version = version.value_or(0);
    stored.session_id = target;
    Step step = std::move(stored.steps.front());
    stored.steps.pop_front();
    if (changed_) changed_(key, target, step.session_json, step.reason);
    if (step.done) step.done({});
    run(key);
  });
}

// Answers the first step and goes on with the next.
void People::finish(const std::string& key, Status status) {
  Person& one = person(key);
  if (one.steps.empty()) return;
  Step step = std::move(one.steps.front());
  one.steps.pop_front();
  if (step.done) step.done(std::move(status));
  run(key);
}

}  // namespace viaduct::web_chat
