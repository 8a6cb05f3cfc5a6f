#include "generate/man_page.h"

#include <sstream>
#include <string_view>

#include "version.h"

namespace lemore::cli {

namespace {

/// Text for troff: every character is printed as it stands, none is a request or an escape.
std::string roff(std::string_view text) {
  std::string out;
  bool is_line_start = true;
  for (const char c : text) {
    if (is_line_start && (c == '.' || c == '\'')) out += "\\&";
    is_line_start = c == '\n';
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '"':
        out += "\\(dq";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

/// "\fB-m\fR, \fB--model\fR \fIMODEL\fR".
std::string heading(const OptionEntry& option) {
  std::string text;
  for (const std::string& name : option.names) {
    if (!text.empty()) text += ", ";
    text += (option.is_positional ? "\\fI" : "\\fB") + roff(name) + "\\fR";
  }
  if (option.is_list) text += "...";
  if (option.takes_value && !option.is_positional) {
    const std::string value = "\\fI" + roff(option.value) + "\\fR";
    text += option.is_value_optional ? " [" + value + "]" : " " + value;
  }
  return text;
}

void add_options(std::string& page, const CommandEntry& command) {
  for (const bool positional : {true, false}) {
    for (const OptionEntry& option : command.options) {
      if (option.is_positional != positional) continue;
      page += ".TP\n" + heading(option) + "\n" + roff(option.description) + (option.is_required ? " (required)" : "") +
              ".\n";
    }
  }
}

/// Lines as they stand; blank ones become space between paragraphs.
void add_lines(std::string& page, const std::string& text) {
  std::istringstream lines(text);
  bool is_open = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() == is_open) page += is_open ? ".EE\n" : ".PP\n.EX\n";
    is_open = !line.empty();
    if (is_open) page += roff(line) + "\n";
  }
  if (is_open) page += ".EE\n";
}

}  // namespace

std::string man_page(const std::vector<CommandEntry>& table) {
  const CommandEntry& program = table.front();
  const std::string name = roff(program.name);
  std::string page = ".TH " + upper(name) + " 1 \"\" \"" + name + " " + roff(k_version) + "\" \"User Commands\"\n";
  page += ".SH NAME\n" + name + " \\- " + roff(program.description) + "\n.SH SYNOPSIS\n";
  for (std::size_t i = 1; i < table.size(); ++i) {
    page += (i > 1 ? ".br\n" : "") + (".B " + name + " ") + roff(table[i].name) + "\n";
    for (const OptionEntry& option : table[i].options)
      if (option.is_required && !option.is_positional)
        page += "\\fB" + roff(option.names.front()) + "\\fR \\fI" + roff(option.value) + "\\fR\n";
    page += "[\\fIOPTIONS\\fR]\n";
    for (const OptionEntry& option : table[i].options) {
      if (!option.is_positional) continue;
      page += option.is_required ? heading(option) + "\n" : "[" + heading(option) + "]\n";
    }
  }
  page += ".SH OPTIONS\n";
  add_options(page, program);
  page += ".SH COMMANDS\n";
  for (std::size_t i = 1; i < table.size(); ++i) {
    page += ".SS " + name + " " + roff(table[i].name) + "\n" + roff(table[i].description) + ".\n";
    add_options(page, table[i]);
    add_lines(page, table[i].footer);
  }
  page += ".SH NOTES\n";
  std::istringstream notes(program.footer);
  const char* between = "";
  for (std::string line; std::getline(notes, line); between = ".PP\n") page += between + roff(line) + "\n";
  return page;
}

}  // namespace lemore::cli
