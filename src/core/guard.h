#pragma once

#include <optional>
#include <utility>

#include "lemore/status.h"

namespace lemore::detail {

/// Runs body(context); false when the standard library ran out of memory in it. The one place where an exception is
/// met, and the one file that is compiled with exceptions when LEMORE_EXCEPTIONS is off.
bool run_guarded(void (*body)(void*), void* context) noexcept;

/// Runs `body`, whose result is a Status or Result; out_of_memory when memory ran out.
template <typename Body>
auto guard(const Body& body) noexcept -> decltype(body()) {
  using Outcome = decltype(body());
  struct Context {
    const Body& body;
    std::optional<Outcome> outcome;
  } context{body, std::nullopt};
  const auto run = [](void* p) {
    auto& c = *static_cast<Context*>(p);
    c.outcome.emplace(c.body());
  };
  if (!run_guarded(run, &context)) return Status(StatusCode::out_of_memory, "out of memory");  // fits without memory
  return std::move(*context.outcome);
}

}  // namespace lemore::detail
