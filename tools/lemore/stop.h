#pragma once

namespace lemore::cli {

/// From here on the first SIGINT or SIGTERM asks the program to stop (stop_requested); the second one ends it at once,
/// after removing the part files of write_file_atomic. A signal that is ignored stays ignored, as a shell has it for
/// jobs in the background.
void catch_stop_signals();

/// Whether catch_stop_signals was called.
bool catches_stop_signals() noexcept;

/// True after the first signal.
bool stop_requested() noexcept;

/// Waits until `fd` can be read (POLLIN) or written (POLLOUT). False when a stop was requested before that.
bool wait_for(int fd, short events) noexcept;

/// Ends the process as the signal that asked for the stop would have: a shell sees exit code 128 + its number. Requires
/// stop_requested().
[[noreturn]] void end_by_stop_signal() noexcept;

}  // namespace lemore::cli
