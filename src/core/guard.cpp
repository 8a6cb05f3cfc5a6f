#include "core/guard.h"

namespace lemore::detail {

bool run_guarded(void (*body)(void*), void* context) noexcept {
  try {
    body(context);
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace lemore::detail
