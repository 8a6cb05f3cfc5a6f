#pragma once

#include <cstddef>
#include <exception>
#include <new>
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

/// `text` on one line: control characters, as file names may hold, are written as \n or \x1B.
std::string one_line(std::string_view text);

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
