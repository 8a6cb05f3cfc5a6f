#Run at every build : writes OUTPUT(C++) with the git hash of SOURCE_DIR, touching it only when something changed.
execute_process(COMMAND git -C ${SOURCE_DIR} rev-parse --short=12 HEAD OUTPUT_VARIABLE hash
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed OR NOT hash)
  set(hash unknown)
else()
  execute_process(COMMAND git -C ${SOURCE_DIR} diff-index --quiet HEAD -- RESULT_VARIABLE is_dirty ERROR_QUIET)
  if(is_dirty)
    string(APPEND hash "-dirty")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "version.h"

namespace lemore::cli {

const char* const k_version = "@VERSION@";
const char* const k_git_hash = "@hash@";
const char* const k_compiler = "@COMPILER@";

}  // namespace lemore::cli
]])
