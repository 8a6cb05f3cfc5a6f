#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lemore {

/// Bytes of untrusted text a message shows at most.
constexpr std::size_t k_message_text = 80;
/// Bytes of a path a message shows at most: it names the file, so it is hardly ever cut.
constexpr std::size_t k_message_path = 4096;

/// Text from outside made fit for a one-line message: control characters, quotes and backslashes escaped, invalid UTF-8
/// shown as \xNN, cut with "..." after about `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = k_message_text);

/// Bytes of the UTF-8 sequence that `text` begins with: 1 to 4, or 0 when it begins with none (overlong forms,
/// surrogates and values beyond U+10FFFF are none) or is empty.
std::size_t utf8_sequence(std::string_view text) noexcept;

/// The operating system's sentence for an errno value, for instance "No such file or directory".
std::string errno_text(int error);

}  // namespace lemore
