#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "lemore/status.h"

namespace lemore::detail {

/// Gives body(context), or out_of_memory when the standard library ran out of memory in it. The one place where an
/// exception is met, and the one file that is compiled with exceptions when LEMORE_EXCEPTIONS is off.
Status run_guarded(Status (*body)(void*), void* context) noexcept;

/// Runs `body`, whose result is a Status or Result; out_of_memory when memory ran out.
template <typename Body>
auto guard(const Body& body) noexcept -> decltype(body()) {
  using Outcome = decltype(body());
  if constexpr (std::is_same_v<Outcome, Status>) {
    return run_guarded([](void* p) { return (*static_cast<const Body*>(p))(); }, const_cast<Body*>(&body));
  } else {
    struct Context {
      const Body& body;
      std::optional<Outcome> outcome;
    } context{body, std::nullopt};
    const auto run = [](void* p) {
      auto& c = *static_cast<Context*>(p);
      c.outcome.emplace(c.body());
      return Status();
    };
    if (Status status = run_guarded(run, &context); !status.ok()) return status;
    return std::move(*context.outcome);
  }
}

}  // namespace lemore::detail
