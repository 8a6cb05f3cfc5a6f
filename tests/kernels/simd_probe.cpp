// Compiled like a kernel, once per ISA: no standard library here.

#include "tests/support/simd_probe.h"

#include "kernels/simd/math.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

using test::SimdProbe;

template <typename Function>
void map(size_t n, const float* x, float* y, Function function) {
  for (size_t i = 0; i < n; i += Vec::lanes) store_up_to(function(load_up_to(x + i, n - i)), y + i, n - i);
}

void probe_exp(size_t n, const float* x, float* y) {
  map(n, x, y, [](Vec v) { return exp(v); });
}
void probe_sigmoid(size_t n, const float* x, float* y) {
  map(n, x, y, [](Vec v) { return activate(v, Activation::sigmoid); });
}
void probe_exp2_softmax(size_t n, const float* x, float* y) {
  map(n, x, y, [](Vec v) { return exp2_softmax(v); });
}
void probe_gelu(size_t n, const float* x, float* y) {
  map(n, x, y, [](Vec v) { return activate(v, Activation::gelu); });
}
void probe_relu6(size_t n, const float* x, float* y) {
  map(n, x, y, [](Vec v) { return activate(v, Activation::relu6); });
}
void probe_hardswish(size_t n, const float* x, float* y) {
  map(n, x, y, [](Vec v) { return activate(v, Activation::hardswish); });
}

void probe_copy_n(size_t n, const float* x, float* y, float* rest) {
  const Vec v = load_n(x, n);
  store_n(v, y, n);
  float all[Vec::lanes];
  store(v, all);
  for (size_t i = n; i < Vec::lanes; ++i) rest[i - n] = all[i];
}

void probe_copy_u8(size_t n, const unsigned char* x, float* as_float, unsigned char* y) {
  const Vec v = n == Vec::lanes ? load_u8(x) : load_u8_n(x, n);
  store_n(v, as_float, n);
  if (n == Vec::lanes)
    store_u8(to_int(v), y);
  else
    store_u8_n(to_int(v), y, n);
}

/// Whether lane i of v is expected(i), bit for bit but for the sign of zero; NaN equals NaN.
template <typename Expected>
bool lanes_are(Vec v, Expected expected) {
  float lanes[Vec::lanes];
  store(v, lanes);
  for (size_t i = 0; i < Vec::lanes; ++i) {
    const float e = expected(static_cast<float>(i));
    if (e != e ? lanes[i] == lanes[i] : lanes[i] != e) return false;
  }
  return true;
}

template <typename Expected>
bool bits_are(Mask m, Expected expected) {
  unsigned bits = 0;
  for (size_t i = 0; i < Vec::lanes; ++i) bits |= expected(static_cast<float>(i)) ? 1u << i : 0u;
  return mask_bits(m) == bits && any(m) == (bits != 0) && mask_bits(~m) == (bits ^ ((1u << Vec::lanes) - 1u));
}

#define LEMORE_PROBE(name, ...) \
  if (!(__VA_ARGS__)) return name

const char* probe_first_failure() {
  const float nan = __builtin_nanf(""), inf = __builtin_inff();
  const Vec x = to_float(iota()), two = set(2.0f), bad = set(nan);  // x: 0, 1, 2...
  const float n = static_cast<float>(Vec::lanes);
  LEMORE_PROBE("iota", lanes_are(x, [](float i) { return i; }));
  LEMORE_PROBE("zero", lanes_are(zero(), [](float) { return 0.0f; }));
  LEMORE_PROBE("+", lanes_are(x + two, [](float i) { return i + 2; }));
  LEMORE_PROBE("-", lanes_are(x - two, [](float i) { return i - 2; }));
  LEMORE_PROBE("*", lanes_are(x * two, [](float i) { return i * 2; }));
  LEMORE_PROBE("/", lanes_are(x / two, [](float i) { return i / 2; }));
  LEMORE_PROBE("negate", lanes_are(-x, [](float i) { return -i; }));
  LEMORE_PROBE("mul_add", lanes_are(mul_add(x, two, set(1.0f)), [](float i) { return i * 2 + 1; }));
  LEMORE_PROBE("neg_mul_add", lanes_are(neg_mul_add(x, two, set(1.0f)), [](float i) { return 1 - i * 2; }));
  LEMORE_PROBE("abs", lanes_are(abs(two - x), [](float i) { return i < 2 ? 2 - i : i - 2; }));
  LEMORE_PROBE("min", lanes_are(min(x, two), [](float i) { return i < 2 ? i : 2; }));
  LEMORE_PROBE("max", lanes_are(max(x, two), [](float i) { return i > 2 ? i : 2; }));
  LEMORE_PROBE("min keeps NaN on the right", lanes_are(min(x, bad), [=](float) { return nan; }));
  LEMORE_PROBE("max keeps NaN on the right", lanes_are(max(x, bad), [=](float) { return nan; }));
  LEMORE_PROBE("min drops NaN on the left", lanes_are(min(bad, x), [](float i) { return i; }));
  LEMORE_PROBE("max drops NaN on the left", lanes_are(max(bad, x), [](float i) { return i; }));
  LEMORE_PROBE("<", bits_are(x < two, [](float i) { return i < 2; }));
  LEMORE_PROBE("<=", bits_are(x <= two, [](float i) { return i <= 2; }));
  LEMORE_PROBE(">", bits_are(x > two, [](float i) { return i > 2; }));
  LEMORE_PROBE(">=", bits_are(x >= two, [](float i) { return i >= 2; }));
  LEMORE_PROBE("==", bits_are(x == two, [](float i) { return i == 2; }));
  LEMORE_PROBE("NaN is in no order",
               bits_are((x < bad) | (x <= bad) | (x > bad) | (x >= bad) | (bad == bad), [](float) { return false; }));
  const Vec mixed = select(x < two, bad, x);
  LEMORE_PROBE("select", lanes_are(mixed, [=](float i) { return i < 2 ? nan : i; }));
  LEMORE_PROBE("is_nan", bits_are(is_nan(mixed), [](float i) { return i < 2; }));
  LEMORE_PROBE("&", bits_are((x > zero()) & (x < two), [](float i) { return i == 1; }));
  LEMORE_PROBE("|", bits_are((x < set(1.0f)) | (x > two), [](float i) { return i < 1 || i > 2; }));
  LEMORE_PROBE("select of Int",
               lanes_are(to_float(select(x < two, set_int(-7), iota())), [](float i) { return i < 2 ? -7 : i; }));
  LEMORE_PROBE("+ of Int", lanes_are(to_float(iota() + set_int(-3)), [](float i) { return i - 3; }));
  LEMORE_PROBE("- of Int", lanes_are(to_float(iota() - set_int(5)), [](float i) { return i - 5; }));
  LEMORE_PROBE("half", lanes_are(to_float(half(iota() - set_int(3))),
                                 [](float i) { return static_cast<float>((static_cast<int>(i) - 3) >> 1); }));
  // Ties to even: -2.5, -1.5, -0.5, 0.5... become -2, -2, 0, 0, 2, 2...
  LEMORE_PROBE("to_int", lanes_are(to_float(to_int(x - set(2.5f))), [](float i) {
                 const int below = static_cast<int>(i) - 3;
                 return static_cast<float>((below & 1) == 0 ? below : below + 1);
               }));
  LEMORE_PROBE("pow2", lanes_are(pow2(iota() - set_int(3)),
                                 [](float i) { return static_cast<float>(1 << static_cast<int>(i)) / 8.0f; }));
  LEMORE_PROBE("pow2 of -126", lanes_are(pow2(set_int(-126)), [](float) { return 0x1p-126f; }));
  LEMORE_PROBE("pow2 of 127", lanes_are(pow2(set_int(127)), [](float) { return 0x1p127f; }));
  LEMORE_PROBE("reduce_add", reduce_add(x) == n * (n - 1) / 2);
  LEMORE_PROBE("reduce_max", reduce_max(x) == n - 1 && reduce_max(-x) == 0 && reduce_max(set(-inf)) == -inf);
  LEMORE_PROBE("reduce_min", reduce_min(x) == 0 && reduce_min(-x) == 1 - n && reduce_min(set(inf)) == inf);
  LEMORE_PROBE("reduce_min of Int", reduce_min(iota() + set_int(-4)) == -4 &&
                                        reduce_min(set_int(9) - iota()) == 10 - static_cast<int>(Vec::lanes));
  return nullptr;
}

}  // namespace

extern const SimdProbe simd_probe;
const SimdProbe simd_probe = {Vec::lanes,  probe_exp,       probe_sigmoid, probe_exp2_softmax, probe_gelu,
                              probe_relu6, probe_hardswish, probe_copy_n,  probe_copy_u8,      probe_first_failure};

}  // namespace lemore::kernels::LEMORE_ISA_NAME
