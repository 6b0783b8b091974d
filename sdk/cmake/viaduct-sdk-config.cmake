# find_package(viaduct-sdk): the target viaduct::sdk (headers, no dependency) and viaduct_add_plugin(); where it is
# installed, viaduct::sdk-testing, a fake host for unit tests, and viaduct::sdk-net, an event loop, HTTP and WebSocket
# clients and child processes (needs Boost 1.81 and libcurl), with viaduct::sdk-chat, which surfaces on chat networks share.
include(${CMAKE_CURRENT_LIST_DIR}/viaduct-sdk-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ViaductPlugin.cmake)
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/viaduct-sdk-testing-targets.cmake)
  include(CMakeFindDependencyMacro)
  find_dependency(Threads)
  include(${CMAKE_CURRENT_LIST_DIR}/viaduct-sdk-testing-targets.cmake)
endif()
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/viaduct-sdk-net-targets.cmake)
  include(CMakeFindDependencyMacro)
  find_dependency(Threads)
  find_dependency(Boost 1.81.0 CONFIG)
  find_dependency(CURL)
  find_dependency(OpenSSL)
  include(${CMAKE_CURRENT_LIST_DIR}/viaduct-sdk-net-targets.cmake)
endif()
