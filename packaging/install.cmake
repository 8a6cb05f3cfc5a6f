# What `cmake --install` puts where: the library with its headers, and what find_package(lemore CONFIG) and pkg-config read.
# Components, which are the Debian packages too: runtime, development, tool.
include(CMakePackageConfigHelpers)

# All or nothing: a component of which a file is not built yet stops the installation before the first file is copied.
add_custom_target(lemore_to_install DEPENDS lemore)  # what `cmake --install` takes; tools/ adds its part
function(lemore_require_built component)
  install(CODE "foreach(file IN ITEMS ${ARGN})
    if(NOT EXISTS \"\${file}\")
      message(FATAL_ERROR \"Nothing was installed: \${file} is not built yet. Run first: cmake --build ${PROJECT_BINARY_DIR} --target lemore_to_install\")
    endif()
  endforeach()" COMPONENT ${component})
endfunction()
lemore_require_built(runtime "\"$<TARGET_FILE:lemore>\"")
lemore_require_built(development "\"$<TARGET_FILE:lemore>\"")
if(LEMORE_BUILD_TOOLS)
  foreach(file IN ITEMS lemore.1 completions/lemore completions/_lemore)
    list(APPEND lemore_pages "\"${PROJECT_BINARY_DIR}/tools/${file}\"")
  endforeach()
  list(JOIN lemore_pages " " lemore_pages)
  lemore_require_built(tool "\"$<TARGET_FILE:lemore_tool>\" ${lemore_pages}")
endif()

install(TARGETS lemore EXPORT lemore
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lemore DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h")

set(lemore_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lemore)
install(EXPORT lemore NAMESPACE lemore:: FILE lemoreTargets.cmake DESTINATION ${lemore_cmake_dir} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/lemoreConfig.cmake.in ${PROJECT_BINARY_DIR}/lemoreConfig.cmake
                              INSTALL_DESTINATION ${lemore_cmake_dir})
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lemoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lemoreConfig.cmake ${PROJECT_BINARY_DIR}/lemoreConfigVersion.cmake
        DESTINATION ${lemore_cmake_dir} COMPONENT development)

# A program that links the static library must also link what that needs. A shared library loads it itself, and
# Libs.private is for `pkg-config --static`.
set(private_libs -lstdc++ -lm -pthread)
if(LEMORE_OPENMP)
  foreach(name IN LISTS OpenMP_CXX_LIB_NAMES)
    get_filename_component(folder "${OpenMP_${name}_LIBRARY}" DIRECTORY)
    if(folder AND NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
      list(APPEND private_libs -L${folder})  # Debian's libomp lies where only clang's -fopenmp looks
    endif()
    list(APPEND private_libs -l${name})
  endforeach()
endif()
list(REMOVE_DUPLICATES private_libs)
list(JOIN private_libs " " private_libs)
if(BUILD_SHARED_LIBS)
  set(lemore_pc_libs "-llemore")
  set(lemore_pc_private_libs "${private_libs}")
else()
  set(lemore_pc_libs "-llemore ${private_libs}")
  set(lemore_pc_private_libs "")
endif()
# A prefix beside the file, so that an installed tree can be moved; folders that distributions name in full stay where they are.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(lemore_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH lemore_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" lemore_pc_prefix "\${pcfiledir}/${lemore_pc_prefix}")
endif()
foreach(folder LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    set(lemore_pc_${folder} "${CMAKE_INSTALL_FULL_${folder}}")
  else()
    set(lemore_pc_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/lemore.pc.in ${PROJECT_BINARY_DIR}/lemore.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/lemore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/lemore COMPONENT runtime)
if(lemore_top_level AND BUILD_SHARED_LIBS)
  include(${CMAKE_CURRENT_LIST_DIR}/deb.cmake)
endif()
