# Builds a web page and embeds its files, plain and gzipped, into a target:
#   viaduct_embed_page(web_chat PAGE_DIR page HEADER plugins/web_chat/page_files.hpp NAMESPACE viaduct::web_chat)
# HEADER declares NAMESPACE::PageFile and NAMESPACE::page_files(), which the generated file defines. Without VIADUCT_WEB there are
# no files. What PAGE_DIR/test holds is run by ctest.
if(VIADUCT_WEB)
  find_program(VIADUCT_NODE NAMES node nodejs REQUIRED)
  find_program(VIADUCT_NPM npm REQUIRED)
  if(NOT TARGET viaduct_npm)
    set(VIADUCT_NPM_STAMP ${CMAKE_BINARY_DIR}/npm.stamp CACHE INTERNAL "")
    add_custom_command(OUTPUT ${VIADUCT_NPM_STAMP}
      COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DNPM=${VIADUCT_NPM} -P ${PROJECT_SOURCE_DIR}/cmake/NpmInstall.cmake
      COMMAND ${CMAKE_COMMAND} -E touch ${VIADUCT_NPM_STAMP}
      DEPENDS ${PROJECT_SOURCE_DIR}/package-lock.json ${PROJECT_SOURCE_DIR}/cmake/NpmInstall.cmake
      COMMENT "Installing npm packages" VERBATIM)
    add_custom_target(viaduct_npm DEPENDS ${VIADUCT_NPM_STAMP})
    if(BUILD_TESTING)
      add_test(NAME unit.page.types COMMAND ${VIADUCT_NODE} ${PROJECT_SOURCE_DIR}/node_modules/typescript/bin/tsc --noEmit
               -p ${PROJECT_SOURCE_DIR})
      set_tests_properties(unit.page.types PROPERTIES LABELS unit TIMEOUT 120)
    endif()
  endif()
endif()

function(viaduct_embed_page target)
  cmake_parse_arguments(ARG "" "PAGE_DIR;HEADER;NAMESPACE" "" ${ARGN})
  cmake_path(ABSOLUTE_PATH ARG_PAGE_DIR BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/page)
  file(MAKE_DIRECTORY ${out})
  if(VIADUCT_WEB)
    add_custom_command(OUTPUT ${out}/page.cpp
      COMMAND ${VIADUCT_NODE} ${PROJECT_SOURCE_DIR}/web/build.mjs --page ${ARG_PAGE_DIR} --out ${out}
              --header ${ARG_HEADER} --namespace ${ARG_NAMESPACE}
      DEPENDS viaduct_npm ${VIADUCT_NPM_STAMP} ${PROJECT_SOURCE_DIR}/web/build.mjs
      DEPFILE ${out}/page.d
      COMMENT "Building the page of ${target}" VERBATIM)
    if(BUILD_TESTING AND EXISTS ${ARG_PAGE_DIR}/test)
      add_test(NAME unit.page.${target} COMMAND ${VIADUCT_NODE} ${PROJECT_SOURCE_DIR}/web/test.mjs ${ARG_PAGE_DIR})
      set_tests_properties(unit.page.${target} PROPERTIES LABELS unit TIMEOUT 120)
    endif()
  else()
    file(CONFIGURE OUTPUT ${out}/page.cpp @ONLY CONTENT
"#include \"@ARG_HEADER@\"\nnamespace @ARG_NAMESPACE@ {\nstd::span<const PageFile> page_files() { return {}; }\n}\n")
  endif()
  target_sources(${target} PRIVATE ${out}/page.cpp)
endfunction()
