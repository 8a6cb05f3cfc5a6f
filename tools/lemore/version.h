#pragma once

namespace lemore::cli {

extern const char* const k_version;
extern const char* const k_git_hash;  ///< short, with "-dirty" where files differ; "unknown" outside a checkout
extern const char* const k_compiler;

}  // namespace lemore::cli
