#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "lemore/cpu.h"

/// Runs the suite on the ISA that LEMORE_ISA names; 77 (skipped) where this CPU or build lacks it.
int main(int argc, char** argv) {
  const auto isa = lemore::default_isa();
  if (!isa.ok()) {
    std::fprintf(stderr, "skipped: %s\n", isa.status().message().c_str());
    return 77;
  }
  std::fprintf(stderr, "default ISA: %s\n", lemore::isa_name(*isa));
  return Catch::Session().run(argc, argv);
}
