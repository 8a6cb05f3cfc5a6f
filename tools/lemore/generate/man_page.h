#pragma once

#include <string>
#include <vector>

#include "generate/option_table.h"

namespace lemore::cli {

/// lemore.1 in the man macros, all commands on one page.
std::string man_page(const std::vector<CommandEntry>& table);

}  // namespace lemore::cli
