#include "lemore/status.h"

namespace lemore {

const char* status_code_name(StatusCode code) noexcept {
  switch (code) {
    case StatusCode::ok:
      return "ok";
    case StatusCode::invalid_argument:
      return "invalid_argument";
    case StatusCode::invalid_shape:
      return "invalid_shape";
    case StatusCode::invalid_file:
      return "invalid_file";
    case StatusCode::unsupported:
      return "unsupported";
    case StatusCode::not_found:
      return "not_found";
    case StatusCode::io_error:
      return "io_error";
    case StatusCode::out_of_memory:
      return "out_of_memory";
    case StatusCode::cancelled:
      return "cancelled";
  }
  return "unknown";
}

Status::Status(const Status&) = default;
Status::Status(Status&&) noexcept = default;
Status& Status::operator=(const Status&) = default;
Status& Status::operator=(Status&&) noexcept = default;
Status::~Status() = default;

}  // namespace lemore
