#include "host/plugins/plugins.hpp"

#include "host/plugins/instance.hpp"
#include "host/plugins/plugin_backend.hpp"
#include "host/plugins/plugins_json.hpp"

#include <fmt/format.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <thread>
#include <tuple>

namespace viaduct::plugins {
namespace {

namespace asio = boost::asio;
template <class T = void>
using Task = asio::awaitable<T>;
using std::chrono::milliseconds;

// Waits for something that answers by a Done. `begin` is called at once; the coroutine goes on from
// the loop, never inside the answer.
template <class T>
Task<Result<T>> answer_of(Loop& loop, std::move_only_function<void(Done<T>)> begin) {
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Result<T>)>(
      [](auto handler, Loop* where, std::move_only_function<void(Done<T>)> call) {
        call([where, handler = std::move(handler)](Result<T> result) mutable {
          where->post([handler = std::move(handler), result = std::move(result)]() mutable {
            std::move(handler)(std::move(result));
          });
        });
      },
      asio::use_awaitable, &loop, std::move(begin));
}

// One instance of the configuration.
struct Entry {
  std::shared_ptr<Instance> instance;
  std::unique_ptr<PluginBackend> backend;  // null for a surface
  sessions::SurfaceBackends picks;         // of a surface
  bool registered = false;                 // the sessions service knows the backend

  bool is_surface() const { return instance->info().is_surface; }
};
using EntryPtr = std::shared_ptr<Entry>;

// What the configuration wants of one instance.
struct Wanted {
  config::Instance config;
  sessions::SurfaceBackends picks;
  bool is_surface = false;
  EntryPtr old;       // what runs by that name
  bool same = false;  // and needs nothing but, perhaps, other picks
  PluginInfo info;
  EntryPtr fresh;         // what is to take its place
  bool forgiven = false;  // nothing ran by that name: the others do without it if it cannot start

  bool reloadable() const {
    return old && old->instance->info().file == info.file && old->instance->can_reload();
  }
};

// The place in the file does not matter: lines move when others are added.
bool same_config(const config::Instance& a, const config::Instance& b) {
  return a.name == b.name && a.plugin == b.plugin && a.config == b.config &&
         a.references == b.references;
}
bool same_picks(const sessions::SurfaceBackends& a, const sessions::SurfaceBackends& b) {
  return a.default_backend == b.default_backend && a.backends == b.backends;
}

// Something outside is not as it must be, such as a token or an account. The plugin is fine, and so
// is its configuration.
bool is_outside(Errc code) {
  return code == Errc::failed_precondition || code == Errc::permission_denied ||
         code == Errc::conflict;
}

Error named(const Wanted& wanted, std::string_view step, const Error& error) {
  return {error.code,
          fmt::format("{} \"{}\" (plugin {}) {}: {}", wanted.is_surface ? "surface" : "backend",
                      wanted.config.name,
                      wanted.info.file.empty() ? wanted.config.plugin : wanted.info.file, step,
                      error.message)};
}

}  // namespace

struct Plugins::Impl : std::enable_shared_from_this<Plugins::Impl> {
  Impl(Loader& plugin_loader, Services host_services, Deadlines limits)
      : loader(plugin_loader),
        around{host_services, limits, {}, {}},
        log(host_services.logs, "host.plugin") {}

  Loader& loader;
  Surroundings around;
  Logger log;
  std::vector<EntryPtr> entries;  // backends, then surfaces, in the order of the configuration
  std::map<std::string, std::vector<Done<std::string>>> checking;  // who waits, by instance
  std::vector<EntryPtr> graveyard;  // gone; kept, since a plugin's stray thread may still have its
                                    // host table
  bool has_begun = false;
  bool applying = false;
  bool stopping = false;
  std::vector<Done<>> after_apply;  // told when the present apply() has ended
  std::jthread finder;

  Loop& loop() { return around.services.loop; }
  sessions::Sessions& sessions() { return around.services.sessions; }

  EntryPtr find(std::string_view name, bool is_surface) const {
    for (const auto& entry : entries)
      if (entry->is_surface() == is_surface && entry->instance->name() == name) return entry;
    return nullptr;
  }

  void bury(const EntryPtr& entry) {
    std::erase(entries, entry);
    if (std::find(graveyard.begin(), graveyard.end(), entry) == graveyard.end())
      graveyard.push_back(entry);
  }

  // One that does not run stays in the list, so that people see it.
  void show(const EntryPtr& gone) {
    std::erase(graveyard, gone);
    entries.push_back(gone);
  }

  // ---- steps

  Task<Result<>> create(Wanted& wanted) {
    auto entry = std::make_shared<Entry>();
    entry->instance = Instance::make(around, wanted.info, wanted.config);
    entry->picks = wanted.picks;
    Instance& instance = *entry->instance;
    auto created = co_await answer_of<void>(
        loop(), [&instance](Done<> done) { instance.create(std::move(done)); });
    if (!created) {
      co_await stop_one(entry, around.deadlines.stop);
      co_return std::unexpected(named(wanted, "cannot be created", created.error()));
    }
    if (!wanted.is_surface) entry->backend = std::make_unique<PluginBackend>(entry->instance);
    wanted.fresh = entry;
    co_return Result<>{};
  }

  // Starts those that are fresh, all at once, and tells the sessions service.
  Task<Result<>> start(std::vector<Wanted*> list) {
    if (list.empty()) co_return Result<>{};
    std::vector<Result<>> results(list.size());
    for (Wanted* wanted : list) {
      entries.push_back(wanted->fresh);
      if (wanted->is_surface) sessions().set_surface(wanted->config.name, wanted->picks);
    }
    co_await answer_of<void>(loop(), [&](Done<> done) {
      auto left = std::make_shared<std::pair<std::size_t, Done<>>>(list.size(), std::move(done));
      for (std::size_t i = 0; i < list.size(); ++i)
        list[i]->fresh->instance->start([&result = results[i], left](Result<> said) {
          result = std::move(said);
          if (--left->first == 0) left->second({});
        });
    });
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!results[i] && list[i]->forgiven && is_outside(results[i].error().code)) {
        log.error(
            "instance does not run instance={} plugin={} reason=\"{}\"; `viaduct reload` tries "
            "it again",
            list[i]->config.name, list[i]->info.name, results[i].error().message);
        co_await stop_one(list[i]->fresh, around.deadlines.stop);
        show(list[i]->fresh);
        continue;
      }
      if (!results[i])
        co_return std::unexpected(named(*list[i], "cannot be started", results[i].error()));
      register_backend(list[i]->fresh);
      log.info("instance started instance={} plugin={} version={}", list[i]->config.name,
               list[i]->info.name, list[i]->info.version);
    }
    co_return Result<>{};
  }

  void register_backend(const EntryPtr& entry) {
    if (!entry->backend) return;
    sessions().add_backend(entry->instance->name(), *entry->backend);
    entry->registered = true;
  }

  Task<> stop_one(EntryPtr entry, milliseconds limit) {
    if (std::exchange(entry->registered, false))
      co_await answer_of<void>(loop(), [&](Done<> done) {
        sessions().remove_backend(entry->instance->name(), std::move(done));
      });
    co_await answer_of<bool>(
        loop(), [&](Done<bool> done) { entry->instance->stop(limit, std::move(done)); });
    bury(entry);
  }

  // All at once.
  Task<> stop_all(std::vector<EntryPtr> list, milliseconds limit) {
    if (list.empty()) co_return;
    co_await answer_of<void>(loop(), [&](Done<> done) {
      auto left = std::make_shared<std::pair<std::size_t, Done<>>>(list.size(), std::move(done));
      for (const auto& entry : list)
        asio::co_spawn(loop().context(), stop_one(entry, limit), [left](const std::exception_ptr&) {
          if (--left->first == 0) left->second({});
        });
    });
  }

  // Finds and loads the plugins off the loop: a file that hangs while it is loaded takes 10 s.
  Task<Result<>> load(std::vector<Wanted>& all, const std::vector<std::string>& folders) {
    std::vector<Wanted*> list;
    for (auto& wanted : all)
      if (!wanted.same) list.push_back(&wanted);
    std::vector<Result<PluginInfo>> found(list.size(), PluginInfo{});
    co_await answer_of<void>(loop(), [&](Done<> done) {
      finder = std::jthread([this, &list, &found, &folders, done = std::move(done)]() mutable {
        for (std::size_t i = 0; i < list.size(); ++i)
          found[i] = loader.find(list[i]->config.plugin, folders);
        done({});
      });
    });
    finder.join();
    for (std::size_t i = 0; i < list.size(); ++i) {
      Wanted& wanted = *list[i];
      if (!found[i]) co_return std::unexpected(named(wanted, "cannot be loaded", found[i].error()));
      wanted.info = *found[i];
      if (wanted.info.is_surface != wanted.is_surface)
        co_return std::unexpected(
            named(wanted, "is in the wrong place",
                  {Errc::failed_precondition, wanted.is_surface
                                                  ? "this plugin is a backend, not a surface"
                                                  : "this plugin is a surface, not a backend"}));
      if (loader.replaced(wanted.config.plugin))
        log.warn(
            "plugin file was replaced since it was loaded; restart the host to use the new "
            "one plugin={}",
            wanted.config.plugin);
    }
    co_return Result<>{};
  }

  // ---- apply

  struct Plan {
    std::vector<Wanted> wanted;
    std::vector<EntryPtr> removed;
    std::vector<EntryPtr> failed;  // before, and tried again
    // What was done to what ran before.
    struct Reloaded {
      EntryPtr entry;
      config::Instance before;
    };
    std::vector<Reloaded> reloaded;
    std::vector<EntryPtr> replaced;  // stopped; backends, then surfaces
    std::vector<std::pair<EntryPtr, sessions::SurfaceBackends>> picked;
  };

  std::vector<Wanted*> some(Plan& plan, bool is_surface, bool replacing) {
    std::vector<Wanted*> list;
    for (auto& wanted : plan.wanted)
      if (wanted.fresh && wanted.is_surface == is_surface && (wanted.old != nullptr) == replacing)
        list.push_back(&wanted);
    return list;
  }

  Result<> go_on() const {
    if (stopping) return fail(Errc::unavailable, "the host is stopping");
    return {};
  }

  Task<Result<>> replace(Plan& plan, bool is_surface) {
    for (Wanted* wanted : some(plan, is_surface, /*replacing=*/true)) {
      // The old one first: both may want the same port or the same account.
      co_await stop_one(wanted->old, around.deadlines.stop);
      plan.replaced.push_back(wanted->old);
      if (auto go = go_on(); !go) co_return go;
      if (auto started = co_await start({wanted}); !started) co_return started;
    }
    co_return Result<>{};
  }

  Task<Result<>> bring(Plan& plan) {
    // Nothing that runs is touched yet.
    for (auto& wanted : plan.wanted) {
      if (wanted.same || wanted.reloadable()) continue;
      if (auto created = co_await create(wanted); !created) co_return created;
      if (auto go = go_on(); !go) co_return go;
    }
    for (auto& wanted : plan.wanted) {
      if (wanted.same || wanted.fresh) continue;
      Instance& old = *wanted.old->instance;
      const config::Instance before = old.config();
      auto reloaded = co_await answer_of<void>(
          loop(), [&](Done<> done) { old.reload(wanted.config, std::move(done)); });
      if (auto go = go_on(); !go) co_return go;
      if (reloaded) {
        plan.reloaded.push_back({wanted.old, before});
        log.info("instance reloaded instance={}", wanted.config.name);
      } else if (reloaded.error().code == Errc::unsupported) {
        if (auto created = co_await create(wanted); !created) co_return created;
      } else {
        co_return std::unexpected(
            named(wanted, "does not take its new configuration", reloaded.error()));
      }
    }

    if (auto done = co_await start(some(plan, false, false)); !done) co_return done;
    if (auto done = co_await replace(plan, false); !done) co_return done;
    for (auto& wanted : plan.wanted) {
      if (!wanted.is_surface || wanted.fresh || same_picks(wanted.old->picks, wanted.picks))
        continue;
      plan.picked.emplace_back(wanted.old, wanted.old->picks);
      wanted.old->picks = wanted.picks;
      sessions().set_surface(wanted.config.name, wanted.picks);
    }
    if (auto done = co_await start(some(plan, true, false)); !done) co_return done;
    if (auto done = co_await replace(plan, true); !done) co_return done;
    if (auto go = go_on(); !go) co_return go;

    // All that is new runs. What is left cannot fail.
    co_await stop_removed(plan.removed, around.deadlines.stop);
    co_return Result<>{};
  }

  Task<> stop_removed(std::vector<EntryPtr> list, milliseconds limit) {
    std::vector<EntryPtr> surfaces;
    std::vector<EntryPtr> backends;
    for (const auto& entry : list) (entry->is_surface() ? surfaces : backends).push_back(entry);
    co_await stop_all(surfaces, limit);
    for (const auto& entry : surfaces)
      if (!find(entry->instance->name(), true)) sessions().set_surface(entry->instance->name(), {});
    co_await stop_all(backends, limit);
  }

  // Back to what ran before.
  Task<> take_back(Plan& plan) {
    std::vector<EntryPtr> fresh;
    for (const auto& wanted : plan.wanted)
      if (wanted.fresh) fresh.push_back(wanted.fresh);
    co_await stop_removed(fresh, around.deadlines.stop);
    if (stopping) co_return;
    for (const auto& [entry, before] : plan.reloaded) {
      const auto back = co_await answer_of<void>(
          loop(), [&](Done<> done) { entry->instance->reload(before, std::move(done)); });
      if (!back) {
        log.error("instance keeps a configuration that was taken back instance={} error=\"{}\"",
                  before.name, back.error().message);
        entry->instance->set_error(back.error());
      }
    }
    for (const auto& [entry, picks] : plan.picked) {
      entry->picks = picks;
      sessions().set_surface(entry->instance->name(), picks);
    }
    for (const auto& old : plan.replaced) {
      Wanted again;
      again.config = old->instance->config();
      again.picks = old->picks;
      again.is_surface = old->is_surface();
      again.info = old->instance->info();
      auto back = co_await create(again);
      if (back) back = co_await start({&again});
      if (stopping) co_return;
      if (back) continue;
      log.error("instance could not be brought back instance={} error=\"{}\"", again.config.name,
                back.error().message);
      if (again.fresh) co_await stop_one(again.fresh, around.deadlines.stop);
      const auto& shown = again.fresh ? again.fresh : old;
      shown->instance->set_error(back.error());
      show(shown);
    }
    for (const auto& entry : plan.failed) show(entry);
  }

  Task<Result<>> apply(config::Config config) {
    Plan plan;
    const auto want = [&](const config::Instance& instance, bool is_surface,
                          sessions::SurfaceBackends picks) {
      Wanted wanted;
      wanted.forgiven = !has_begun;
      wanted.config = instance;
      wanted.is_surface = is_surface;
      wanted.picks = std::move(picks);
      if (auto old = find(instance.name, is_surface)) {
        if (old->instance->gone()) {
          bury(old);  // it had failed: as if it were new
          wanted.forgiven = true;
          plan.failed.push_back(std::move(old));
        } else {
          wanted.same = same_config(old->instance->config(), instance);
          wanted.info = old->instance->info();
          wanted.old = std::move(old);
        }
      }
      plan.wanted.push_back(std::move(wanted));
    };
    for (const auto& backend : config.backends) want(backend, false, {});
    for (const auto& surface : config.surfaces)
      want(surface, true, {.default_backend = surface.backend, .backends = surface.backends});
    for (const auto& entry : entries) {
      const auto& name = entry->instance->name();
      const bool wanted =
          std::any_of(plan.wanted.begin(), plan.wanted.end(), [&](const Wanted& other) {
            return other.is_surface == entry->is_surface() && other.config.name == name;
          });
      if (!wanted) plan.removed.push_back(entry);
    }
    const std::string folder_before =
        std::exchange(around.folder, std::filesystem::path(config.file).parent_path().string());

    Result<> result = co_await load(plan.wanted, config.plugin_path);
    if (result) result = go_on();
    if (result) result = co_await bring(plan);
    if (!result) {
      around.folder = folder_before;
      co_await take_back(plan);
    }
    order(plan);
    has_begun = has_begun || result;
    co_return result;
  }

  Task<Result<>> create_only(config::Config config, std::string name) {
    std::vector<Wanted> wanted(1);
    const auto take = [&](const config::Instance& instance, bool is_surface) {
      if (instance.name != name) return;
      wanted.front().config = instance;
      wanted.front().is_surface = is_surface;
    };
    for (const auto& backend : config.backends) take(backend, false);
    for (const auto& surface : config.surfaces) take(surface, true);
    around.folder = std::filesystem::path(config.file).parent_path().string();
    if (auto loaded = co_await load(wanted, config.plugin_path); !loaded) co_return loaded;
    auto entry = std::make_shared<Entry>();
    entry->instance = Instance::make(around, wanted.front().info, wanted.front().config);
    entries.push_back(entry);
    auto created = co_await answer_of<void>(
        loop(), [&](Done<> done) { entry->instance->create(std::move(done)); });
    if (created) entry->instance->accept_calls();
    co_return created;
  }

  // As in the configuration.
  void order(const Plan& plan) {
    const auto place = [&](const EntryPtr& entry) {
      std::size_t i = 0;
      while (i < plan.wanted.size() && (plan.wanted[i].is_surface != entry->is_surface() ||
                                        plan.wanted[i].config.name != entry->instance->name()))
        ++i;
      return std::tuple(entry->is_surface(), i, entry->instance->name());
    };
    std::sort(entries.begin(), entries.end(),
              [&](const auto& a, const auto& b) { return place(a) < place(b); });
  }

  // ---- the rest

  std::vector<InstanceStatus> status() const {
    std::vector<InstanceStatus> list;
    for (const auto& entry : entries) {
      list.push_back(entry->instance->status());
      // Pages and commands show it.
      if (auto& error = list.back().error)
        error->message = around.services.redactor.apply(error->message);
    }
    return list;
  }

  void overview(Done<std::string> done) {
    auto left = std::make_shared<std::pair<std::size_t, Done<std::string>>>(entries.size() + 1,
                                                                            std::move(done));
    const auto one = [self = shared_from_this(), left] {
      if (--left->first > 0) return;
      self->around.services.overview([self, left](Result<std::string> overview) {
        if (overview) overview = with_instances(*overview, self->status());
        left->second(std::move(overview));
      });
    };
    for (const auto& entry : entries) entry->instance->health([one](const Result<>&) { one(); });
    loop().post(one);
  }

  // Which names would do instead.
  std::string no_instance(const std::string& name) const {
    std::string others;
    for (const auto& entry : entries)
      if (entry->instance->tables().tool != nullptr && !entry->instance->gone())
        others += (others.empty() ? "" : ", ") + entry->instance->name();
    return fmt::format("the running host has no \"{}\"; {}", name,
                       others.empty() ? "no instance of it has subcommands"
                                      : "of its instances, these have subcommands: " + others);
  }

  Result<std::shared_ptr<Instance>> with_tool(const std::string& name) const {
    auto entry = find(name, true);
    if (!entry) entry = find(name, false);
    if (!entry) return fail(Errc::not_found, no_instance(name));
    if (entry->instance->gone()) {
      const auto error = entry->instance->status().error;
      return fail(Errc::unavailable, fmt::format("{} does not run{}{}", name, error ? ": " : "",
                                                 error ? error->message : ""));
    }
    return entry->instance;
  }

  void doctor(const std::string& name, milliseconds limit, Done<std::string> done) {
    auto found = with_tool(name);
    if (found && !VIADUCT_HAS((*found)->tables().tool, doctor))
      found = fail(Errc::unsupported, fmt::format("{} has no checks", name));
    if (!found) {
      loop().post([error = found.error(), done = std::move(done)]() mutable {
        done(std::unexpected(error));
      });
      return;
    }
    Instance& instance = **found;
    instance.call(
        "doctor", limit,
        [&instance](std::uint64_t id) {
          may_throw(instance.tables().tool->doctor)(instance.self(), id);
        },
        std::move(done));
  }

  void check(const std::string& name, Done<std::string> done) {
    auto& waiting = checking[name];
    waiting.push_back(std::move(done));
    if (waiting.size() > 1) return;
    doctor(
        name, around.deadlines.check,
        [self = shared_from_this(), name](Result<std::string> answer) {
          if (answer)
            answer = shown_checks(*answer, self->around.services.redactor);
          else if (answer.error().code == Errc::unsupported)
            answer = shown_checks("", self->around.services.redactor);
          else
            answer = std::unexpected(Error{
                answer.error().code, self->around.services.redactor.apply(answer.error().message)});
          auto waiting = self->checking.extract(name);
          for (auto& one : waiting.mapped()) one(answer);
        });
  }

  Task<> stop_everything(milliseconds limit) {
    std::vector<EntryPtr> surfaces;
    std::vector<EntryPtr> backends;
    for (const auto& entry : entries) (entry->is_surface() ? surfaces : backends).push_back(entry);
    co_await stop_all(surfaces, limit);
    co_await stop_all(backends, limit);
    if (applying)
      co_await answer_of<void>(loop(),
                               [this](Done<> done) { after_apply.push_back(std::move(done)); });
  }
};

Plugins::Plugins(Loader& loader, Services services, Deadlines deadlines)
    : impl_(std::make_shared<Impl>(loader, std::move(services), deadlines)) {
  impl_->around.overview = [impl = std::weak_ptr(impl_)](Done<std::string> done) {
    if (const auto self = impl.lock()) self->overview(std::move(done));
  };
  impl_->around.check = [impl = std::weak_ptr(impl_)](const std::string& name,
                                                      Done<std::string> done) {
    if (const auto self = impl.lock()) self->check(name, std::move(done));
  };
}

Plugins::~Plugins() {
  for (const auto& entry : impl_->entries)
    if (!entry->instance->gone()) entry->instance->abandon("the host ends without stopping it");
}

void Plugins::apply(const config::Config& config, Done<> done) {
  Impl& impl = *impl_;
  if (impl.applying || impl.stopping) {
    impl.loop().post([done = std::move(done), stopping = impl.stopping]() mutable {
      done(stopping ? fail(Errc::unavailable, "the host is stopping")
                    : fail(Errc::busy, "another configuration is being applied"));
    });
    return;
  }
  impl.applying = true;
  asio::co_spawn(impl.loop().context(), impl.apply(config),
                 [self = impl_, done = std::move(done)](const std::exception_ptr& exception,
                                                        Result<> result) mutable {
                   if (exception) result = fail(Errc::internal, "apply was cut short");
                   self->applying = false;
                   done(std::move(result));
                   for (auto& waiting : std::exchange(self->after_apply, {})) waiting({});
                 });
}

void Plugins::create_only(const config::Config& config, const std::string& name, Done<> done) {
  asio::co_spawn(
      impl_->loop().context(), impl_->create_only(config, name),
      [done = std::move(done)](const std::exception_ptr& exception, Result<> result) mutable {
        if (exception) result = fail(Errc::internal, "create was cut short");
        done(std::move(result));
      });
}

std::vector<InstanceStatus> Plugins::status() const {
  return impl_->status();
}

std::size_t Plugins::abandoned() const {
  const auto count = [](const std::vector<EntryPtr>& list) {
    return std::count_if(list.begin(), list.end(),
                         [](const EntryPtr& entry) { return entry->instance->abandoned(); });
  };
  return static_cast<std::size_t>(count(impl_->entries) + count(impl_->graveyard));
}

void Plugins::tool_run(const std::string& name, std::vector<std::string> arguments,
                       Done<std::string> done) {
  auto found = impl_->with_tool(name);
  if (found && !VIADUCT_HAS((*found)->tables().tool, run))
    found = fail(Errc::unsupported, fmt::format("{} has no subcommands", name));
  if (!found) {
    impl_->loop().post([error = found.error(), done = std::move(done)]() mutable {
      done(std::unexpected(error));
    });
    return;
  }
  Instance& instance = **found;
  instance.call(
      "run", std::nullopt,
      [&instance, text = json_array(arguments)](std::uint64_t id) {
        may_throw(instance.tables().tool->run)(instance.self(), id, str(text));
      },
      std::move(done));
}

void Plugins::tool_doctor(const std::string& name, Done<std::string> done) {
  impl_->doctor(name, impl_->around.deadlines.start, std::move(done));
}

void Plugins::stop(milliseconds limit, Done<> done) {
  impl_->stopping = true;
  asio::co_spawn(
      impl_->loop().context(), impl_->stop_everything(limit),
      [self = impl_, done = std::move(done)](const std::exception_ptr&) mutable { done({}); });
}

}  // namespace viaduct::plugins
