#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace lemore::cli {

/// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv): tells contents apart, against mistakes rather than
/// malice.
class Fnv1a {
 public:
  void add(const void* data, std::size_t size) noexcept {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001B3u;
  }
  /// 16 hexadecimal digits.
  std::string text() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_));
    return digits;
  }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

}  // namespace lemore::cli
