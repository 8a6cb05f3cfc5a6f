#include "core/name.h"

#include "core/text.h"

namespace lemore {

void Name::append_to(std::string& out) const {
  if (outer_ != nullptr) {
    outer_->append_to(out);
    out += '.';
  }
  out += part_;
  if (index_ == k_none) return;
  out += '.';
  Piece(index_).append_to(out);
}

std::string Name::text() const {
  std::string out;
  append_to(out);
  return out;
}

}  // namespace lemore
