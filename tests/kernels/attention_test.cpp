#include "kernels/ops/attention.h"

#include "reference/attention.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::Attention;
using kernels::KernelTable;
using kernels::PackKeys;

struct Sizes {
  std::size_t queries, keys, dim, value_dim;
  float largest = 1.0f;  ///< of queries and keys
};

/// Keys and values in one matrix, as one projection leaves them; padding between all rows.
struct Problem {
  std::size_t q_stride, kv_stride, y_stride;
  Floats q, kv, packed, y, scratch;
  PackKeys pack;
  Attention args;

  Problem(const Sizes& s, std::uint64_t seed)
      : q_stride(s.dim + static_cast<std::size_t>(seed % 3)),
        kv_stride(s.dim + s.value_dim),
        y_stride(s.value_dim + seed % 2),
        q(matrix_size(s.queries, s.dim, q_stride)),
        kv(s.keys * kv_stride),
        packed(kernels::packed_keys_size(s.keys, s.dim, s.value_dim), k_nan),
        y(matrix_size(s.queries, s.value_dim, y_stride), k_nan),
        scratch(kernels::attention_scratch(), k_nan) {
    Random random(seed);
    fill_random(q, random, -s.largest, s.largest);
    fill_random(kv, random, -s.largest, s.largest);
    pack.keys = pack.key_end = args.keys = s.keys;
    pack.dim = args.dim = s.dim;
    pack.value_dim = args.value_dim = s.value_dim;
    pack.k = kv.data();
    pack.v = kv.data() + s.dim;
    pack.k_stride = pack.v_stride = kv_stride;
    pack.packed = packed.data();
    args.queries = s.queries;
    args.q = q.data();
    args.q_stride = q_stride;
    args.packed = packed.data();
    args.y = y.data();
    args.y_stride = y_stride;
    args.scratch = scratch.data();
  }
  void run(const KernelTable& table) {
    table.pack_keys(pack);
    table.attention(args);
  }
};

std::string run_and_compare(const KernelTable& table, const Sizes& s, std::uint64_t seed) {
  Problem problem(s, seed);
  problem.run(table);
  std::ostringstream what;
  what << "attention " << s.queries << " queries, " << s.keys << " keys, dim " << s.dim << ", value_dim " << s.value_dim
       << ", largest " << s.largest;
  Comparison comparison(table, what.str(), seed);
  for (std::size_t row = 0; row < s.queries; ++row) {
    double largest;
    const std::vector<double> weights = reference::attention_weights(
        problem.args.q + row * problem.q_stride, problem.pack.k, problem.kv_stride, s.keys, s.dim, largest);
    const double steps = static_cast<double>(s.dim + 4) * largest + static_cast<double>(s.keys) + 24;
    for (std::size_t i = 0; i < problem.y_stride && row * problem.y_stride + i < problem.y.size(); ++i) {
      const double actual = static_cast<double>(problem.y[row * problem.y_stride + i]);
      if (i >= s.value_dim) {
        comparison.require(std::isnan(actual), "wrote between the rows of y");
        continue;
      }
      double expected = 0, v_max = 0;
      for (std::size_t t = 0; t < s.keys; ++t) {
        const double v = static_cast<double>(problem.pack.v[t * problem.kv_stride + i]);
        expected += weights[t] * v;
        v_max = std::max(v_max, std::fabs(v));
      }
      comparison.element({row, i}, expected, actual,
                         static_cast<double>(kernels::attention_tol) * k_eps * steps * v_max);
    }
  }
  comparison.require(problem.y.front_intact() && problem.packed.front_intact() && problem.scratch.front_intact(),
                     "wrote outside a buffer");
  return comparison.report();
}

}  // namespace

TEST_CASE("attention agrees with its formula", "[kernels][attention]") {
  for_each_table([](const KernelTable& table) {
    const std::size_t l = table.lanes, tile = kernels::k_attention_tile_keys;
    std::uint64_t seed = 1;
    for (const std::size_t keys : {std::size_t{1}, l - 1, l, l + 1, std::size_t{16}, std::size_t{49}, tile - 1, tile,
                                   tile + 1, tile + l + 1, 2 * tile + 5})
      for (const Sizes s : {Sizes{1, keys, 1, 1},
                            {5, keys, 3, 7},
                            {kernels::k_attention_tile_rows, keys, 32, 32},
                            {kernels::k_attention_tile_rows + 1, keys, 33, 20},
                            {53, keys, 64, 64},
                            {4, keys, 256, 150}})
        CHECK(run_and_compare(table, s, ++seed) == "");
  });
}

TEST_CASE("attention over many keys, and with scores of thousands", "[kernels][attention]") {
  for_each_table([](const KernelTable& table) {
    CHECK(run_and_compare(table, {3, 20000, 8, 8}, 3) == "");
    CHECK(run_and_compare(table, {26, 300, 16, 8, 30.0f}, 4) == "");
    CHECK(run_and_compare(table, {2, 129, 4, 4, 300.0f}, 5) == "");
    CHECK(run_and_compare(table, {0, 10, 4, 4}, 6) == "");
  });
}

TEST_CASE("queries of attention, and keys when they are packed, can be split", "[kernels][attention]") {
  for_each_table([](const KernelTable& table) {
    const Sizes s = {61, 300, 20, 18};
    Problem whole(s, 6), parts(s, 6);
    whole.run(table);
    for (std::size_t key = 0; key < s.keys; key += 48) {
      parts.pack.key_begin = key;
      parts.pack.key_end = std::min(key + 48, s.keys);
      table.pack_keys(parts.pack);
    }
    CHECK(std::memcmp(whole.packed.data(), parts.packed.data(), whole.packed.size() * sizeof(float)) == 0);
    for (std::size_t row = 0; row < s.queries; row += 7) {
      Attention a = parts.args;
      a.queries = std::min<std::size_t>(7, s.queries - row);
      a.q += row * a.q_stride;
      a.y += row * a.y_stride;
      table.attention(a);
    }
    bool same = true;
    for (std::size_t row = 0; row < s.queries; ++row)
      same = same && std::memcmp(whole.args.y + row * whole.y_stride, parts.args.y + row * parts.y_stride,
                                 s.value_dim * sizeof(float)) == 0;
    CHECK(same);
  });
}

TEST_CASE("NaN and infinities in attention", "[kernels][attention]") {
  for_each_table([](const KernelTable& table) {
    const Sizes s = {30, 280, 4, 6};
    const auto is_nan_row = [&](const Problem& p, std::size_t row) {
      std::size_t nan = 0;
      for (std::size_t i = 0; i < s.value_dim; ++i) nan += std::isnan(p.y[row * p.y_stride + i]) ? 1 : 0;
      return nan == s.value_dim;
    };
    for (const float bad : {k_nan, k_infinity}) {  // in one query
      Problem p(s, 12);
      p.q[11 * p.q_stride + 1] = bad;
      p.run(table);
      for (std::size_t row = 0; row < s.queries; ++row) REQUIRE(is_nan_row(p, row) == (row == 11));
    }
    {  // in one key, of each tile
      for (const std::size_t key : {std::size_t{3}, std::size_t{130}, s.keys - 1}) {
        Problem p(s, 12);
        p.kv[key * p.kv_stride] = k_nan;
        p.run(table);
        for (std::size_t row = 0; row < s.queries; ++row) REQUIRE(is_nan_row(p, row));
      }
    }
    {  // Keys at -infinity count for nothing, a whole tile of them included, at either end.
      for (const std::size_t from : {std::size_t{0}, std::size_t{150}}) {
        Problem p(s, 12);
        for (std::size_t row = 0; row < s.queries; ++row) {
          p.q[row * p.q_stride] = 1.0f;
          for (std::size_t d = 1; d < s.dim; ++d) p.q[row * p.q_stride + d] = 0.0f;
        }
        for (std::size_t t = 0; t < s.keys; ++t)
          p.kv[t * p.kv_stride] = t >= from && t < from + 130 ? -k_infinity : -300.0f;
        p.run(table);
        for (std::size_t i = 0; i < s.value_dim; ++i) {
          double mean = 0;
          for (std::size_t t = 0; t < s.keys; ++t)
            if (t < from || t >= from + 130) mean += p.kv[t * p.kv_stride + s.dim + i] / 150.0;
          REQUIRE(p.y[29 * p.y_stride + i] == Approx(mean).margin(1e-5));
        }
        for (std::size_t t = 0; t < s.keys; ++t) p.kv[t * p.kv_stride] = -k_infinity;
        p.run(table);
        REQUIRE(is_nan_row(p, 0));
      }
    }
  });
}

}  // namespace lemore::test
