#include <signal.h>

#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "lemore/cpu.h"
#include "options.h"
#include "report.h"
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

/// Help and version go to stdout; anything else is one line on stderr.
int report_parse_error(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    std::string text;
    if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) {
      text = version_text();
    } else {
      const auto called = app.get_subcommands();
      text = (called.empty() ? &app : called.front())->help(called.empty() ? "" : "lemore");
    }
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const Status status = cli::write_stdout(text + "\n");
    return status.ok() ? cli::k_exit_ok : cli::fail(status);
  }
  const auto called = app.get_subcommands();
  const std::string help = called.empty() ? "lemore --help" : "lemore " + called.front()->get_name() + " --help";
  return cli::fail_usage(std::string(error.what()) + " (see " + help + ")");
}

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write, told like any other
  ::signal(SIGXFSZ, SIG_IGN);  // so is a file beyond ulimit -f
  int exit_code = cli::k_exit_ok;
  CLI::App app("Semantic segmentation on a CPU: photographs to label maps", "lemore");
  app.footer(
      "`lemore COMMAND --help` has the options and examples of a command.\n"
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, error);
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    cli::print_error("out of memory");
  } catch (const std::exception& error) {
    cli::print_error(error.what());
  }
  return cli::k_exit_failure;
}
