#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "lemore/cpu.h"
#include "options.h"
#include "report.h"
#include "suggest.h"
#include "usage.h"
#include "version.h"

namespace {

using namespace lemore;

std::string joined(const std::vector<Isa>& isas) {
  std::string text;
  for (const Isa isa : isas) text += (text.empty() ? "" : " ") + std::string(isa_name(isa));
  return text;
}

std::string version_text() {
  const Result<Isa> chosen = default_isa();
  return "lemore " + std::string(cli::k_version) + " (git " + cli::k_git_hash + ")\n" +  //
         "compiler: " + cli::k_compiler + "\n" +                                         //
         "ISAs built: " + joined(built_isas()) + "\n" +                                  //
         "ISAs of this CPU: " + joined(supported_isas()) + "\n" +                        //
         "ISA chosen: " + (chosen.ok() ? isa_name(*chosen) : "none (" + chosen.status().message() + ")");
}

int print(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const Status status = cli::write_stdout(text + "\n");
  return status.ok() ? cli::k_exit_ok : cli::fail(status);
}

/// The help of `command`, or of the program where it is null.
int print_help(const CLI::App& app, const CLI::App* command) {
  // App::help would give the help of the command that was parsed.
  return print(command == nullptr ? app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal)
                                  : command->help("lemore"));
}

void add_help_command(CLI::App& app, int& exit_code) {
  auto topic = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("help", "The help of a command, as lemore COMMAND --help prints it");
  CLI::Option* option = command->add_option("COMMAND", *topic, "One of the commands")->type_name("");
  command->callback([topic, option, &app, &exit_code] {
    if (option->count() == 0) {
      exit_code = print_help(app, nullptr);
      return;
    }
    std::vector<std::string> names;
    for (const CLI::App* a : app.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(a->get_name());
      if (a->get_name() != *topic) continue;
      exit_code = print_help(app, a);
      return;
    }
    exit_code =
        cli::fail_usage("unknown command '" + *topic + "'" + cli::did_you_mean(*topic, names) + " (see lemore --help)");
  });
}

/// Help and version go to stdout; anything else is one line on stderr.
int report_parse_error(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words) {
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::Success))
    return cli::fail_usage(cli::explain_parse_error(app, error, words));
  if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) return print(version_text());
  const auto called = app.get_subcommands();
  return print_help(app, called.empty() ? nullptr : called.front());
}

/// An empty value ("$UNSET" in a script) is told by the option's name, not as a file without a name.
void refuse_empty_values(CLI::App& app) {
  const CLI::Validator has_text(
      [](const std::string& value) { return value.empty() ? std::string("expected a value, got an empty text") : ""; },
      "");
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    for (CLI::Option* option : command->get_options()) {
      if (option->get_items_expected_min() > 0) option->check(has_text);
    }
  }
}

/// Standard streams that were closed (`lemore ... >&-`) are opened, so that no other file gets their numbers: an image
/// could be written over by a message. Each is opened the wrong way round, so that using it is still an error.
void open_closed_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // gets the lowest free number, this one
  }
}

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write, told like any other
  ::signal(SIGXFSZ, SIG_IGN);  // so is a file beyond ulimit -f
  int exit_code = cli::k_exit_ok;
  CLI::App app("Semantic segmentation on a CPU: photographs to label maps", "lemore");
  app.footer(
      "`lemore COMMAND --help` (or `lemore help COMMAND`) has the options and examples of a command.\n"
      "Environment: LEMORE_ISA (as --isa), NO_COLOR. Exit codes: 0 ok, 1 failure or mismatch, 2 usage, 3 some inputs "
      "failed.");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  cli::add_run_command(app, exit_code);
  cli::add_info_command(app, exit_code);
  cli::add_compare_command(app, exit_code);
  cli::add_eval_command(app, exit_code);
  cli::add_bench_command(app, exit_code);
  cli::add_embed_command(app, exit_code);
  cli::add_generate_command(app, exit_code);
  add_help_command(app, exit_code);
  refuse_empty_values(app);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (const std::string wrong = cli::explain_single_dash(app, words); !wrong.empty()) return cli::fail_usage(wrong);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, error, words);
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  open_closed_streams();
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    cli::print_error("out of memory");
  } catch (const std::exception& error) {
    cli::print_error(error.what());
  }
  return cli::k_exit_failure;
}
