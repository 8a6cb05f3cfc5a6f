# Included by tests/CMakeLists.txt: what the kernel tests need beyond their *_test.cpp.

# The operations of the vector layer, compiled for each ISA like a kernel.
set(simd_probe ${CMAKE_CURRENT_SOURCE_DIR}/kernels/simd_probe.cpp)
foreach(isa IN LISTS LEMORE_ISAS)
  lemore_add_kernels(lemore_simd_probe_${isa} ${isa} SOURCES ${simd_probe})
  target_sources(lemore_tests PRIVATE $<TARGET_OBJECTS:lemore_simd_probe_${isa}>)
endforeach()

# AVX-512 on any CPU: the same sources once more, the instructions emulated by SIMDe. Not with sanitizers, which would watch
# the emulation at great length; guard pages around the buffers watch the kernels.
find_path(LEMORE_SIMDE_DIR simde/x86/avx512.h PATHS /usr/include NO_CMAKE_FIND_ROOT_PATH)
if(NOT "avx512" IN_LIST LEMORE_ISAS)
  # nothing to emulate
elseif(LEMORE_SANITIZE)
  message(STATUS "AVX-512 kernels are not emulated in a sanitizer build: they take minutes to compile there")
elseif(LEMORE_SIMDE_DIR)
  file(CREATE_LINK ${LEMORE_SIMDE_DIR}/simde ${CMAKE_CURRENT_BINARY_DIR}/include/simde SYMBOLIC)
  lemore_add_kernels(lemore_kernels_emulated_avx512 avx512 NAMESPACE emulated_avx512 FLAGS -O2 -w -Wno-psabi
                     SOURCES ${lemore_kernel_sources} ${simd_probe})
  target_include_directories(lemore_kernels_emulated_avx512 SYSTEM PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/include)
  target_compile_definitions(lemore_kernels_emulated_avx512
                             PRIVATE LEMORE_EMULATED_INTRINSICS="tests/support/emulated_avx512.h")
  target_sources(lemore_tests PRIVATE $<TARGET_OBJECTS:lemore_kernels_emulated_avx512>)
  target_compile_definitions(lemore_tests PRIVATE LEMORE_TEST_EMULATED_AVX512=1)
else()
  skipped_test(kernels_emulated_avx512 "SIMDe (Debian: libsimde-dev) is not installed: AVX-512 needs a CPU that has it")
endif()

# Kernel objects hold nothing that another ISA's code could be linked to.
if(NOT LEMORE_SANITIZE)
  foreach(isa IN LISTS LEMORE_ISAS)
    add_test(NAME kernel_symbols_${isa}
             COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kernels/check_symbols ${CMAKE_NM} ${isa}
                     $<TARGET_OBJECTS:lemore_kernels_${isa}> COMMAND_EXPAND_LISTS)
  endforeach()
  add_test(NAME kernel_symbols_can_fail
           COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kernels/check_symbols_test ${CMAKE_NM} ${CMAKE_CXX_COMPILER})
endif()
