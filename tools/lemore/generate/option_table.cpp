#include "generate/option_table.h"

#include <sstream>
#include <string_view>

#include "options.h"

namespace lemore::cli {

namespace {

/// Placeholders name what they stand for; those of numbers and sizes complete to nothing.
ValueKind kind_of(const std::string& placeholder, bool is_positional) {
  if (placeholder == "DIR") return ValueKind::folder;
  const auto starts = [&](std::string_view text) { return placeholder.rfind(text, 0) == 0; };
  const bool is_file = is_positional || starts("MODEL") || starts("OUT") || starts("FILE") || starts("DUMP");
  return is_file ? ValueKind::file : ValueKind::none;
}

OptionEntry entry(CLI::Option& option) {
  OptionEntry e;
  e.is_positional = option.get_positional();
  for (const std::string& name : option.get_snames()) e.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) e.names.push_back("--" + name);
  if (e.is_positional) e.names = {option.get_name(true)};
  e.takes_value = option.get_items_expected_max() > 0;
  e.is_value_optional = option.get_items_expected_min() == 0;
  e.is_list = e.is_positional && option.get_items_expected_max() > 1;
  if (e.takes_value) e.value = option.get_type_name();
  e.description = option.get_description();
  e.is_required = option.get_required();
  std::istringstream words(completion_words(option));
  for (std::string word; words >> word;) e.words.push_back(word);
  if (e.takes_value) e.kind = e.words.empty() ? kind_of(e.value, e.is_positional) : ValueKind::words;
  return e;
}

CommandEntry command(CLI::App& app) {
  CommandEntry c{app.get_name(), app.get_description(), app.get_footer(), {}};
  for (CLI::Option* option : app.get_options([](const CLI::Option* o) { return !o->get_group().empty(); }))
    c.options.push_back(entry(*option));
  return c;
}

}  // namespace

std::vector<CommandEntry> option_table(CLI::App& app) {
  std::vector<CommandEntry> table{command(app)};
  for (CLI::App* sub : app.get_subcommands([](const CLI::App* a) { return !a->get_group().empty(); }))
    table.push_back(command(*sub));
  return table;
}

}  // namespace lemore::cli
