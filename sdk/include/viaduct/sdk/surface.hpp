// What a surface plugin includes: derive from Surface, make the routes in start, export the class.
#pragma once

#include "viaduct/sdk/plugin.hpp"

namespace viaduct::sdk {

// A place where people talk. All that it does it does through Http, Sessions and the other
// services.
class Surface : public Plugin {};

namespace detail {

inline constexpr viaduct_surface kSurface{sizeof(viaduct_surface), 0};

template <class T>
viaduct_instance* create_surface(const viaduct_host* host, viaduct_str config) noexcept {
  static_assert(std::is_base_of_v<Surface, T>);
  return create<T>(host, config, [](Instance& made, T&) {
    made.kind_id = VIADUCT_SURFACE;
    made.kind_table = &kSurface;
  });
}

}  // namespace detail

// The descriptor of a surface class T, constructible from (Host, std::string_view config_json).
template <class T>
constexpr viaduct_plugin surface_plugin(const Descriptor& descriptor) {
  return detail::plugin(descriptor, VIADUCT_KIND_SURFACE, detail::create_surface<T>);
}

}  // namespace viaduct::sdk

// VIADUCT_EXPORT_SURFACE(MySurface, viaduct::sdk::Descriptor{"com.example.mine", "1.0.0", …})
#define VIADUCT_EXPORT_SURFACE(Type, ...) \
  VIADUCT_EXPORT_PLUGIN(::viaduct::sdk::surface_plugin<Type>(__VA_ARGS__))
