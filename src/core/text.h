#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "lemore/image.h"
#include "lemore/status.h"
#include "lemore/tensor.h"

namespace lemore {

/// A part of a message: text, a whole number, a size as 480x640 or a shape as [3, 4]. Points to what it is made of, so
/// it lives no longer than the call that it is written in.
class Piece {
 public:
  Piece(std::string_view text) noexcept;
  Piece(const char* text) noexcept;
  Piece(const std::string& text) noexcept;
  Piece(const Size& size) noexcept : kind_(Kind::size), pointer_(&size) {}
  Piece(const Shape& shape) noexcept : kind_(Kind::shape), pointer_(&shape) {}
  template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
  Piece(Integer number) noexcept
      : kind_(std::is_signed_v<Integer> ? Kind::integer : Kind::whole), number_(static_cast<std::uint64_t>(number)) {}

  void append_to(std::string& out) const;

 private:
  enum class Kind : std::uint8_t { text, whole, integer, size, shape };
  Kind kind_;
  const void* pointer_ = nullptr;
  std::uint64_t number_ = 0;
};

/// The pieces behind each other.
std::string join(std::initializer_list<Piece> pieces);

/// An error with the message that the pieces make.
Status make_error(StatusCode code, std::initializer_list<Piece> message);
/// `status`, an error, with "<context>: " in front of its message.
Status make_error(const Status& status, std::initializer_list<Piece> context);

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
