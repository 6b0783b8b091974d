# cmake -DBUILD=… -DWORK=… -DC=… -DCXX=… -P build.cmake
# Installs the SDK of the build tree BUILD below WORK, and from there its examples; builds them with these compilers and
# installs the plugins. Fails if anything but the SDK, the compiler's own and the C library's headers was used.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "failed (${code}): ${line}")
  endif()
endfunction()

foreach(compiler ${C} ${CXX})
  find_program(found_${compiler} ${compiler})
  if(NOT found_${compiler})
    message(FATAL_ERROR "${compiler} is not installed; scripts/setup installs it")
  endif()
endforeach()

file(REMOVE_RECURSE ${WORK})
set(prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} --install ${BUILD} --component sdk --prefix ${prefix})
run(${CMAKE_COMMAND} -E copy_directory ${prefix}/share/doc/viaduct-sdk/examples ${WORK}/examples)

run(${CMAKE_COMMAND} -G Ninja -S ${WORK}/examples -B ${WORK}/build
  -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_INSTALL_PREFIX=${prefix} -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_C_COMPILER=${C} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_C_STANDARD=11 -DCMAKE_C_EXTENSIONS=OFF
  -DCMAKE_CXX_EXTENSIONS=OFF -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
  "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic" "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Wshadow")
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --no-tests=error --output-on-failure)
run(${CMAKE_COMMAND} --install ${WORK}/build)

execute_process(COMMAND ninja -C ${WORK}/build -t deps OUTPUT_VARIABLE headers RESULT_VARIABLE code)
if(NOT code EQUAL 0 OR NOT headers MATCHES "viaduct/abi.h")
  message(FATAL_ERROR "ninja does not say which headers were used")
endif()
string(REGEX MATCHALL "[^ \n]*/(boost|nlohmann|fmt|spdlog|openssl|asio)/[^\n]*" foreign "${headers}")
string(REGEX MATCHALL "[^ \n]*/sdk/include/[^\n]*" in_tree "${headers}")
if(foreign OR in_tree)
  message(FATAL_ERROR "built with what is not in the installed SDK: ${foreign} ${in_tree}")
endif()
