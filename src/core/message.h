#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lemore {

/// Bytes of untrusted text a message shows at most.
constexpr std::size_t k_message_text = 80;

/// Text from outside made fit for a one-line message: control characters, quotes and backslashes escaped, invalid UTF-8
/// shown as \xNN, cut with "..." after about `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = k_message_text);

/// The operating system's sentence for an errno value, for instance "No such file or directory".
std::string errno_text(int error);

}  // namespace lemore
