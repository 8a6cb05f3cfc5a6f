#pragma once

#include <cstddef>

#include "graph/config_reader.h"
#include "lemore/image.h"
#include "lemore/model.h"

namespace lemore {

/// The fields of a weight file's "preprocessing" that say how its authors test: which resize, to which size, in which
/// windows. Other members of `root` are not looked at. `input` is the network's own size.
/// Part of builds with core::k_has_transformers only.
void read_protocol(graph::ConfigReader& reader, const json::Field& root, Size input, Preprocessing& out);

/// The choice that the member `key` makes among `names`; a mistake where it is absent.
template <std::size_t n>
int read_choice(graph::ConfigReader& reader, const json::Field& root, const char* key, const char* const (&names)[n]) {
  int choice = -1;
  reader.choice(root, key, names, n, choice);
  return choice < 0 ? 0 : choice;
}

}  // namespace lemore
