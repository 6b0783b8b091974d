# Debian 12 packages; scripts/setup installs them.
find_package(Boost 1.81.0 EXACT CONFIG REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL 7.85 REQUIRED)  # sdk/net, and what looks at addresses as it does
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(CMARK_GFM REQUIRED IMPORTED_TARGET libcmark-gfm)
pkg_check_modules(CJOSE REQUIRED IMPORTED_TARGET cjose)  # its .pc wants libjansson-dev
find_library(CMARK_GFM_EXTENSIONS cmark-gfm-extensions REQUIRED)  # has no .pc
pkg_check_modules(LIBXML2 REQUIRED IMPORTED_TARGET libxml-2.0)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)

# RapidJSON for its JSON Schema validator. Clang 19 rejects one assignment operator, which nobody calls: it is deleted in a copy.
find_path(RAPIDJSON_SYSTEM_INCLUDE rapidjson/document.h REQUIRED)
set(RAPIDJSON_COPY ${CMAKE_BINARY_DIR}/rapidjson)
file(COPY ${RAPIDJSON_SYSTEM_INCLUDE}/rapidjson DESTINATION ${RAPIDJSON_COPY})
file(READ ${RAPIDJSON_SYSTEM_INCLUDE}/rapidjson/document.h RAPIDJSON_DOCUMENT)
string(REPLACE "GenericStringRef& operator=(const GenericStringRef& rhs) { s = rhs.s; length = rhs.length; }"
               "GenericStringRef& operator=(const GenericStringRef& rhs) = delete;"
       RAPIDJSON_PATCHED "${RAPIDJSON_DOCUMENT}")
if(RAPIDJSON_PATCHED STREQUAL RAPIDJSON_DOCUMENT)
  message(FATAL_ERROR "rapidjson/document.h is not the one this build knows how to mend; look at cmake/Dependencies.cmake")
endif()
file(WRITE ${RAPIDJSON_COPY}/rapidjson/document.h.new "${RAPIDJSON_PATCHED}")
file(COPY_FILE ${RAPIDJSON_COPY}/rapidjson/document.h.new ${RAPIDJSON_COPY}/rapidjson/document.h ONLY_IF_DIFFERENT)
add_library(viaduct_rapidjson INTERFACE)
target_include_directories(viaduct_rapidjson SYSTEM INTERFACE ${RAPIDJSON_COPY})

if(BUILD_TESTING)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
  include(GoogleTest)
endif()
