#include "host/plugins/descriptor.hpp"
#include "host/plugins/plugins.hpp"
#include "host/plugins/preflight.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sys/stat.h>

#include <algorithm>
#include <compare>
#include <filesystem>
#include <mutex>

namespace viaduct::plugins {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPreflightLimit{10'000};

// Tells one state of a file from another.
struct Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  off_t size = 0;
  auto operator<=>(const Stamp&) const = default;
};

std::optional<Stamp> stamp(const std::string& file) {
  struct stat facts{};
  if (::stat(file.c_str(), &facts) != 0) return std::nullopt;
  return Stamp{facts.st_dev, facts.st_ino, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
               facts.st_size};
}

bool plain_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

fs::path absolute(const std::string& path) {
  std::error_code ignored;
  return fs::absolute(path, ignored).lexically_normal();
}

// Absolute paths of the plugin files in a folder, sorted.
std::vector<std::string> plugin_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (fs::directory_iterator entry(absolute(folder), ignored), end; !ignored && entry != end;
       entry.increment(ignored))
    if (entry->path().extension() == ".so") files.push_back(entry->path().string());
  std::sort(files.begin(), files.end());
  return files;
}

// Of the folders, each name once: what is found first hides what comes later.
std::vector<std::string> all_files(const std::vector<std::string>& folders) {
  std::vector<std::string> files;
  for (const auto& folder : folders)
    for (auto& file : plugin_files(folder))
      if (std::none_of(files.begin(), files.end(), [&](const std::string& earlier) {
            return fs::path(earlier).stem() == fs::path(file).stem();
          }))
        files.push_back(std::move(file));
  return files;
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// "; did you mean "web_chat"?" or what there is.
std::string suggestion(const std::string& name, const std::vector<std::string>& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(fs::path(file).stem().string());
  if (names.empty()) return "; there is no plugin at all";
  const auto nearest = std::min_element(
      names.begin(), names.end(),
      [&](const auto& a, const auto& b) { return distance(name, a) < distance(name, b); });
  if (distance(name, *nearest) <= std::max<std::size_t>(2, name.size() / 3))
    return fmt::format("; did you mean \"{}\"?", *nearest);
  std::sort(names.begin(), names.end());
  return fmt::format("; there are: {}", fmt::join(names, ", "));
}

}  // namespace

struct Loader::Impl {
  struct Loaded {
    Stamp stamp;
    Result<PluginInfo> info;
  };
  std::string executable;
  std::mutex mutex;
  std::map<Stamp, Result<>> verdicts;    // of the preflight
  std::map<std::string, Loaded> loaded;  // by file

  void preflight(const std::vector<std::string>& files) {
    if (executable.empty()) return;
    std::vector<std::string> fresh;
    std::vector<Stamp> stamps;
    for (const auto& file : files) {
      const auto now = stamp(file);
      // What fails without being loaded needs no child.
      if (!now || verdicts.contains(*now) || already(file) || !check_file(file)) continue;
      if (std::find(stamps.begin(), stamps.end(), *now) != stamps.end()) continue;
      fresh.push_back(file);
      stamps.push_back(*now);
    }
    if (fresh.empty()) return;
    const auto results = preflight_files(executable, fresh, kPreflightLimit);
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      // A child that could not be started says nothing of the file: try again next time.
      if (!results[i] && results[i].error().code == Errc::unavailable) continue;
      verdicts.insert_or_assign(stamps[i], results[i]);
    }
  }

  bool already(const std::string& file) const {
    const auto known = loaded.find(file);
    return known != loaded.end() && known->second.info;
  }

  // The file is loaded once; one that could not be used is tried again when it has changed.
  Result<PluginInfo> load(const std::string& file) {
    const auto now = stamp(file);
    if (const auto known = loaded.find(file);
        known != loaded.end() && (known->second.info || known->second.stamp == now))
      return known->second.info;
    if (auto checked = check_file(file); !checked) return std::unexpected(checked.error());
    if (!executable.empty()) {
      const auto verdict = verdicts.find(now.value_or(Stamp{}));
      if (verdict == verdicts.end())
        return fail(
            Errc::unavailable,
            fmt::format("{}: it could not be tried in a child process of {}", file, executable));
      if (!verdict->second) return std::unexpected(verdict->second.error());
    }
    auto info = load_plugin(file);
    loaded.insert_or_assign(file, Loaded{now.value_or(Stamp{}), info});
    return info;
  }
};

Loader::Loader(std::string executable) : impl_(std::make_unique<Impl>()) {
  impl_->executable = std::move(executable);
}
Loader::~Loader() = default;

Result<PluginInfo> Loader::find(const std::string& name, const std::vector<std::string>& folders) {
  if (!plain_name(name))
    return fail(Errc::invalid_argument,
                fmt::format("\"{}\" is no name of a plugin: it is that of a file without .so, and "
                            "has no folder",
                            name));
  const std::lock_guard lock(impl_->mutex);
  for (const auto& folder : folders) {
    std::error_code ignored;
    const std::string file = (absolute(folder) / (name + ".so")).string();
    if (!fs::exists(fs::symlink_status(file, ignored))) continue;
    std::vector<std::string> files{file};  // the wanted one first, its neighbours with it
    for (auto& other : all_files(folders))
      if (other != file) files.push_back(std::move(other));
    impl_->preflight(files);
    return impl_->load(file);
  }
  return fail(
      Errc::not_found,
      fmt::format("there is no {}.so in {}{}", name,
                  folders.empty() ? "any folder" : fmt::format("{}", fmt::join(folders, ", ")),
                  suggestion(name, all_files(folders))));
}

void Loader::preflight(const std::vector<std::string>& files) {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::string> paths;
  for (const auto& file : files) paths.push_back(absolute(file).string());
  impl_->preflight(paths);
}

std::vector<Loader::Found> Loader::scan(const std::vector<std::string>& folders) {
  const std::lock_guard lock(impl_->mutex);
  const auto files = all_files(folders);
  impl_->preflight(files);
  std::vector<Found> found;
  for (const auto& file : files) found.push_back({file, impl_->load(file)});
  return found;
}

bool Loader::replaced(const std::string& name) const {
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [file, loaded] : impl_->loaded)
    if (loaded.info && loaded.info->name == name && stamp(file) != loaded.stamp) return true;
  return false;
}

}  // namespace viaduct::plugins
