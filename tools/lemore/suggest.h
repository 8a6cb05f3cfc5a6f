#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lemore::cli {

/// The word among `known` that `word` is most likely a misspelling of, or "" where none is near: letters left out, put
/// in, changed or swapped, one for every three of the word; or a word that the other begins with. Case is ignored.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// "; did you mean run?", or "" where no word is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// "a", "a or b", "a, b or c".
std::string joined_with_or(const std::vector<std::string>& words);

}  // namespace lemore::cli
