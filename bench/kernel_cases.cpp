#include "bench/kernel_cases.h"

#include <charconv>
#include <cmath>
#include <memory>
#include <sstream>
#include <system_error>

#include "bench/values.h"
#include "core/resize_taps.h"
#include "core/resize_u8_taps.h"
#include "kernels/contracts.h"

namespace lemore::bench {

using kernels::KernelTable;
using kernels::ResizeTap;

std::string KernelShape::text() const {
  std::string line = kernel;
  for (const auto& [name, number] : numbers)
    if (number != 0) line += " " + name + "=" + std::to_string(number);
  return line;
}

std::size_t KernelShape::operator[](std::string_view name) const {
  for (const auto& [key, number] : numbers)
    if (key == name) return number;
  return 0;
}

namespace {

/// describe() with this notes the numbers of a call.
class Noted {
 public:
  std::vector<std::pair<std::string, std::size_t>> numbers;

  template <typename Number>
  void number(const char* name, Number value) {
    numbers.emplace_back(name, static_cast<std::size_t>(value));
  }
  void rows(std::size_t begin, std::size_t end) { number("rows", end - begin); }
  std::size_t taps(const char* name, const ResizeTap* taps, std::size_t begin, std::size_t end) {
    const std::size_t reach = end > begin ? taps[end - 1].hi + std::size_t{1} - taps[begin].lo : 0;
    number(name, reach);
    return reach;
  }
  void taps_of(const ResizeTap*, std::size_t, std::size_t) {}
  std::size_t resample_taps(const kernels::ResampleTap* taps, const std::int32_t*, std::size_t, std::size_t begin,
                            std::size_t n) {
    const std::size_t reach = n > 0 ? taps[begin + n - 1].begin + taps[begin + n - 1].count - taps[begin].begin : 0;
    number("from", reach);
    return reach;
  }
  std::size_t linear_taps(const char* name, const kernels::LinearTapU8* taps, std::size_t begin, std::size_t end) {
    const std::size_t reach = end > begin ? taps[end - 1].hi + std::size_t{1} - taps[begin].lo : 0;
    number(name, reach);
    return reach;
  }
  template <typename T>
  void memory(T*, std::size_t, float = 0, float = 0) {}
  template <typename T>
  void optional(const char* name, T* p, std::size_t, float = 0, float = 0) {
    number(name, p != nullptr);
  }
  void logits(const float*, std::size_t, std::size_t, std::size_t) {}
  void work(std::uint64_t, std::uint64_t) {}
};

/// describe() with this makes a call of a shape: sets its numbers, and its pointers to memory kept here.
class Made {
 public:
  explicit Made(KernelShape shape) : shape_(std::move(shape)) {}
  std::uint64_t macs = 0, bytes = 0;

  template <typename Number>
  void number(const char* name, Number& value) const {
    value = static_cast<Number>(shape_[name]);
  }
  void rows(std::size_t& begin, std::size_t& end) const {
    begin = 0;
    end = shape_["rows"];
  }
  std::size_t taps(const char* name, const ResizeTap*& taps, std::size_t begin, std::size_t end) {
    const std::size_t reach = shape_[name];
    taps_of(taps, reach, end - begin);
    return reach;
  }
  void taps_of(const ResizeTap*& taps, std::size_t from, std::size_t to) {
    taps_.emplace_back(to);
    core::resize_taps(from, to, taps_.back().data());
    taps = taps_.back().data();
  }
  std::size_t resample_taps(const kernels::ResampleTap*& taps, const std::int32_t*& weights, std::size_t& weight_stride,
                            std::size_t, std::size_t to) {
    const std::size_t from = shape_["from"];
    if (from == 0 || to == 0) return 0;
    weight_stride = core::resample_weights(from, to);
    resample_taps_.emplace_back(to);
    integers_.emplace_back(to * weight_stride);
    core::resample_taps(from, to, resample_taps_.back().data(), integers_.back().data());
    taps = resample_taps_.back().data();
    weights = integers_.back().data();
    return from;
  }
  std::size_t linear_taps(const char* name, const kernels::LinearTapU8*& taps, std::size_t begin, std::size_t end) {
    const std::size_t from = shape_[name];
    linear_taps_.emplace_back(end - begin);
    if (from > 0) core::linear_taps_u8(from, end - begin, false, linear_taps_.back().data());
    taps = linear_taps_.back().data();
    return from;
  }
  void memory(std::int32_t*& p, std::size_t n) {
    integers_.emplace_back(n);
    p = integers_.back().data();
  }
  void memory(const float*& p, std::size_t n, float low = -1.0f, float high = 1.0f) { p = floats(n, low, high); }
  void memory(float*& p, std::size_t n, float low = -1.0f, float high = 1.0f) { p = floats(n, low, high); }
  void memory(const std::uint8_t*& p, std::size_t n) { p = bytes_of(n); }
  void memory(std::uint8_t*& p, std::size_t n) { p = bytes_of(n); }
  template <typename T>
  void optional(const char* name, T*& p, std::size_t n, float low = -1.0f, float high = 1.0f) {
    p = nullptr;
    if (shape_[name] != 0) memory(p, n, low, high);
  }
  void logits(const float*& p, std::size_t h, std::size_t w, std::size_t classes) {
    const std::size_t n = h * w * classes;
    float* x = floats(n, -1.0f, 1.0f);
    // Of random logits half the classes can win in a cell, of smooth ones one or two, as with a trained network.
    for (std::size_t at = 0; shape_["smooth"] != 0 && at < n; ++at) {
      const float row = static_cast<float>(at / classes / w), column = static_cast<float>(at / classes % w);
      const float i = static_cast<float>(at % classes);
      x[at] = 4.0f * std::sin(0.13f * row + 1.7f * i) + 4.0f * std::cos(0.11f * column + 2.3f * i) + 0.1f * x[at];
    }
    p = x;
  }
  void work(std::uint64_t multiply_accumulates, std::uint64_t moved) {
    macs = multiply_accumulates;
    bytes = moved;
  }

 private:
  static constexpr std::size_t k_slack = 16;

  /// Aligned to 64 bytes.
  float* floats(std::size_t n, float low, float high) {
    floats_.push_back(values(n + k_slack, low, high));
    return floats_.back().data() + k_slack - reinterpret_cast<std::uintptr_t>(floats_.back().data()) % 64 / 4;
  }
  std::uint8_t* bytes_of(std::size_t n) {
    bytes_.emplace_back(n);
    for (std::size_t i = 0; i < n; ++i) bytes_.back()[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
    return bytes_.back().data();
  }

  KernelShape shape_;
  std::vector<std::vector<float>> floats_;
  std::vector<std::vector<std::uint8_t>> bytes_;
  std::vector<std::vector<std::int32_t>> integers_;
  std::vector<std::vector<ResizeTap>> taps_;
  std::vector<std::vector<kernels::ResampleTap>> resample_taps_;
  std::vector<std::vector<kernels::LinearTapU8>> linear_taps_;
};

// A struct for each kernel: its arguments, its name and its place in the table.
#define LEMORE_KERNEL(file, type, NAME, ARGUMENTS)    \
  struct NAME##_kernel {                              \
    using Arguments = kernels::ARGUMENTS;             \
    static constexpr const char* name = #NAME;        \
    static constexpr auto entry = &KernelTable::NAME; \
  };
#include "kernels/kernels.inc"
#undef LEMORE_KERNEL

/// f(NAME_kernel()) for each kernel there is.
template <typename Function>
void for_each_kernel(Function&& f) {
#define LEMORE_KERNEL(file, type, name, Arguments) f(name##_kernel());
#include "kernels/kernels.inc"
#undef LEMORE_KERNEL
}

// What recording kernels, plain functions, find their way by.
const KernelTable* g_real = nullptr;
std::function<void(const KernelShape&)> g_note;

/// What `Kernel` is replaced by to be recorded.
template <typename Kernel>
void note_and_run(const typename Kernel::Arguments& args) {
  typename Kernel::Arguments described = args;
  Noted noted;
  describe(noted, described);
  g_note({Kernel::name, noted.numbers});
  (g_real->*Kernel::entry)(args);
}

}  // namespace

KernelCase make_case(const KernelShape& shape) {
  KernelCase result;
  for_each_kernel([&](auto kernel) {
    if (shape.kernel != kernel.name) return;
    const auto made = std::make_shared<Made>(shape);
    typename decltype(kernel)::Arguments args;
    describe(*made, args);
    result = {[made, args](const KernelTable& table) { (table.*decltype(kernel)::entry)(args); }, made->macs,
              made->bytes};
  });
  return result;
}

KernelTable recording_table(const KernelTable& real, std::function<void(const KernelShape&)> note) {
  g_real = &real;
  g_note = std::move(note);
  KernelTable table = real;
  for_each_kernel([&](auto kernel) { table.*kernel.entry = note_and_run<decltype(kernel)>; });
  return table;
}

bool parse_shape(const std::string& line, KernelShape& shape, std::size_t& calls, std::string& error) {
  std::istringstream words(line);
  std::string word;
  shape = {};
  calls = 0;
  while (words >> word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      if (shape.kernel.empty()) {
        shape.kernel = word;
        continue;
      }
      error = "expected NAME=NUMBER, got '" + word + "'";
      return false;
    }
    std::size_t number = 0;
    const auto [end, failed] = std::from_chars(word.data() + equals + 1, word.data() + word.size(), number);
    if (failed != std::errc() || end != word.data() + word.size()) {
      error = "expected NAME=NUMBER, got '" + word + "'";
      return false;
    }
    if (word.compare(0, equals, "calls") == 0) {
      calls = number;
    } else {
      shape.numbers.emplace_back(word.substr(0, equals), number);
    }
  }
  bool is_known = false;
  for_each_kernel([&](auto kernel) {
    if (shape.kernel != kernel.name) return;
    is_known = true;
    Noted names;
    typename decltype(kernel)::Arguments args;
    describe(names, args);
    for (const auto& number : shape.numbers) {
      bool is_one = false;
      for (const auto& name : names.numbers) is_one = is_one || name.first == number.first;
      if (!is_one) error = shape.kernel + ": unknown number '" + number.first + "'";
    }
  });
  if (!is_known) error = "expected a kernel, got '" + shape.kernel + "'";
  return error.empty();
}

}  // namespace lemore::bench
