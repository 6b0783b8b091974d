/* An exception leaves prompt. */
#include <viaduct/abi.h>

#include <cstring>
#include <stdexcept>

// Compiled as C++14, where the header cannot say noexcept: the exception really leaves the plugin.
namespace {

struct Instance {
  const viaduct_host* host;
};
Instance* of(viaduct_instance* self) {
  return reinterpret_cast<Instance*>(self);
}

void complete(viaduct_instance* self, uint64_t call) {
  const viaduct_status status{sizeof(viaduct_status), VIADUCT_OK, {nullptr, 0}};
  of(self)->host->complete(of(self)->host, call, &status, {"{}", 2});
}

viaduct_instance* create(const viaduct_host* host, viaduct_str) {
  return reinterpret_cast<viaduct_instance*>(new Instance{host});
}
void start(viaduct_instance* self, uint64_t call) {
  complete(self, call);
}
void stop(viaduct_instance* self, uint64_t call) {
  complete(self, call);
}
void destroy(viaduct_instance* self) {
  delete of(self);
}
void completed(viaduct_instance*, uint64_t, const viaduct_status*, viaduct_str) {}

void open(viaduct_instance* self, uint64_t call, const viaduct_open*) {
  complete(self, call);
}
void prompt(viaduct_instance*, uint64_t, const viaduct_prompt*) {
  throw std::runtime_error("thrown in prompt");
}
void cancel(viaduct_instance* self, uint64_t call, uint64_t, uint64_t) {
  complete(self, call);
}
void answer(viaduct_instance* self, uint64_t call, uint64_t, viaduct_str, viaduct_str) {
  complete(self, call);
}
void close(viaduct_instance* self, uint64_t call, uint64_t, uint32_t) {
  complete(self, call);
}
void writable(viaduct_instance*, uint64_t) {}

const viaduct_backend backend{sizeof(viaduct_backend),
                              0,
                              0,
                              {"thrower", 7},
                              nullptr,
                              open,
                              nullptr,
                              nullptr,
                              prompt,
                              cancel,
                              answer,
                              nullptr,
                              nullptr,
                              nullptr,
                              nullptr,
                              close,
                              writable,
                              nullptr,
                              nullptr,
                              nullptr};

const void* interface(viaduct_instance*, const char* id) {
  return std::strcmp(id, VIADUCT_BACKEND) == 0 ? &backend : nullptr;
}

const viaduct_instance_api api{sizeof(viaduct_instance_api),
                               0,
                               start,
                               stop,
                               destroy,
                               interface,
                               completed,
                               nullptr,
                               nullptr,
                               nullptr,
                               nullptr};

}  // namespace

extern "C" {
__attribute__((visibility("default"))) extern const viaduct_plugin viaduct_plugin_v1;
const viaduct_plugin viaduct_plugin_v1{sizeof(viaduct_plugin),
                                       VIADUCT_ABI_MAJOR,
                                       VIADUCT_ABI_MINOR,
                                       VIADUCT_KIND_BACKEND,
                                       0,
                                       "com.example.faulty",
                                       "1.0.0",
                                       "Has one fault",
                                       "{}",
                                       "{}",
                                       &api,
                                       create};
}
