# viaduct_add_plugin(name sources…): a Viaduct plugin, name.so, that exports viaduct_plugin_v1 and nothing else.
# The YAML names it by its file. With BUILD_TESTING, the test abi.exports.<name> checks the export.
function(viaduct_add_plugin name)
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE viaduct::sdk)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${map})
  if(VIADUCT_PLUGIN_DIR)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${VIADUCT_PLUGIN_DIR})
  endif()
  # GCC's unique symbols are shared between libraries, whatever their visibility. Clang has none.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  target_link_options(${name} PRIVATE LINKER:--version-script=${map} LINKER:--exclude-libs,ALL
    LINKER:-z,nodelete)
  if(NOT VIADUCT_SANITIZE AND NOT "${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize")
    target_link_options(${name} PRIVATE LINKER:-z,defs)  # a sanitizer's runtime is in the executable
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION lib/viaduct/plugins COMPONENT plugins)
  if(BUILD_TESTING)
    add_test(NAME abi.exports.${name}
      COMMAND ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/check_exports.sh $<TARGET_FILE:${name}> ${CMAKE_NM})
    set_tests_properties(abi.exports.${name} PROPERTIES LABELS abi TIMEOUT 60)
  endif()
endfunction()
