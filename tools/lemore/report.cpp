#include "report.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "file_io.h"
#include "stop.h"

namespace lemore::cli {

std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02X", byte);
      line += escaped;
    } else {
      line += c;
    }
  }
  return line;
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
