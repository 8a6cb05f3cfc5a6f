#include "stop.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "file_io.h"

namespace lemore::cli {

namespace {

std::atomic<int> stop_signal{0};

/// A pipe that can be read once a stop was requested. It wakes poll(2) in every thread, whichever thread got the
/// signal, and also when the signal came just before the call.
int stop_pipe[2] = {-1, -1};

[[noreturn]] void end_by(int number) noexcept {
  ::signal(number, SIG_DFL);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, number);
  ::raise(number);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  // The first process of a container is not ended by its own signals.
  ::_exit(128 + number);
}

void on_stop_signal(int number) {
  int none = 0;
  if (!stop_signal.compare_exchange_strong(none, number)) {
    remove_own_parts();
    end_by(number);
  }
  const int before = errno;
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = ::write(stop_pipe[1], &byte, 1);
  errno = before;
}

}  // namespace

void catch_stop_signals() {
  if (catches_stop_signals() || ::pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return;
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;  // whatever may wait for ever calls wait_for first
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    ::sigaction(number, &action, nullptr);
  }
}

bool catches_stop_signals() noexcept { return stop_pipe[0] >= 0; }

bool stop_requested() noexcept { return stop_signal.load() != 0; }

bool wait_for(int fd, short events) noexcept {
  pollfd waits[2] = {{fd, events, 0}, {stop_pipe[0], POLLIN, 0}};  // poll passes over negative descriptors
  while (!stop_requested()) {
    const int ready = ::poll(waits, 2, -1);
    if (ready < 0 && errno != EINTR && errno != EAGAIN)
      return true;  // the read or write that follows tells what is wrong
    if (ready > 0 && waits[0].revents != 0) return !stop_requested();
  }
  return false;
}

void end_by_stop_signal() noexcept { end_by(stop_signal.load()); }

}  // namespace lemore::cli
