#include "kernels/ops/nested_attention.h"

#include "kernels/ops/gemm.h"
#include "reference/nested_attention.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::Activation;
using kernels::NestedAttention;
using kernels::TransposeKeys;

struct Sizes {
  std::size_t tokens, key_dim, value_dim, branches;
  float largest = 1.0f;  ///< of queries and keys
};

/// Queries, keys (transposed by the kernel under test) and values in one matrix, as one projection leaves them.
struct Problem {
  std::size_t stride, padded;
  Floats qkv, keys, y, scratch;
  NestedAttention args;

  Problem(const kernels::KernelTable& table, const Sizes& s, std::uint64_t seed)
      : stride(2 * s.branches * s.key_dim + s.value_dim),
        padded((s.tokens + 15) / 16 * 16),
        qkv(s.tokens * stride),
        keys(s.branches * s.key_dim * padded, k_nan),
        y(matrix_size(s.tokens, s.value_dim, s.value_dim + 3), k_nan),
        scratch(kernels::nested_attention_scratch(s.tokens), k_nan) {
    Random random(seed);
    fill_random(qkv, random, -s.largest, s.largest);
    for (std::size_t j = 0; j < s.branches; ++j) {
      TransposeKeys t;
      t.tokens = s.tokens;
      t.key_dim = s.key_dim;
      t.x = qkv.data() + (s.branches + j) * s.key_dim;
      t.x_stride = stride;
      t.y = keys.data() + j * s.key_dim * padded;
      t.y_stride = padded;
      table.transpose_keys(t);
    }
    args.tokens = s.tokens;
    args.key_dim = s.key_dim;
    args.value_dim = s.value_dim;
    args.branches = s.branches;
    args.row_end = s.tokens;
    args.scale = 1.0f / std::sqrt(static_cast<float>(s.key_dim));
    args.q = qkv.data();
    args.q_stride = stride;
    args.q_branch_stride = s.key_dim;
    args.keys = keys.data();
    args.keys_stride = padded;
    args.keys_branch_stride = s.key_dim * padded;
    args.v = qkv.data() + 2 * s.branches * s.key_dim;
    args.v_stride = stride;
    args.activation = seed % 2 == 0 ? Activation::none : Activation::relu6;
    args.y = y.data();
    args.y_stride = s.value_dim + 3;
    args.scratch = scratch.data();
  }
};

std::string run_and_compare(const kernels::KernelTable& table, const Sizes& s, std::uint64_t seed) {
  Problem problem(table, s, seed);
  const NestedAttention& a = problem.args;
  std::ostringstream what;
  what << "nested_attention " << s.tokens << " tokens, key " << s.key_dim << ", value " << s.value_dim << ", "
       << s.branches << " branches";
  Comparison comparison(table, what.str(), seed);
  for (std::size_t j = 0; j < s.branches; ++j) {
    for (std::size_t d = 0; d < s.key_dim; ++d) {
      for (std::size_t t = 0; t < problem.padded; ++t) {
        const float expected = t < s.tokens ? problem.qkv[t * problem.stride + (s.branches + j) * s.key_dim + d] : 0.0f;
        comparison.element({j, d, t}, expected, problem.keys[(j * s.key_dim + d) * problem.padded + t], 0.0);
      }
    }
  }
  table.nested_attention(a);
  for (std::size_t row = 0; row < s.tokens; ++row) {
    double largest;
    const std::vector<double> psi = reference::attention_row(a, row, &largest);
    const double tokens = static_cast<double>(s.tokens);
    const double psi_error =
        kernels::nested_attention_tol * k_eps * (static_cast<double>(s.key_dim) * largest * a.scale + tokens + 8.0);
    const double product_error = kernels::gemm_tol * k_eps * (tokens + 1.0);
    for (std::size_t i = 0; i < s.value_dim; ++i) {
      double sum = 0.0, magnitude = 0.0;  // the errors of psi are relative
      for (std::size_t t = 0; t < s.tokens; ++t) {
        sum += psi[t] * a.v[t * a.v_stride + i];
        magnitude += std::fabs(psi[t] * a.v[t * a.v_stride + i]);
      }
      const double tolerance = (psi_error + product_error) * magnitude;
      comparison.element({row, i}, reference::activate(sum, a.activation), problem.y[row * a.y_stride + i], tolerance);
    }
    for (std::size_t i = s.value_dim; i < a.y_stride && row + 1 < s.tokens; ++i)
      comparison.require(std::isnan(problem.y[row * a.y_stride + i]), "wrote between the rows of y");
  }
  comparison.require(problem.y.front_intact() && problem.scratch.front_intact() && problem.keys.front_intact(),
                     "wrote outside a buffer");
  return comparison.report();
}

}  // namespace

TEST_CASE("nested attention agrees with its formula", "[kernels][attention]") {
  for_each_table([](const kernels::KernelTable& table) {
    const std::size_t l = table.lanes;
    std::uint64_t seed = 1;
    for (const std::size_t tokens : {std::size_t{1}, l - 1, l, l + 1, 2 * l + 1, std::size_t{15}, std::size_t{16},
                                     std::size_t{17}, std::size_t{48}, std::size_t{64}, std::size_t{70}}) {
      for (const Sizes s : {Sizes{tokens, 48, 64, 3},
                            {tokens, 5, 7, 2},
                            {tokens, 24, 32, 1},
                            {tokens, 1, 1, 3},
                            {tokens, 16, 20, 2, 8.0f}}) {
        CHECK(run_and_compare(table, s, ++seed) == "");
      }
    }
  });
}

TEST_CASE("softmax subtracts the maximum", "[kernels][attention]") {
  // Scores of some thousands: e^score alone would be infinite.
  for_each_table([](const kernels::KernelTable& table) {
    CHECK(run_and_compare(table, {33, 16, 8, 2, 60.0f}, 3) == "");
  });
}

TEST_CASE("query rows of nested attention can be split anywhere", "[kernels][attention]") {
  for_each_table([](const kernels::KernelTable& table) {
    const Sizes s = {37, 12, 10, 3};
    Problem whole(table, s, 4), parts(table, s, 4);
    table.nested_attention(whole.args);
    for (std::size_t row = 0; row < s.tokens; row += 5) {
      parts.args.row_begin = row;
      parts.args.row_end = std::min(row + 5, s.tokens);
      table.nested_attention(parts.args);
    }
    CHECK(std::memcmp(whole.y.data(), parts.y.data(), whole.y.size() * sizeof(float)) == 0);
  });
}

TEST_CASE("NaN in a query stays in its row", "[kernels][attention]") {
  for_each_table([](const kernels::KernelTable& table) {
    Problem problem(table, {19, 4, 6, 2}, 6);
    problem.qkv[11 * problem.stride + 1] = k_nan;
    table.nested_attention(problem.args);
    for (std::size_t row = 0; row < 19; ++row)
      for (std::size_t i = 0; i < 6; ++i)
        REQUIRE(std::isnan(problem.y[row * problem.args.y_stride + i]) == (row == 11));
  });
}

}  // namespace lemore::test
