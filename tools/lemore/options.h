#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "lemore/compute.h"
#include "lemore/image.h"
#include "lemore/model.h"
#include "lemore/session.h"
#include "lemore/status.h"

namespace lemore::cli {

/// -t/--threads and --isa, which every command that computes has.
void add_compute_options(CLI::App& command, ComputeOptions& options);

/// `given` with an ISA: --isa, else LEMORE_ISA, else the best. Errors: unsupported for a wrong LEMORE_ISA.
Result<ComputeOptions> compute_options(const ComputeOptions& given);

/// A network at one size, as `info` and `bench` look at it.
struct NetworkOptions {
  std::string model, size;
  bool layers = false, json = false;
  ComputeOptions compute;
};
/// --size, --layers, --json and the compute options; MODEL's place differs. `layers` is what --layers does.
void add_network_options(CLI::App& command, NetworkOptions& options, const char* layers);
/// Size, threads and ISA. Errors: invalid_argument naming the option; those of compute_options.
Result<SessionOptions> session_options(const NetworkOptions& options);

/// Exit code of a status of compute_options and other checks of the command line: usage for invalid_argument.
int fail_option(const Status& status);

/// "512x1024" (height x width) or "512" (a square). Errors: invalid_argument naming the option.
Result<Size> parse_size(const std::string& option, const std::string& text);
/// "512x1024".
std::string to_text(Size size);

/// A check for numbers within low..high, the ends included: "expected a whole number from 0 to 1024, got 'x'". T: int,
/// std::uint64_t, std::size_t or double.
template <typename T>
CLI::Validator between(T low, T high);

/// Takes these words only, separated by spaces, and lets the shell complete them: "expected auto, plain or none".
void choose_from(CLI::Option& option, const std::string& words);

/// "portable avx2".
std::string joined_with_spaces(const std::vector<std::string>& words);

/// Says that the shell may complete a value of `option` to these words, separated by spaces.
void complete_with(CLI::Option& option, const std::string& words);
/// What complete_with or choose_from was told, or nothing.
std::string completion_words(CLI::Option& option);

/// Loads a model. Errors name the path and, where that can be guessed, what was meant: another file beside it, one in
/// the folder, or `picture_argument` (the argument that pictures are given as) where the file is a picture.
Result<Model> load_model(const std::string& path, const LoadOptions& options = {},
                         const char* picture_argument = nullptr);

/// "1 thread", "2 threads".
std::string thread_count(int threads);

/// "12345678" as "12,345,678".
std::string with_commas(std::uint64_t value);
/// "1 image", "1,200 images".
std::string counted(std::uint64_t count, const char* what);

// Each command adds itself and, when it is the one that is called, sets `exit_code`.
void add_run_command(CLI::App& app, int& exit_code);
void add_info_command(CLI::App& app, int& exit_code);
void add_compare_command(CLI::App& app, int& exit_code);
void add_eval_command(CLI::App& app, int& exit_code);
void add_embed_command(CLI::App& app, int& exit_code);
void add_generate_command(CLI::App& app, int& exit_code);
void add_bench_command(CLI::App& app, int& exit_code);

}  // namespace lemore::cli
