#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "lemore/cpu.h"
#include "support/skip.h"

namespace {

constexpr int k_skipped = 77;
bool g_is_skipped = false;

}  // namespace

void lemore::test::skip(const std::string& reason) {
  std::fprintf(stderr, "skipped: %s\n", reason.c_str());
  g_is_skipped = true;
}

/// Runs the suite on the ISA that LEMORE_ISA names. 77 (skipped) if this CPU or build lacks it, or if a test called skip()
/// and none failed.
int main(int argc, char** argv) {
  const auto isa = lemore::default_isa();
  if (!isa.ok()) {
    std::fprintf(stderr, "skipped: %s\n", isa.status().message().c_str());
    return k_skipped;
  }
  std::fprintf(stderr, "default ISA: %s\n", lemore::isa_name(*isa));
  const int failed = Catch::Session().run(argc, argv);
  return failed == 0 && g_is_skipped ? k_skipped : failed;
}
