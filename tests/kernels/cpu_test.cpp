#include "lemore/cpu.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "cpu/kernel_table.h"

namespace lemore {
namespace {

/// Sets LEMORE_ISA for a scope.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    if (const char* old = std::getenv("LEMORE_ISA")) old_ = old;
    setenv("LEMORE_ISA", name, 1);
  }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;
  ~ForcedIsa() { setenv("LEMORE_ISA", old_.c_str(), 1); }

 private:
  std::string old_;
};

}  // namespace

TEST_CASE("every supported ISA is built, has its own table and can be named", "[cpu]") {
  const auto built = built_isas(), supported = supported_isas();
  REQUIRE(!supported.empty());
  CHECK(supported.back() == Isa::portable);
  for (const Isa isa : supported) {
    CHECK(std::count(built.begin(), built.end(), isa) == 1);
    CHECK(std::string(kernel_table(isa).isa) == isa_name(isa));
    const auto parsed = parse_isa(isa_name(isa));
    REQUIRE(parsed.ok());
    CHECK(*parsed == isa);
    const ForcedIsa forced(isa_name(isa));
    const auto chosen = default_isa();
    REQUIRE(chosen.ok());
    CHECK(*chosen == isa);
  }
}

TEST_CASE("without a wish the best ISA is taken", "[cpu]") {
  const ForcedIsa forced("");
  const auto chosen = default_isa();
  REQUIRE(chosen.ok());
  CHECK(*chosen == supported_isas().front());
}

TEST_CASE("an ISA that can't run is refused with the list of those that can", "[cpu]") {
  for (const char* name : {"", "AVX2", "sse9", "avx2 ", "avx512\n"}) {
    const auto parsed = parse_isa(name);
    REQUIRE(!parsed.ok());
    CHECK(parsed.status().code() == StatusCode::unsupported);
    CHECK(parsed.status().message().find("portable") != std::string::npos);
    CHECK(parsed.status().message().find('\n') == std::string::npos);
  }
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::neon}) {
    const auto supported = supported_isas();
    if (std::count(supported.begin(), supported.end(), isa) == 0) CHECK(!parse_isa(isa_name(isa)).ok());
  }
  const ForcedIsa forced("sse9");
  const auto chosen = default_isa();
  REQUIRE(!chosen.ok());
  CHECK(chosen.status().message().find("LEMORE_ISA: instruction set 'sse9' is unknown") == 0);
}

}  // namespace lemore
