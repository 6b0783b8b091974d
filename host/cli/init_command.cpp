#include "host/cli/init_command.hpp"

#include "host/cli/commands.hpp"
#include "host/cli/init.hpp"
#include "host/cli/local_models.hpp"
#include "host/cli/places.hpp"
#include "host/cli/trial.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <system_error>

namespace viaduct::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPatience{500};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Where a shell would find the program; empty: nowhere.
std::string on_path(const std::string& program) {
  std::istringstream folders(variable("PATH"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = folder + "/" + program;
    struct stat status{};
    if (folder.starts_with("/") && ::stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        ::access(file.c_str(), X_OK) == 0)
      return file;
  }
  return "";
}

Machine look_around(const InitOptions& options) {
  Machine machine;
  machine.servers =
      find_model_servers(options.ports.empty() ? usual_ports() : options.ports, kPatience);
  for (const std::string& program : agent_programs())
    if (!on_path(program).empty()) machine.programs.insert(program);
  for (const std::string& key : key_names())
    if (!variable(key.c_str()).empty()) machine.keys.insert(key);
  return machine;
}

std::unexpected<Error> os_failure(const std::string& what) {
  return fail(Errc::unavailable, what + ": " + std::generic_category().message(errno));
}

// A new file that is gone again unless it was moved away.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& folder) : path_(folder / ".viaduct.yaml.XXXXXX") {}
  ~TemporaryFile() {
    if (made_) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

  // On disk when it returns; only its owner can read it.
  Result<> write(std::string_view text) {
    const int file = ::mkostemp(path_.data(), O_CLOEXEC);
    if (file < 0) return os_failure(path_);
    made_ = true;
    Result<> result;
    while (result && !text.empty()) {
      const ssize_t size = ::write(file, text.data(), text.size());
      if (size >= 0)
        text.remove_prefix(static_cast<std::size_t>(size));
      else if (errno != EINTR)
        result = os_failure(path_);
    }
    if (result && ::fsync(file) != 0) result = os_failure(path_);
    ::close(file);
    return result;
  }

  // Never over what is there, unless it is to be replaced.
  Result<> move_to(const std::string& target, bool replace) {
    const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), flags) != 0)
      return os_failure(target);
    made_ = false;
    if (const int folder = ::open(fs::path(target).parent_path().c_str(), O_RDONLY | O_CLOEXEC);
        folder >= 0) {
      ::fsync(folder);
      ::close(folder);
    }
    return {};
  }

 private:
  std::string path_;
  bool made_ = false;
};

// A second name for the file, FILE.bak, FILE.bak.2 …; the first that is free.
Result<std::string> keep_old(const std::string& file) {
  for (int number = 1;; ++number) {
    const std::string kept = file + ".bak" + (number == 1 ? "" : "." + std::to_string(number));
    if (::link(file.c_str(), kept.c_str()) == 0) return kept;
    if (errno != EEXIST) return os_failure(kept);
  }
}

Result<std::string> target_of(const InitOptions& options) {
  std::string target = options.output;
  if (target.empty()) {
    const std::string home = variable("HOME");
    if (home.empty())
      return fail(Errc::invalid_argument,
                  "HOME is not set; say where the configuration goes: --output FILE");
    target = home + "/.config/viaduct/viaduct.yaml";
  }
  std::error_code error;
  // A link stays one.
  if (fs::is_symlink(target, error)) target = fs::weakly_canonical(target, error).string();
  return fs::absolute(target, error).string();
}

// Makes the folder and those above it, for their owner only.
Result<> make_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return {};
  if (auto above = make_folder(folder.parent_path()); !above) return above;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return os_failure(folder.string());
  return {};
}

std::string for_shell(const std::string& word) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./~+,:@";
  if (word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// How to call this program with what was written.
std::string next_command(const std::string& command, const std::string& target) {
  std::error_code error;
  std::string text = fs::equivalent(on_path("viaduct"), executable(), error) && !error
                         ? "viaduct"
                         : for_shell(executable());
  text += " " + command;
  const auto found = config::find_file("");
  if (!found || !fs::equivalent(*found, target, error)) text += " --config " + for_shell(target);
  return text;
}

Result<> write(const std::string& target, const std::string& text, bool force, std::string& kept) {
  if (auto made = make_folder(fs::path(target).parent_path()); !made) return made;
  TemporaryFile file(fs::path(target).parent_path());
  if (auto written = file.write(text); !written) return written;
  // In the same folder, so that it means the same there.
  plugins::Loader loader(executable());
  const auto loaded = try_config(file.path(), loader);
  if (!loaded.diagnostics.empty()) {
    std::string all = "what was found makes no configuration without errors; nothing was written";
    for (config::Diagnostic diagnostic : loaded.diagnostics) {
      diagnostic.file = target;
      all += "\n" + diagnostic.text();
    }
    return fail(Errc::failed_precondition, all);
  }
  std::error_code error;
  if (force && fs::exists(target, error)) {
    auto old = keep_old(target);
    if (!old) return std::unexpected(old.error());
    kept = *old;
  }
  return file.move_to(target, force);
}

}  // namespace

int init(const InitOptions& options) {
  const auto failed = [](const Error& error, int code = 1) {
    std::cerr << error.message << '\n';
    return code;
  };
  const auto target = target_of(options);
  if (!target) return failed(target.error(), 2);
  std::error_code error;
  if (fs::is_directory(*target, error))
    return failed({Errc::invalid_argument, *target + " is a folder; expected a file"}, 2);
  if (!options.force && fs::exists(*target, error))
    return failed({Errc::conflict, *target +
                                       " is there already; --force replaces it and keeps the old "
                                       "one beside it, --output FILE writes another"});

  const Machine machine = look_around(options);
  const std::vector<Offer> all = offers(machine);
  if (all.empty()) {
    std::cout << "Found no agent program, no model server and no key on this machine.\n";
  } else {
    std::cout << "Found on this machine:\n";
    for (std::size_t i = 0; i < all.size(); ++i)
      std::cout << fmt::format("  {:>2}  {:<12} {}\n", i + 1, all[i].name, all[i].what);
  }
  for (const std::string& remark : remarks(machine)) std::cout << remark << '\n';

  Plan plan = all;
  if (options.ask || (!options.yes && ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO))) {
    std::cout << "\nAn empty line takes what is in [brackets]; the end of input stops.\n";
    auto asked = ask(all, std::cin, std::cout);
    if (!asked) {
      std::cout << '\n';
      return failed({Errc::cancelled, "stopped; nothing was written"});
    }
    plan = std::move(*asked);
  }

  std::string kept;
  if (auto written = write(*target, configuration(plan, strangers(machine)), options.force, kept);
      !written)
    return failed(written.error());
  std::cout << "\nWrote " << *target << (kept.empty() ? "" : "; the old one is " + kept) << '\n';
  if (plan.empty())
    std::cout << "Only the mock answers: the file says how to add an agent.\n";
  else
    std::cout << plan.front().name << " answers; others can be chosen on the page.\n";
  std::cout << "\nNext:\n  " << next_command("serve", *target) << "\n  "
            << next_command("doctor", *target)
            << "    in another terminal: whether each backend can answer\n"
               "Slack and Microsoft Teams: the file has their lines, and the page Settings says "
               "step by step how each is set up.\n";
  return 0;
}

}  // namespace viaduct::cli
