#include "suggest.h"

#include <algorithm>
#include <cctype>

namespace lemore::cli {

namespace {

/// Longer words are cut: what a user typed is short, and the table below grows with the square.
constexpr std::size_t k_max_word = 64;

std::string lower_case(std::string_view word) {
  std::string lower(word.substr(0, k_max_word));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

/// Edits that make `a` of `b`; two neighbours that are swapped count once (Damerau's restricted distance).
std::size_t edit_distance(const std::string& a, const std::string& b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> table((a.size() + 1) * width);
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      std::size_t& cell = table[i * width + j];
      if (i == 0 || j == 0) {
        cell = i + j;
        continue;
      }
      const std::size_t* above = &table[(i - 1) * width];
      const bool equal = a[i - 1] == b[j - 1];
      cell = std::min({above[j] + 1, table[i * width + j - 1] + 1, above[j - 1] + (equal ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cell = std::min(cell, table[(i - 2) * width + j - 2] + 1);
    }
  }
  return table.back();
}

/// Whether one of the words begins with the other, which has at least three letters beside dashes.
bool begins_alike(const std::string& a, const std::string& b) {
  const std::string& shorter = a.size() < b.size() ? a : b;
  const std::string& longer = a.size() < b.size() ? b : a;
  const auto letters = shorter.size() - std::min(shorter.size(), shorter.find_first_not_of('-'));
  return letters >= 3 && longer.compare(0, shorter.size(), shorter) == 0;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  const std::string wanted = lower_case(word);
  const std::size_t letters = wanted.size() - std::min(wanted.size(), wanted.find_first_not_of('-'));
  const std::size_t allowed = letters < 3 ? 0 : std::max<std::size_t>(letters / 3, letters < 6 ? 2 : 1);
  std::string best;
  std::size_t best_distance = allowed + 1;
  for (const std::string& candidate : known) {
    const std::string lower = lower_case(candidate);
    std::size_t distance = edit_distance(wanted, lower);
    if (distance >= std::max(letters, std::size_t{1})) continue;  // nothing in common
    if (begins_alike(wanted, lower)) distance = std::min(distance, allowed);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? "" : "; did you mean " + near + "?";
}

std::string joined_with_or(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  return text;
}

}  // namespace lemore::cli
