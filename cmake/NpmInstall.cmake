# cmake -DROOT=… -DNPM=… -P NpmInstall.cmake: installs the packages of package-lock.json into ROOT/node_modules, once
# for all build folders, and only if they are not those that are there.
file(MAKE_DIRECTORY ${ROOT}/.cache)
file(LOCK ${ROOT}/.cache/npm.lock TIMEOUT 600)
set(installed ${ROOT}/node_modules/.viaduct-lock.json)
execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${ROOT}/package-lock.json ${installed}
                RESULT_VARIABLE differs OUTPUT_QUIET ERROR_QUIET)
if(differs)
  execute_process(COMMAND ${NPM} ci --no-audit --no-fund --loglevel=error WORKING_DIRECTORY ${ROOT} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "npm ci failed (${failed}); the web pages need its packages, or configure with -DVIADUCT_WEB=OFF")
  endif()
  file(COPY_FILE ${ROOT}/package-lock.json ${installed})
endif()
