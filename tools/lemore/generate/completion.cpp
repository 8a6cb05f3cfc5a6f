#include "generate/completion.h"

#include <string_view>

namespace lemore::cli {

namespace {

std::string joined(const std::vector<std::string>& words, const std::string& between = " ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::vector<std::string> command_names(const std::vector<CommandEntry>& table) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < table.size(); ++i) names.push_back(table[i].name);
  return names;
}

/// `text` in single quotes.
std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

// ---- bash

std::string bash_values(const OptionEntry& option) {
  switch (option.kind) {
    case ValueKind::words:
      return "COMPREPLY=($(compgen -W " + in_quotes(joined(option.words)) + " -- \"$cur\"))";
    case ValueKind::file:
      return "_lemore_files";
    case ValueKind::folder:
      return "_lemore_folders";
    case ValueKind::none:
      break;
  }
  return "COMPREPLY=()";
}

// ---- zsh

std::string zsh_action(const OptionEntry& option) {
  switch (option.kind) {
    case ValueKind::words:
      return "(" + joined(option.words) + ")";
    case ValueKind::file:
      return "_files";
    case ValueKind::folder:
      return "_files -/";
    case ValueKind::none:
      break;
  }
  return " ";
}

/// With a backslash before every character that separates the parts of a specification.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// Specifications of _arguments, one a line.
std::string zsh_specs(const CommandEntry& command, const std::string& indent) {
  std::string text;
  for (const OptionEntry& option : command.options) {
    const std::string action = zsh_action(option);
    if (option.is_positional) {
      text += indent + in_quotes(std::string(option.is_list ? "*" : "1") + ":" + option.names.front() + ":" + action);
    } else {
      const std::string message = option.value.empty() ? "value" : option.value;
      const std::string value =
          option.takes_value ? (option.is_value_optional ? "::" : ":") + message + ":" + action : "";
      const std::string names = joined(option.names);
      for (std::size_t i = 0; i < option.names.size(); ++i) {
        if (i > 0) text += " \\\n";
        text +=
            indent + in_quotes("(" + names + ")" + option.names[i] + "[" + zsh_text(option.description) + "]" + value);
      }
    }
    text += " \\\n";
  }
  if (!text.empty()) text.resize(text.size() - 3);  // nothing follows the last line
  return text + "\n";
}

}  // namespace

std::string bash_completion(const std::vector<CommandEntry>& table) {
  const std::string names = joined(command_names(table), "|");
  std::string text =
      "# bash completion for lemore; written by `lemore generate bash`\n"
      "_lemore_files() { local IFS=$'\\n'; COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames 2>/dev/null; }\n"
      "_lemore_folders() { local IFS=$'\\n'; COMPREPLY=($(compgen -d -- \"$cur\")); compopt -o filenames 2>/dev/null; "
      "}\n"
      "_lemore() {\n"
      "  local IFS=$' \\n' cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
      "    case ${COMP_WORDS[i]} in " +
      names + ") command=${COMP_WORDS[i]}; break ;; esac\n  done\n  case \"$command $previous\" in\n";
  for (const CommandEntry& command : table) {
    const std::string prefix = &command == &table.front() ? "" : command.name;
    for (const OptionEntry& option : command.options) {
      if (option.is_positional || !option.takes_value || option.is_value_optional) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) patterns.push_back(in_quotes(prefix + " " + name));
      text += "    " + joined(patterns, "|") + ") " + bash_values(option) + "; return ;;\n";
    }
  }
  text += "  esac\n  case \"$command $cur\" in\n";
  for (const CommandEntry& command : table) {
    const std::string prefix = &command == &table.front() ? "" : command.name;
    std::vector<std::string> options;
    for (const OptionEntry& option : command.options)
      if (!option.is_positional) options.insert(options.end(), option.names.begin(), option.names.end());
    text += "    " + in_quotes(prefix + " -") + "*) COMPREPLY=($(compgen -W " + in_quotes(joined(options)) +
            " -- \"$cur\")) ;;\n";
  }
  text += "    ' '*) COMPREPLY=($(compgen -W " + in_quotes(joined(command_names(table))) + " -- \"$cur\")) ;;\n";
  text += "    *) _lemore_files ;;\n  esac\n}\ncomplete -F _lemore lemore\n";
  return text;
}

std::string zsh_completion(const std::vector<CommandEntry>& table) {
  std::string text =
      "#compdef lemore\n"
      "# zsh completion for lemore; written by `lemore generate zsh`\n"
      "_lemore() {\n"
      "  local context state state_descr line\n"
      "  typeset -A opt_args\n"
      "  _arguments -C \\\n" +
      zsh_specs(table.front(), "    ");
  text.insert(text.size() - 1, " \\\n    '1:command:->command' \\\n    '*::argument:->argument'");
  text += "  case $state in\n    command)\n      local -a commands=(\n";
  for (std::size_t i = 1; i < table.size(); ++i)
    text += "        " + in_quotes(table[i].name + ":" + zsh_text(table[i].description)) + "\n";
  text += "      )\n      _describe command commands ;;\n    argument)\n      case $words[1] in\n";
  for (std::size_t i = 1; i < table.size(); ++i)
    text += "        " + table[i].name + ")\n          _arguments \\\n" + zsh_specs(table[i], "            ") +
            "          ;;\n";
  text += "      esac ;;\n  esac\n}\n_lemore \"$@\"\n";
  return text;
}

}  // namespace lemore::cli
