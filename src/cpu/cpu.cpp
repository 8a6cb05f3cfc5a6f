#include "lemore/cpu.h"

#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>

#include "core/text.h"
#include "cpu/kernel_table.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__arm__)
#include <sys/auxv.h>
#endif

namespace lemore {
namespace {

struct IsaEntry {
  Isa isa;
  const char* name;
  const kernels::KernelTable* table;  ///< null when not built
};

// Best first.
constexpr IsaEntry k_isas[] = {
#if defined(LEMORE_HAVE_AVX512)
    {Isa::avx512, "avx512", &kernels::table_avx512},
#else
    {Isa::avx512, "avx512", nullptr},
#endif
#if defined(LEMORE_HAVE_AVX2)
    {Isa::avx2, "avx2", &kernels::table_avx2},
#else
    {Isa::avx2, "avx2", nullptr},
#endif
#if defined(LEMORE_HAVE_NEON)
    {Isa::neon, "neon", &kernels::table_neon},
#else
    {Isa::neon, "neon", nullptr},
#endif
    {Isa::portable, "portable", &kernels::table_portable},
};

const IsaEntry& entry(Isa isa) {
  for (const IsaEntry& e : k_isas)
    if (e.isa == isa) return e;
  assert(false);
  return k_isas[std::size(k_isas) - 1];
}

#if defined(__x86_64__)
constexpr bool has_all(uint64_t value, uint64_t bits) { return (value & bits) == bits; }
constexpr uint64_t bit(int i) { return uint64_t{1} << i; }

/// Which register states the operating system saves (XCR0). Requires OSXSAVE.
uint64_t saved_states() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

/// Intel SDM volume 1, 14.3 and 15.2: the CPU's bits count only together with the operating system's.
bool cpu_runs(Isa isa) {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return false;
  const unsigned fma = 12, osxsave = 27, avx = 28;
  if (!has_all(ecx, bit(fma) | bit(osxsave) | bit(avx))) return false;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  const unsigned avx2 = 5, avx512f = 16, avx512dq = 17, avx512bw = 30, avx512vl = 31;
  const uint64_t saves_ymm = 0x06, saves_zmm = 0xe6;
  if (isa == Isa::avx2) return has_all(ebx, bit(avx2)) && has_all(saved_states(), saves_ymm);
  return isa == Isa::avx512 && has_all(ebx, bit(avx2) | bit(avx512f) | bit(avx512dq) | bit(avx512bw) | bit(avx512vl)) &&
         has_all(saved_states(), saves_zmm);
}
#elif defined(__arm__)
/// What the kernel saw at boot (Linux, arch/arm/include/uapi/asm/hwcap.h); kernels/CMakeLists.txt compiles for both.
bool cpu_runs(Isa isa) {
  const unsigned long neon = 1ul << 12, vfpv4 = 1ul << 16;
  return isa == Isa::neon && (getauxval(AT_HWCAP) & (neon | vfpv4)) == (neon | vfpv4);
}
#else
bool cpu_runs(Isa) { return true; }  // neon is part of 64-bit Arm; nothing else is built
#endif

bool is_supported(const IsaEntry& e) { return e.table != nullptr && (e.isa == Isa::portable || cpu_runs(e.isa)); }

std::string supported_names() {
  std::string names;
  for (const Isa isa : supported_isas()) names.append(names.empty() ? "" : ", ").append(isa_name(isa));
  return names;
}

Status cannot_use(std::string_view name, const char* why) {
  return make_error(StatusCode::unsupported,
                    {"instruction set '", printable(name, 40), "' ", why, "; available: ", supported_names()});
}

}  // namespace

const char* isa_name(Isa isa) noexcept { return entry(isa).name; }

std::vector<Isa> built_isas() {
  std::vector<Isa> isas;
  for (const IsaEntry& e : k_isas)
    if (e.table != nullptr) isas.push_back(e.isa);
  return isas;
}

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (const IsaEntry& e : k_isas)
    if (is_supported(e)) isas.push_back(e.isa);
  return isas;
}

Status check_isa(Isa isa) {
  const IsaEntry& e = entry(isa);
  if (is_supported(e)) return {};
  return cannot_use(e.name, e.table == nullptr ? "is not in this build" : "can't run on this CPU");
}

Result<Isa> parse_isa(std::string_view name) {
  for (const IsaEntry& e : k_isas) {
    if (name != e.name) continue;
    if (Status status = check_isa(e.isa); !status.ok()) return status;
    return e.isa;
  }
  return cannot_use(name, "is unknown");
}

Result<Isa> default_isa() {
  const char* forced = std::getenv("LEMORE_ISA");
  if (forced == nullptr || *forced == '\0') return supported_isas().front();
  Result<Isa> isa = parse_isa(forced);
  if (!isa.ok()) return make_error(isa.status(), {"LEMORE_ISA"});
  return isa;
}

const kernels::KernelTable& kernel_table(Isa isa) {
  const IsaEntry& e = entry(isa);
  assert(is_supported(e));
  return *e.table;
}

}  // namespace lemore
