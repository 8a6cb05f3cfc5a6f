#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace lemore::cli {

/// What the shell may complete for a value.
enum class ValueKind : std::uint8_t { none, words, file, folder };

/// An option as help, the man page and the shells' completions need it.
struct OptionEntry {
  std::vector<std::string> names;  ///< "-m", "--model"; a positional has its one name without dashes
  std::string value;               ///< placeholder, for instance "MODEL"; empty for a flag and for a positional
  std::string description;
  std::vector<std::string> words;  ///< ValueKind::words: the values there are
  ValueKind kind = ValueKind::none;
  bool takes_value = false;
  bool is_value_optional = false;
  bool is_list = false;  ///< positional: may be repeated
  bool is_required = false;
  bool is_positional = false;
};

struct CommandEntry {
  std::string name;
  std::string description;
  std::string footer;  ///< examples and notes
  std::vector<OptionEntry> options;
};

/// Everything that is declared on `app` and shown in its help: the first entry is the program, the rest its commands.
std::vector<CommandEntry> option_table(CLI::App& app);

}  // namespace lemore::cli
