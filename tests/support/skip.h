#pragma once

#include <string>

namespace lemore::test {

/// Called by a test that cannot run here: prints "skipped: REASON", and the program ends with exit code 77, which CTest
/// counts as skipped. Return after it.
void skip(const std::string& reason);

}  // namespace lemore::test
