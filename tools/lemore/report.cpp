#include "report.h"

#include <locale.h>
#include <unistd.h>
#include <wchar.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "file_io.h"
#include "stop.h"

namespace lemore::cli {

Utf8Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xC2 ? 0 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (length == 0 || byte(0) > 0xF4 || length > text.size()) return {};
  char32_t character = length == 1 ? byte(0) : byte(0) & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    character = character << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t k_first[] = {0, 0, 0x80, 0x800, 0x10000};  // below them: an overlong form
  const bool is_surrogate = character >= 0xD800 && character <= 0xDFFF;
  if (character < k_first[length] || is_surrogate || character > 0x10FFFF) return {};
  return {character, length, true};
}

bool is_acted_on(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character c = first_character(text);
    char escaped[16];
    if (text.front() == '\n') {
      line += "\\n";
    } else if (c.is_valid && !is_acted_on(c.character)) {
      line += text.substr(0, c.bytes);
    } else {
      const bool is_byte = c.bytes == 1;
      std::snprintf(escaped, sizeof(escaped), is_byte ? "\\x%02X" : "\\u%04X",
                    is_byte ? static_cast<unsigned>(static_cast<unsigned char>(text.front()))
                            : static_cast<unsigned>(c.character));
      line += escaped;
    }
    text.remove_prefix(c.bytes);
  }
  return line;
}

std::size_t text_columns(std::string_view text) {
  // wcwidth knows the widths only in a locale of UTF-8. Where there is none, every character counts as one column.
  static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = utf8 == nullptr ? nullptr : ::uselocale(utf8);
  std::size_t columns = 0;
  while (!text.empty()) {
    const Utf8Character c = first_character(text);
    const int width = utf8 != nullptr && c.is_valid ? ::wcwidth(static_cast<wchar_t>(c.character)) : 1;
    columns += static_cast<std::size_t>(width < 0 ? 1 : width);
    text.remove_prefix(c.bytes);
  }
  if (before != nullptr) ::uselocale(before);
  return columns;
}

std::string padded(const std::string& text, std::size_t columns) {
  const std::size_t used = text_columns(text);
  return used < columns ? text + std::string(columns - used, ' ') : text;
}

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  const std::string raw = json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string text;
  text.reserve(raw.size() + 1);
  for (std::string_view left = raw; !left.empty();) {
    const Utf8Character c = first_character(left);
    if (c.character != '\n' && is_acted_on(c.character)) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned>(c.character));
      text += escaped;
    } else {
      text += left.substr(0, c.bytes);
    }
    left.remove_prefix(c.bytes);
  }
  return text + "\n";
}

void print_error(std::string_view message) { std::fprintf(stderr, "lemore: %s\n", one_line(message).c_str()); }

void print_warning(std::string_view what, std::string_view text) {
  print_error(std::string(what) + ": warning: " + std::string(text));
}

int fail(const Status& status) {
  print_error(status.message());
  return k_exit_failure;
}

int fail_usage(std::string_view message) {
  print_error(message);
  return k_exit_usage;
}

Status write_stdout(const void* data, std::size_t size) {
  const int error =
      catches_stop_signals() ? write_all_or_stop(STDOUT_FILENO, data, size) : write_all(STDOUT_FILENO, data, size);
  if (error == ECANCELED) return Status(StatusCode::cancelled, "standard output: interrupted");
  return error == 0 ? Status() : errno_status("standard output", "write", error);
}

Status write_stdout(std::string_view text) { return write_stdout(text.data(), text.size()); }

Status about(std::string_view what, const Status& status) {
  if (status.ok() || status.message().find(what) != std::string::npos) return status;
  return Status(status.code(), std::string(what) + ": " + status.message());
}

Status errno_status(const std::string& path, const char* action, int error) {
  const StatusCode code = error == ENOMEM ? StatusCode::out_of_memory : StatusCode::io_error;
  return Status(code, path + ": cannot " + action + ": " + std::strerror(error));
}

}  // namespace lemore::cli
