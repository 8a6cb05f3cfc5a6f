#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace lemore::cli {

/// What is wrong with the command line `words` (without the program's name), as one sentence for people: the word that
/// is not known and the one that was probably meant, or what CLI11 says in our words.
std::string explain_parse_error(const CLI::App& app, const CLI::ParseError& error,
                                const std::vector<std::string>& words);

/// A long option written with one dash ("-model"), which CLI11 would read as "-m odel": the sentence that says so, or
/// "" where there is none.
std::string explain_single_dash(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace lemore::cli
