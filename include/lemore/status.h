#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>

#include "lemore/export.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// What went wrong, for programs. The sentence in Status::message() is for people.
enum class StatusCode {
  ok,
  invalid_argument,  ///< a parameter of the call is wrong
  invalid_shape,     ///< a tensor or image has the wrong size
  invalid_file,      ///< bytes from outside are not what they should be
  unsupported,       ///< well-formed, but this build or CPU cannot do it
  not_found,         ///< there is nothing of that name
  io_error,          ///< the operating system reported an error
  out_of_memory,
  cancelled,
};

/// The name of a code, for instance "invalid_file". Never null.
LEMORE_API const char* status_code_name(StatusCode code) noexcept;

/// Success, or a code and one sentence that names what was expected and what was found. It must be used.
///
/// A successful Status holds no memory, so returning it allocates nothing. It is as thread-safe as a std::string.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}
  LEMORE_API Status(const Status&);
  LEMORE_API Status(Status&&) noexcept;
  LEMORE_API Status& operator=(const Status&);
  LEMORE_API Status& operator=(Status&&) noexcept;
  LEMORE_API ~Status();

  bool ok() const noexcept { return code_ == StatusCode::ok; }
  StatusCode code() const noexcept { return code_; }
  /// One line without a final full stop; empty on success.
  const std::string& message() const noexcept { return message_; }

 private:
  StatusCode code_ = StatusCode::ok;
  std::string message_;
};

/// A T, or the Status that says why there is none. It must be used.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }

  bool ok() const noexcept { return value_.has_value(); }
  const Status& status() const noexcept { return status_; }

  /// The value. Requires ok().
  T& value() & {
    assert(ok());
    return *value_;
  }
  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
