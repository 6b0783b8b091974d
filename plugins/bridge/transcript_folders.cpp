#include "plugins/bridge/transcript_folders.hpp"

#include "plugins/bridge/folder_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <functional>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <viaduct/net/fd.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

namespace fs = std::filesystem;
using net::Fd;

constexpr std::size_t kSizeOfOurs = 28;  // of a host's session id
constexpr const char* kTranscript = "transcript.jsonl";
constexpr const char* kInfo = "session-info.json";
constexpr const char* kMetadata = "metadata.json";
constexpr std::size_t kMostOfTheFacts = 1 << 20;  // bytes of a small file
constexpr std::size_t kMostOfTheHead = 64 << 10;  // where the first message is looked for
constexpr std::size_t kMostOfAFile = 64 << 20;    // no more is taken over by the host
constexpr std::size_t kMostListed = 10'000;       // which the host takes
constexpr std::size_t kLongestTitle = 120;

std::string time_text(std::time_t seconds, long nanoseconds) {
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + size, sizeof text - size, ".%06ldZ", nanoseconds / 1000);
  return text;
}
std::string now_text() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return time_text(now.tv_sec, now.tv_nsec);
}

// The names in a folder, sorted. Nothing: it could not be read (errno).
std::expected<std::vector<std::string>, std::error_code> names_in(const fs::path& folder) {
  std::error_code why;
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, why), end; !why && it != end; it.increment(why))
    names.push_back(it->path().filename().string());
  if (why) return std::unexpected(why);
  std::sort(names.begin(), names.end());
  return names;
}

// The sessions' folders of a project, as a descriptor and a path.
struct Sessions {
  fs::path path;
  Fd fd;
};
// Not found: what is there is no project. Without `sessions` they are in the project itself.
FolderResult<Sessions> sessions_of(int projects, const fs::path& path, const std::string& name) {
  auto project = open_folder(projects, name, false);
  if (!project) return std::unexpected(project.error());
  auto sessions = open_folder(project->get(), "sessions", false);
  if (sessions) return Sessions{path / name / "sessions", *std::move(sessions)};
  if (sessions.error().kind == FolderError::Kind::kUnavailable)
    return std::unexpected(sessions.error());
  return Sessions{path / name, *std::move(project)};
}

// Opens <home>/projects, which may be a link: what is below is not.
FolderResult<Fd> open_projects(const fs::path& projects) {
  Fd fd(::open(projects.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return os_error(projects.string());
  return fd;
}

// Calls `take` for the folders of all sessions, or of those with this id. Answers how many folders
// could not be looked into.
struct SessionFolder {
  const std::string& project;
  const fs::path path;
  const std::string& id;
  int fd;
  int parent;
};
using TakeSession = std::function<void(const SessionFolder& one)>;
FolderResult<std::size_t> each_session(const fs::path& home, const std::string& only,
                                       const TakeSession& take) {
  const fs::path projects = home / "projects";
  const auto root = open_projects(projects);
  if (!root && root.error().kind == FolderError::Kind::kNotFound) return 0;
  if (!root) return std::unexpected(root.error());
  const auto names = names_in(projects);
  if (!names)
    return folder_error(FolderError::Kind::kUnavailable,
                        projects.string() + ": " + names.error().message());
  std::size_t unreadable = 0;
  // What is closed to this user is no loss where it is somebody else's.
  const auto count = [&unreadable](const FolderError& why, int parent, const std::string& name) {
    struct stat about{};
    const bool is_of_others = ::fstatat(parent, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                              about.st_uid != ::geteuid();
    unreadable += why.kind == FolderError::Kind::kUnavailable && !is_of_others ? 1 : 0;
  };
  for (const std::string& name : *names) {
    const auto sessions = sessions_of(root->get(), projects, name);
    if (!sessions) {
      count(sessions.error(), root->get(), name);
      continue;
    }
    std::vector<std::string> ids{only};
    if (only.empty()) {
      auto all = names_in(sessions->path);
      if (!all) ++unreadable;
      ids = std::move(all).value_or(std::vector<std::string>());
    }
    for (const std::string& id : ids) {
      if (!is_plain_id(id)) continue;
      if (const auto folder = open_folder(sessions->fd.get(), id, false))
        take({name, sessions->path / id, id, folder->get(), sessions->fd.get()});
      else
        count(folder.error(), sessions->fd.get(), id);
    }
  }
  return unreadable;
}

FolderResult<> make_folders(const fs::path& path) {
  std::error_code why;
  if (fs::is_directory(path, why)) return {};
  if (path.has_parent_path() && path.parent_path() != path)
    if (auto made = make_folders(path.parent_path()); !made) return made;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return os_error(path.string());
  return {};
}

FolderResult<Fd> make_session(const fs::path& home, const FolderSession& session,
                              const std::string& working_dir) {
  const std::string id = folder_id(session.session_id);
  if (!is_plain_id(id))
    return folder_error(FolderError::Kind::kRefused,
                        "the id " + id + " cannot be the name of a folder");
  const fs::path projects = home / "projects";
  if (auto made = make_folders(projects); !made) return std::unexpected(made.error());
  auto fd = open_projects(projects);
  for (const std::string& name : {encode_folder(working_dir), std::string("sessions"), id}) {
    if (!fd) return fd;
    fd = open_folder(fd->get(), name, true);
  }
  return fd;
}

struct OldTranscript {
  Fd fd;
  std::size_t size = 0;
  bool ends_whole = true;
};
FolderResult<OldTranscript> old_transcript(int folder) {
  struct stat about{};
  auto fd = open_file(folder, kTranscript, &about);
  if (!fd && fd.error().kind == FolderError::Kind::kNotFound) return OldTranscript{};
  if (!fd) return std::unexpected(fd.error());
  OldTranscript old{*std::move(fd), static_cast<std::size_t>(about.st_size), true};
  char last = '\n';
  if (old.size > 0 && ::pread(old.fd.get(), &last, 1, about.st_size - 1) != 1)
    return os_error(kTranscript);
  old.ends_whole = last == '\n';
  return old;
}

FolderResult<> write_session(int folder, const FolderSession& session,
                             const std::string& working_dir, std::string_view lines,
                             const OldTranscript* old) {
  std::string bytes = old != nullptr && !old->ends_whole ? "\n" : "";
  bytes += lines;
  auto written = replace_file(folder, kTranscript, bytes, old == nullptr ? -1 : old->fd.get(),
                              old == nullptr ? 0 : old->size);
  if (!written) return written;
  const std::string now = now_text();
  FolderResult<> rest;
  struct stat about{};
  if (auto info = open_file(folder, kInfo, &about);
      info || info.error().kind == FolderError::Kind::kNotFound) {
    if (!info) rest = replace_file(folder, kInfo, session_info_json(working_dir, now));
  } else {
    rest = std::unexpected(info.error());
  }
  if (auto metadata = open_file(folder, kMetadata, &about);
      !metadata && metadata.error().kind == FolderError::Kind::kRefused) {
    rest = std::unexpected(metadata.error());
  } else if (auto done =
                 replace_file(folder, kMetadata,
                              metadata_json(small_file(folder, kMetadata, kMostOfTheFacts), session,
                                            working_dir, now, lines, old == nullptr));
             !done) {
    rest = done;
  }
  if (::fsync(folder) != 0 && rest) rest = os_error("the folder");
  if (!rest) {
    FolderError why = rest.error();
    why.lines_written = true;
    return std::unexpected(why);
  }
  return {};
}

bool is_newer(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

std::string title_of(std::string_view first) {
  return net::one_line(first, kLongestTitle);
}
// What was said first, if it is at the beginning of the file.
std::string title_in(int transcript, std::size_t size) {
  std::string head;
  read_file(transcript, kMostOfTheHead, head);
  if (size > head.size()) head.resize(head.rfind('\n') + 1);  // also for none: npos + 1
  TranscriptReader reader;
  reader.feed(head);
  return title_of(reader.finish().first);
}

FolderResult<> with_path(FolderResult<> result, const fs::path& home) {
  if (result) return result;
  FolderError why = result.error();
  why.message = "below " + home.string() + ": " + why.message;
  return std::unexpected(why);
}

}  // namespace

// --------------------------------------------------------------------------------- writing

FolderResult<> TranscriptFolders::append(const FolderSession& session,
                                         std::string_view lines) const {
  const std::string working_dir = resolved(session.working_dir);
  const auto folder = make_session(home_, session, working_dir);
  if (!folder) return with_path(std::unexpected(folder.error()), home_);
  const auto old = old_transcript(folder->get());
  if (!old) return with_path(std::unexpected(old.error()), home_);
  return with_path(write_session(folder->get(), session, working_dir, lines, &*old), home_);
}

FolderResult<bool> TranscriptFolders::catch_up(const FolderSession& session,
                                               std::string_view lines) const {
  const auto fail = [this](const FolderError& why) {
    return std::unexpected(with_path(std::unexpected(why), home_).error());
  };
  const std::string working_dir = resolved(session.working_dir);
  const auto folder = make_session(home_, session, working_dir);
  if (!folder) return fail(folder.error());
  const auto old = old_transcript(folder->get());
  if (!old) return fail(old.error());
  std::string text;
  if (old->fd && !read_file(old->fd.get(), old->size, text))
    return fail(os_error(kTranscript).error());
  const LineCount there = count_lines(text), log = count_lines(lines);
  if (there.users.size() >= log.users.size() && there.all >= log.all) return false;
  // What an answer said last may be on disk alone: where only turns are missing they are added.
  const bool adds = !there.users.empty() && there.users.size() < log.users.size() &&
                    std::equal(there.users.begin(), there.users.end(), log.users.begin());
  if (adds)
    lines.remove_prefix(
        static_cast<std::size_t>(log.users[there.users.size()].data() - lines.data()));
  const auto written =
      write_session(folder->get(), session, working_dir, lines, adds ? &*old : nullptr);
  if (!written) return fail(written.error());
  return true;
}

// --------------------------------------------------------------------------------- reading

FolderResult<TranscriptFolders::Listing> TranscriptFolders::list(
    std::string_view working_dir) const {
  struct Found {
    timespec changed;
    FoundSession session;
  };
  const std::string wanted = working_dir.empty() ? "" : resolved(working_dir);
  std::vector<Found> found;
  std::map<std::string, std::string> decoded;  // by the project: one look-up is enough
  std::size_t unreadable = 0;
  const auto all = each_session(home_, "", [&](const SessionFolder& one) {
    const auto& [project, path, id, folder, parent] = one;
    if (id.find('_') != std::string::npos) return;  // so sub-sessions are called
    struct stat about{};
    const auto transcript = open_file(folder, kTranscript, &about);
    if (!transcript) {
      unreadable += transcript.error().kind == FolderError::Kind::kUnavailable ? 1 : 0;
      return;
    }
    FolderFacts facts = parse_facts(small_file(folder, kInfo, kMostOfTheFacts),
                                    small_file(folder, kMetadata, kMostOfTheFacts));
    if (facts.is_sub_session) return;
    if (facts.working_dir.empty()) {
      const auto known = decoded.find(project);
      facts.working_dir =
          known != decoded.end() ? known->second : (decoded[project] = decode_folder(project));
    }
    if (!wanted.empty() && facts.working_dir != wanted && resolved(facts.working_dir) != wanted)
      return;
    if (facts.title.empty())
      facts.title = title_in(transcript->get(), static_cast<std::size_t>(about.st_size));
    // Of a folder that is being made, its name tells as much.
    if (facts.session_id.empty() && id.size() == kSizeOfOurs && id.starts_with("s-"))
      facts.session_id = "s_" + id.substr(2);
    const bool is_ours = folder_id(facts.session_id) == id;
    found.push_back(
        {about.st_mtim,
         {is_ours ? facts.session_id : id, std::move(facts.working_dir), std::move(facts.title),
          time_text(about.st_mtim.tv_sec, about.st_mtim.tv_nsec)}});
  });
  if (!all) return std::unexpected(all.error());
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    if (is_newer(a.changed, b.changed) || is_newer(b.changed, a.changed))
      return is_newer(a.changed, b.changed);
    return a.session.id < b.session.id;
  });
  Listing listing;
  listing.unreadable = *all + unreadable;
  if (found.size() > kMostListed) {
    listing.older = found.size() - kMostListed;
    found.resize(kMostListed);
  }
  for (Found& one : found) listing.sessions.push_back(std::move(one.session));
  return listing;
}

FolderResult<TranscriptFolders::Reading> TranscriptFolders::read(std::string_view id) const {
  auto reading = read_folder(id);
  if (reading || reading.error().kind != FolderError::Kind::kNotFound || folder_id(id) == id)
    return reading;
  return read_folder(folder_id(id));
}

FolderResult<TranscriptFolders::Reading> TranscriptFolders::read_folder(std::string_view id) const {
  if (!is_plain_id(id))
    return folder_error(FolderError::Kind::kRefused, "this is no id of a session's folder");
  struct Found {
    Fd transcript;
    std::size_t size = 0;
    timespec changed{};
    FolderFacts facts;
  };
  std::optional<Found> found;  // the newest of that id
  std::optional<FolderError> why;
  const auto all = each_session(home_, std::string(id), [&](const SessionFolder& one) {
    const int folder = one.fd;
    struct stat about{};
    auto transcript = open_file(folder, kTranscript, &about);
    if (!transcript) {
      if (transcript.error().kind != FolderError::Kind::kNotFound)
        why = {transcript.error().kind, one.path.string() + ": " + transcript.error().message};
      return;
    }
    if (found && !is_newer(about.st_mtim, found->changed)) return;
    FolderFacts facts = parse_facts(small_file(folder, kInfo, kMostOfTheFacts),
                                    small_file(folder, kMetadata, kMostOfTheFacts));
    if (facts.working_dir.empty()) facts.working_dir = decode_folder(one.project);
    found = Found{*std::move(transcript), static_cast<std::size_t>(about.st_size), about.st_mtim,
                  std::move(facts)};
  });
  if (!all) return std::unexpected(all.error());
  if (!found && why) return std::unexpected(*why);
  if (!found && *all > 0)
    return folder_error(FolderError::Kind::kUnavailable,
                        "some folders below " + home_.string() + " cannot be read");
  if (!found)
    return folder_error(
        FolderError::Kind::kNotFound,
        "there is no transcript of " + std::string(id) + " below " + home_.string());

  const auto too_long = [id](const std::string& how) {
    return folder_error(FolderError::Kind::kRefused, "the transcript of " + std::string(id) +
                                                         " is too long to be taken over: " + how);
  };
  if (found->size > kMostOfAFile)
    return too_long(std::to_string(found->size >> 20) + " MiB of " +
                    std::to_string(kMostOfAFile >> 20));
  TranscriptReader reader(limits_);
  // What another program adds meanwhile is not of this reading.
  const bool is_read = read_file(found->transcript.get(), found->size,
                                 [&](std::string_view piece) { return reader.feed(piece); });
  if (!is_read) {
    auto failure = os_error(kTranscript);
    failure.error().kind = FolderError::Kind::kUnavailable;
    return failure;
  }
  Reading reading{reader.finish(), std::move(found->facts)};
  if (!reading.said.too_much.empty()) return too_long("more than " + reading.said.too_much);
  if (reading.facts.title.empty()) reading.facts.title = title_of(reading.said.first);
  return reading;
}

FolderResult<> TranscriptFolders::remove(std::string_view id,
                                         const std::function<bool()>& still_wanted) const {
  if (!is_plain_id(id))
    return folder_error(FolderError::Kind::kRefused, "this is no id of a session's folder");
  std::optional<FolderError> failure;
  const auto all = each_session(home_, std::string(id), [&](const SessionFolder& one) {
    if (!still_wanted()) {
      failure = {FolderError::Kind::kUnavailable,
                 one.path.string() + ": it took too long, and stays"};
    } else if (auto removed = remove_folder(one.parent, one.id); !removed) {
      failure = {FolderError::Kind::kUnavailable,
                 one.path.string() + ": " + removed.error().message};
    }
  });
  if (!all) return std::unexpected(all.error());
  if (failure) return std::unexpected(*failure);
  if (*all > 0)
    return folder_error(FolderError::Kind::kUnavailable,
                        "some folders below " + home_.string() + " cannot be read");
  return {};
}

}  // namespace viaduct::bridge
