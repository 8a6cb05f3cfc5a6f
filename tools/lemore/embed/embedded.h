#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lemore/status.h"

namespace lemore::cli {

/// A processor that object files can be written for: little-endian ELF.
struct Machine {
  const char* name;
  std::uint16_t elf_machine;
  bool is_64_bit;
  std::uint32_t elf_flags;
};

/// "x86_64", "aarch64" or "armv7"; empty: the one this program runs on. Errors: invalid_argument.
Result<Machine> machine_of(std::string_view name);

/// Whether `name` can name a variable in C.
bool is_identifier(std::string_view name);

/// `bytes` as a header for C and C++: an array `name`, aligned to k_alignment, and `name`_size. `what` is said on top.
std::string header_file(std::string_view bytes, const std::string& name, const std::string& what);

/// `bytes` as a relocatable ELF object (System V ABI, chapter 4) with the same two symbols, read-only.
std::string object_file(std::string_view bytes, const std::string& name, const Machine& machine);

}  // namespace lemore::cli
