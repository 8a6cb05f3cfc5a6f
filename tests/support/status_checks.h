#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <initializer_list>
#include <string>

#include "lemore/status.h"

namespace lemore::test {

/// Requires an error of `code` whose message is one printable line with all `parts` in it.
inline void require_error(const Status& status, StatusCode code, std::initializer_list<std::string> parts) {
  INFO("message: " << status.message());
  REQUIRE_FALSE(status.ok());
  CHECK(std::string(status_code_name(status.code())) == status_code_name(code));
  for (const std::string& part : parts) CHECK_THAT(status.message(), Catch::Contains(part));
  CHECK(std::all_of(status.message().begin(), status.message().end(),
                    [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; }));
}

template <typename T>
void require_error(const Result<T>& result, StatusCode code, std::initializer_list<std::string> parts) {
  require_error(result.status(), code, parts);
}

/// Requires success, and shows the message otherwise.
inline void require_ok(const Status& status) {
  INFO("message: " << status.message());
  REQUIRE(status.ok());
}

template <typename T>
void require_ok(const Result<T>& result) {
  require_ok(result.status());
}

}  // namespace lemore::test
