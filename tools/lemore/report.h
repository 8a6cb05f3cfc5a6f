#pragma once

#include <cstddef>
#include <exception>
#include <new>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "lemore/status.h"

namespace lemore::cli {

/// What a command hands back to the shell.
enum ExitCode : int {
  k_exit_ok = 0,
  k_exit_failure = 1,     ///< something failed, or two things that should be equal are not
  k_exit_usage = 2,       ///< the command line itself
  k_exit_some_failed = 3  ///< with --keep-going: some inputs failed, the others are done
};

/// `text` on one line, with nothing in it that a terminal acts on. File names, class names and metadata may hold
/// anything: control characters are written as \n, \x1B or \u0085, marks that turn the direction of text as \u202E, and
/// bytes that are not UTF-8 as \xFF.
std::string one_line(std::string_view text);

/// What UTF-8 text begins with.
struct Utf8Character {
  char32_t character = 0;
  std::size_t bytes = 1;  ///< that it takes; 1 where there is no character
  bool is_valid = false;  ///< false: an incomplete or overlong sequence, a surrogate, beyond U+10FFFF
};
/// Requires that `text` is not empty.
Utf8Character first_character(std::string_view text);

/// Whether a terminal acts on the character instead of showing it: controls, separators of lines, marks that turn the
/// direction of text.
bool is_acted_on(char32_t character);

/// Columns that `text` takes on a terminal: two for a Chinese, Japanese or Korean character, none for an accent that is
/// put over the letter before.
std::size_t text_columns(std::string_view text);

/// `text` and spaces up to `columns`.
std::string padded(const std::string& text, std::size_t columns);

/// JSON as every command prints it: UTF-8 that ends in a newline, `indent` spaces a level (-1: one line). Bytes that
/// are not UTF-8 become U+FFFD; characters that a terminal acts on are written as \u009b.
std::string json_text(const nlohmann::ordered_json& json, int indent = 2);

/// "lemore: `message`" as one line on stderr.
void print_error(std::string_view message);

/// "lemore: `what`: warning: `text`" as one line on stderr: the work goes on.
void print_warning(std::string_view what, std::string_view text);

/// As print_error, and returns k_exit_failure.
int fail(const Status& status);
/// As print_error, and returns k_exit_usage.
int fail_usage(std::string_view message);

/// Writes all bytes to stdout. Errors: io_error.
Status write_stdout(const void* data, std::size_t size);
Status write_stdout(std::string_view text);

/// `status` with "`what`: " before its message, unless that names it already.
Status about(std::string_view what, const Status& status);

/// Runs `body`, turning what it may throw (no memory, in the main) into a status: threads must not let it pass.
template <typename Body>
Status guarded(Body&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, "out of memory");
  } catch (const std::exception& e) {
    return Status(StatusCode::io_error, e.what());
  }
}

/// "`path`: cannot `action`: <what errno says>".
Status errno_status(const std::string& path, const char* action, int error);

}  // namespace lemore::cli
