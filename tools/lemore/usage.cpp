#include "usage.h"

#include <algorithm>
#include <filesystem>

#include "suggest.h"

namespace lemore::cli {

namespace {

const std::string k_missing = " missing", k_several = "required but received ";

/// The commands that the help shows.
std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return names;
}

/// "--model" and the like; short options are too short to be guessed.
std::vector<std::string> long_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

/// The first word that neither an option nor an argument took, or "".
std::string first_unknown(const CLI::App& app, const std::vector<std::string>& words) {
  const std::vector<std::string> left = app.remaining();
  const auto at = std::find_if(words.begin(), words.end(), [&](const std::string& w) {
    return std::find(left.begin(), left.end(), w) != left.end();
  });
  return at == words.end() ? "" : *at;
}

std::string explain_unknown_command(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names = names_of(commands_of(app));
  if (is_option(word)) return "unknown option " + word + did_you_mean(word, long_options(app));
  std::error_code error;
  if (std::filesystem::exists(word, error)) {
    return "'" + word + "' is a file, not a command; to segment it: lemore run -m MODEL " + word + " -o OUT";
  }
  const std::string near = did_you_mean(word, names);
  if (!near.empty()) return "unknown command '" + word + "'" + near;
  const std::string option = did_you_mean("--" + word, long_options(app));
  return "unknown command '" + word + "'" + (option.empty() ? "; expected " + joined_with_or(names) : option);
}

std::string explain_unknown(const CLI::App& command, const std::string& word) {
  if (!is_option(word)) return "unexpected argument '" + word + "'";
  const std::string name = word.substr(0, word.find('='));
  return "unknown option " + name + did_you_mean(name, long_options(command));
}

/// CLI11's sentence in our words: "--threads: 1 required N missing", "--size: At Most 1 required but received 2".
std::string explain_count(const std::string& what) {
  const std::string option = what.substr(0, what.find(": "));
  if (const std::size_t at = what.rfind(k_several); at != std::string::npos)
    return option + ": given " + what.substr(at + k_several.size()) + " times, expected once";
  const std::size_t type = what.find("required ");
  if (type == std::string::npos || what.size() < k_missing.size()) return what;
  const std::size_t begin = type + std::string("required ").size();
  return option + ": expected " + what.substr(begin, what.size() - k_missing.size() - begin) + " after it";
}

}  // namespace

std::string explain_parse_error(const CLI::App& app, const CLI::ParseError& error,
                                const std::vector<std::string>& words) {
  const auto called = app.get_subcommands();
  const CLI::App* command = called.empty() ? nullptr : called.front();
  const std::string help = command == nullptr ? "lemore --help" : "lemore " + command->get_name() + " --help";
  std::string text = error.what();
  if (const std::string unknown = first_unknown(app, words); !unknown.empty()) {
    text = command == nullptr
               ? explain_unknown_command(app, unknown)
               : "unexpected '" + unknown + "' before the command; options come after it, as in lemore " +
                     command->get_name() + " ...";
  } else if (command == nullptr && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    text = "expected a command: " + joined_with_or(names_of(commands_of(app)));
  } else if (const std::string left = command == nullptr ? "" : first_unknown(*command, words); !left.empty()) {
    text = explain_unknown(*command, left);
  } else if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    text = explain_count(text);
  }
  return text + " (see " + help + ")";
}

std::string explain_single_dash(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty()) return "";
  for (const CLI::App* command : commands_of(app)) {
    if (command->get_name() != words.front()) continue;
    const std::vector<std::string> known = long_options(*command);
    for (const std::string& word : words) {
      if (word == "--") break;
      const std::string name = "-" + word.substr(0, word.find('='));
      if (word.size() < 4 || word[0] != '-' || word[1] == '-') continue;
      if (std::find(known.begin(), known.end(), name) == known.end()) continue;
      return "unknown option " + name.substr(1) + "; did you mean " + name + "? (see lemore " + words.front() +
             " --help)";
    }
  }
  return "";
}

}  // namespace lemore::cli
