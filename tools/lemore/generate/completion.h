#pragma once

#include <string>
#include <vector>

#include "generate/option_table.h"

namespace lemore::cli {

/// A script for bash: commands, their options, and values where they are words, files or folders.
std::string bash_completion(const std::vector<CommandEntry>& table);

/// The same for zsh, with descriptions.
std::string zsh_completion(const std::vector<CommandEntry>& table);

}  // namespace lemore::cli
