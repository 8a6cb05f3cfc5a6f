#include "options.h"

#include <charconv>
#include <string_view>

#include "report.h"

namespace lemore::cli {

void add_compute_options(CLI::App& command, ComputeOptions& options) {
  command.add_option("-t,--threads", options.threads, "Threads of the network; 0: the cores this process may use")
      ->check(CLI::Range(0, 1024).description(""))
      ->type_name("N");
  complete_with(*command
                     .add_option("--isa", options.isa,
                                 "Instruction set: portable, avx2, avx512 or neon; default: the best (or LEMORE_ISA)")
                     ->type_name("NAME"),
                "portable avx2 avx512 neon");
}

Result<Isa> chosen_isa(const ComputeOptions& options) {
  if (options.isa.empty()) return default_isa();
  Result<Isa> isa = parse_isa(options.isa);
  return isa.ok() ? isa : Result<Isa>(Status(StatusCode::invalid_argument, "--isa: " + isa.status().message()));
}

void add_network_options(CLI::App& command, NetworkOptions& options, const char* layers) {
  command.add_option("--size", options.size, "Input height and width; default: what it was trained for")
      ->type_name("HxW");
  command.add_flag("--layers", options.layers, layers);
  add_compute_options(command, options.compute);
  command.add_flag("--json", options.json, "Print JSON");
}

Result<SessionOptions> session_options(const NetworkOptions& options) {
  SessionOptions session;
  if (!options.size.empty()) {
    const Result<Size> size = parse_size("--size", options.size);
    if (!size.ok()) return size.status();
    session.size = *size;
  }
  const Result<Isa> isa = chosen_isa(options.compute);
  if (!isa.ok()) return isa.status();
  session.isa = *isa;
  session.threads = options.compute.threads;
  return session;
}

int fail_option(const Status& status) {
  return status.code() == StatusCode::invalid_argument ? fail_usage(status.message()) : fail(status);
}

Result<Size> parse_size(const std::string& option, const std::string& text) {
  const auto number = [](std::string_view part, int& value) {
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc() && end == part.data() + part.size() && value > 0;
  };
  const std::string_view all = text;
  const std::size_t x = all.find_first_of("xX");
  Size size;
  if (number(all.substr(0, x), size.height) &&
      (x == std::string_view::npos ? (size.width = size.height) > 0 : number(all.substr(x + 1), size.width))) {
    return size;
  }
  return Status(StatusCode::invalid_argument,
                option + ": expected HEIGHTxWIDTH, for instance 512x1024, got '" + text + "'");
}

std::string to_text(Size size) { return std::to_string(size.height) + "x" + std::to_string(size.width); }

// An inactive validator checks nothing and does not show in the help: it carries the words in its description.
void complete_with(CLI::Option& option, const std::string& words) {
  option.check(CLI::Validator(words).name("completion").active(false));
}

std::string completion_words(CLI::Option& option) {
  try {
    CLI::Validator words = *option.get_validator("completion");
    return words.active(true).get_description();
  } catch (const CLI::OptionNotFound&) {
    return "";
  }
}

Result<Model> load_model(const std::string& path, const LoadOptions& options) {
  Result<Model> model = Model::load(path, options);
  return model.ok() ? std::move(model) : Result<Model>(about(path, model.status()));
}

std::string with_commas(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

}  // namespace lemore::cli
