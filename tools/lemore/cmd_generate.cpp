#include <memory>
#include <string>

#include "generate/completion.h"
#include "generate/man_page.h"
#include "generate/option_table.h"
#include "options.h"
#include "report.h"

namespace lemore::cli {

void add_generate_command(CLI::App& app, int& exit_code) {
  auto what = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("generate", "Print the man page or a shell's completion script");
  command->group("");  // for packagers: not in the help
  choose_from(*command->add_option("WHAT", *what, "man, bash or zsh")->required()->type_name(""), "man bash zsh");
  command->callback([what, &app, &exit_code] {
    const auto table = option_table(app);
    const std::string text = *what == "man"    ? man_page(table)
                             : *what == "bash" ? bash_completion(table)
                                               : zsh_completion(table);
    const Status status = write_stdout(text);
    exit_code = status.ok() ? k_exit_ok : fail(status);
  });
}

}  // namespace lemore::cli
