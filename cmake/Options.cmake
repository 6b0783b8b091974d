# What every target of the project is compiled with; linked PRIVATE.
add_library(viaduct_options INTERFACE)
target_compile_options(viaduct_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<CXX_COMPILER_ID:Clang>:-Xclang -fno-pch-timestamp>)
target_include_directories(viaduct_options INTERFACE ${PROJECT_SOURCE_DIR})
find_package(Threads REQUIRED)
target_link_libraries(viaduct_options INTERFACE Threads::Threads)

# Sanitizers go everywhere: host and plugins must be sanitized alike.
if(VIADUCT_SANITIZE)
  add_compile_options(-fsanitize=${VIADUCT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -gline-tables-only)
  add_link_options(-fsanitize=${VIADUCT_SANITIZE})
endif()

# A part of the host: a static library viaduct_<name>, so that each part says what it stands on.
#   viaduct_host_part(store SOURCES … LINK …)
function(viaduct_host_part name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(viaduct_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(viaduct_${name} PUBLIC ${ARG_LINK} PRIVATE viaduct_options)
  target_include_directories(viaduct_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  if(NOT name STREQUAL "base")
    target_precompile_headers(viaduct_${name} REUSE_FROM viaduct_base)
  endif()
endfunction()

# A GoogleTest executable whose cases ctest knows by name.
#   viaduct_add_test(store_test SOURCES … LINK … [LABEL unit])
function(viaduct_add_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE viaduct_options ${ARG_LINK} GTest::gtest_main GTest::gmock)
  # What is tested is optimized; the tests are compiled in half the time without.
  target_compile_options(${name} PRIVATE -O0)
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h>)
  gtest_discover_tests(${name} TEST_PREFIX ${ARG_LABEL}.${name}.
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 120 DISCOVERY_TIMEOUT 60)
endfunction()
