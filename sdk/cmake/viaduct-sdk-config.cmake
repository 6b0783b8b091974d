# find_package(viaduct-sdk): the target viaduct::sdk and viaduct_add_plugin().
include(${CMAKE_CURRENT_LIST_DIR}/viaduct-sdk-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ViaductPlugin.cmake)
