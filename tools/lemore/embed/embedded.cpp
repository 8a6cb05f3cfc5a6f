#include "embed/embedded.h"

#include <elf.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

#include "lemore/tensor.h"

namespace lemore::cli {

#if defined(__BYTE_ORDER__)
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the structs of elf.h are written as they lie in memory");
#endif

namespace {

constexpr std::uint32_t k_arm_flags = EF_ARM_EABI_VER5 | EF_ARM_ABI_FLOAT_HARD;
constexpr Machine k_machines[] = {
    {"x86_64", EM_X86_64, true, 0}, {"aarch64", EM_AARCH64, true, 0}, {"armv7", EM_ARM, false, k_arm_flags}};

#if defined(__x86_64__)
constexpr const char* k_here = "x86_64";
#elif defined(__aarch64__)
constexpr const char* k_here = "aarch64";
#elif defined(__arm__)
constexpr const char* k_here = "armv7";
#else
constexpr const char* k_here = "unknown";
#endif

struct Elf64 {
  using Header = Elf64_Ehdr;
  using Section = Elf64_Shdr;
  using Symbol = Elf64_Sym;
  using Word = std::uint64_t;
  static constexpr unsigned char k_class = ELFCLASS64;
};
struct Elf32 {
  using Header = Elf32_Ehdr;
  using Section = Elf32_Shdr;
  using Symbol = Elf32_Sym;
  using Word = std::uint32_t;
  static constexpr unsigned char k_class = ELFCLASS32;
};

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::size_t align(std::string& file, std::size_t alignment) {
  file.resize((file.size() + alignment - 1) / alignment * alignment);
  return file.size();
}

template <typename Elf>
std::string object(std::string_view bytes, const std::string& name, const Machine& machine) {
  using Word = typename Elf::Word;
  enum { null, rodata, note_stack, symtab, strtab, shstrtab, count };
  typename Elf::Section sections[count] = {};
  std::string names(1, '\0');
  std::string file(sizeof(typename Elf::Header), '\0');
  const auto add = [&](int index, const char* section, Word type, Word flags, std::size_t alignment,
                       std::string_view content) {
    typename Elf::Section& s = sections[index];
    s.sh_name = static_cast<Elf64_Word>(names.size());
    names.append(section).push_back('\0');
    s.sh_type = static_cast<Elf64_Word>(type);
    s.sh_flags = flags;
    s.sh_offset = static_cast<Word>(align(file, alignment));
    s.sh_size = static_cast<Word>(content.size());
    s.sh_addralign = static_cast<Word>(alignment);
    file.append(content);
  };

  // The array, and behind it its size, as a size_t of the machine.
  std::string data(bytes);
  const std::size_t size_at = align(data, sizeof(Word));
  data.append(bytes_of(static_cast<Word>(bytes.size())));
  add(rodata, ".rodata", SHT_PROGBITS, SHF_ALLOC, k_alignment, data);
  add(note_stack, ".note.GNU-stack", SHT_PROGBITS, 0, 1, "");

  std::string strings(1, '\0');
  typename Elf::Symbol symbols[3] = {};
  const auto define = [&](typename Elf::Symbol& symbol, const std::string& symbol_name, std::size_t at,
                          std::size_t size) {
    symbol.st_name = static_cast<Elf64_Word>(strings.size());
    strings.append(symbol_name).push_back('\0');
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
    symbol.st_shndx = rodata;
    symbol.st_value = static_cast<Word>(at);
    symbol.st_size = static_cast<Word>(size);
  };
  define(symbols[1], name, 0, bytes.size());
  define(symbols[2], name + "_size", size_at, sizeof(Word));
  add(symtab, ".symtab", SHT_SYMTAB, 0, sizeof(Word), bytes_of(symbols));
  sections[symtab].sh_link = strtab;
  sections[symtab].sh_info = 1;  // the first global symbol
  sections[symtab].sh_entsize = sizeof(typename Elf::Symbol);
  add(strtab, ".strtab", SHT_STRTAB, 0, 1, strings);
  const std::size_t own_name = names.size();
  add(shstrtab, ".shstrtab", SHT_STRTAB, 0, 1, names + ".shstrtab" + '\0');
  sections[shstrtab].sh_name = static_cast<Elf64_Word>(own_name);

  typename Elf::Header header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = Elf::k_class;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_REL;
  header.e_machine = machine.elf_machine;
  header.e_version = EV_CURRENT;
  header.e_flags = machine.elf_flags;
  header.e_ehsize = sizeof(header);
  header.e_shentsize = sizeof(typename Elf::Section);
  header.e_shnum = count;
  header.e_shstrndx = shstrtab;
  header.e_shoff = static_cast<Word>(align(file, sizeof(Word)));
  file.append(bytes_of(sections));
  file.replace(0, sizeof(header), bytes_of(header));
  return file;
}

}  // namespace

Result<Machine> machine_of(std::string_view name) {
  const std::string_view wanted = name.empty() ? std::string_view(k_here) : name;
  std::string known;
  for (const Machine& machine : k_machines) {
    if (wanted == machine.name) return machine;
    known.append(known.empty() ? "" : ", ").append(machine.name);
  }
  return Status(StatusCode::invalid_argument,
                "--machine: expected one of " + known + ", got '" + std::string(wanted) + "'");
}

/// Words of C17 and C++20 that cannot name a variable.
constexpr std::string_view k_keywords[] = {
    "alignas",     "alignof",      "and",       "and_eq",   "asm",       "auto",         "bitand",   "bitor",
    "bool",        "break",        "case",      "catch",    "char",      "char16_t",     "char32_t", "char8_t",
    "class",       "co_await",     "co_return", "co_yield", "compl",     "concept",      "const",    "const_cast",
    "consteval",   "constexpr",    "constinit", "continue", "decltype",  "default",      "delete",   "do",
    "double",      "dynamic_cast", "else",      "enum",     "explicit",  "export",       "extern",   "false",
    "float",       "for",          "friend",    "goto",     "if",        "inline",       "int",      "long",
    "main",        "mutable",      "namespace", "new",      "noexcept",  "not",          "not_eq",   "nullptr",
    "operator",    "or",           "or_eq",     "private",  "protected", "public",       "register", "reinterpret_cast",
    "requires",    "restrict",     "return",    "short",    "signed",    "sizeof",       "static",   "static_assert",
    "static_cast", "struct",       "switch",    "template", "this",      "thread_local", "throw",    "true",
    "try",         "typedef",      "typeid",    "typename", "union",     "unsigned",     "using",    "virtual",
    "void",        "volatile",     "wchar_t",   "while",    "xor",       "xor_eq"};

bool is_identifier(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (name.empty() || !is_letter(name.front())) return false;
  for (const char c : name)
    if (!is_letter(c) && (c < '0' || c > '9')) return false;
  return std::find(std::begin(k_keywords), std::end(k_keywords), name) == std::end(k_keywords);
}

std::string header_file(std::string_view bytes, const std::string& name, const std::string& what) {
  // The full stop: a backslash at the end of `what` would make the next line part of the comment.
  std::string text = "// " + what + ".\n#pragma once\n\n#include <stddef.h>\n\nstatic const size_t " + name +
                     "_size = " + std::to_string(bytes.size()) + ";\nstatic const unsigned char " + name + "[" +
                     std::to_string(bytes.size()) + "] __attribute__((aligned(" + std::to_string(k_alignment) +
                     "))) = {\n";
  text.reserve(text.size() + bytes.size() * 4 + bytes.size() / 16);
  constexpr std::size_t k_per_line = 32;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    char digits[4];
    const auto end = std::to_chars(digits, digits + sizeof(digits), static_cast<unsigned char>(bytes[i])).ptr;
    text.append(digits, end);
    text += (i + 1) % k_per_line == 0 ? ",\n" : ",";
  }
  return text + "};\n";
}

std::string object_file(std::string_view bytes, const std::string& name, const Machine& machine) {
  return machine.is_64_bit ? object<Elf64>(bytes, name, machine) : object<Elf32>(bytes, name, machine);
}

}  // namespace lemore::cli
