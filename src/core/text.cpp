#include "core/text.h"

#include <charconv>
#include <system_error>

namespace lemore {

namespace {

template <typename Number>
void append_number(std::string& out, Number n) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
}

}  // namespace

Piece::Piece(std::string_view text) noexcept : kind_(Kind::text), pointer_(text.data()), number_(text.size()) {}
Piece::Piece(const char* text) noexcept : Piece(std::string_view(text)) {}
Piece::Piece(const std::string& text) noexcept : Piece(std::string_view(text)) {}

void Piece::append_to(std::string& out) const {
  switch (kind_) {
    case Kind::text:
      out.append(static_cast<const char*>(pointer_), static_cast<std::size_t>(number_));
      break;
    case Kind::whole:
      append_number(out, number_);
      break;
    case Kind::integer:
      append_number(out, static_cast<std::int64_t>(number_));
      break;
    case Kind::size: {
      const auto& size = *static_cast<const Size*>(pointer_);
      append_number(out, size.height);
      out += 'x';
      append_number(out, size.width);
      break;
    }
    case Kind::shape: {
      const auto& shape = *static_cast<const Shape*>(pointer_);
      out += '[';
      for (int axis = 0; axis < shape.rank(); ++axis) {
        if (axis > 0) out += ", ";
        append_number(out, shape[axis]);
      }
      out += ']';
      break;
    }
  }
}

std::string join(std::initializer_list<Piece> pieces) {
  std::string out;
  for (const Piece& piece : pieces) piece.append_to(out);
  return out;
}

Status make_error(StatusCode code, std::initializer_list<Piece> message) { return {code, join(message)}; }

Status make_error(const Status& status, std::initializer_list<Piece> context) {
  return {status.code(), join(context) + ": " + status.message()};
}

std::size_t utf8_sequence(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  if (lead < 0xC2) return 0;  // a continuation byte, or an overlong form of ASCII
  if (lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    // Below 0xA0, E0 would be overlong; above 0x9F, ED would be a surrogate.
    if (!continues(1) || (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
    return continues(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  // Below 0x90, F0 would be overlong; above 0x8F, F4 would leave Unicode.
  if (!continues(1) || (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return continues(2) && continues(3) ? 4 : 0;
}

std::string printable(std::string_view text, std::size_t limit) {
  static const char k_digits[] = "0123456789abcdef";
  std::string out;
  const auto hex = [&](unsigned char byte) {
    out += "\\x";
    out += k_digits[byte >> 4];
    out += k_digits[byte & 15];
  };
  std::size_t i = 0;
  while (i < text.size()) {
    if (out.size() >= limit) return out + "...";
    const std::size_t length = utf8_sequence(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length <= 1) {
      if (byte == '\n') {
        out += "\\n";
      } else if (byte == '\\' || byte == '\'') {
        out += {'\\', text[i]};
      } else if (length == 0 || byte < 0x20 || byte == 0x7F) {
        hex(byte);
      } else {
        out += text[i];
      }
      ++i;
    } else if (byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0) {  // U+0080..U+009F, control characters
      hex(byte);
      hex(static_cast<unsigned char>(text[i + 1]));
      i += 2;
    } else {
      out.append(text, i, length);
      i += length;
    }
  }
  return out;
}

std::string errno_text(int error) { return std::generic_category().message(error); }

}  // namespace lemore
