#include "core/guard.h"

namespace lemore::detail {

Status run_guarded(Status (*body)(void*), void* context) noexcept {
  try {
    return body(context);
  } catch (...) {
    return {StatusCode::out_of_memory, "out of memory"};  // so short that the string needs no memory
  }
}

}  // namespace lemore::detail
