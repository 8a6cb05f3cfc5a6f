#include "options.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <type_traits>
#include <vector>

#include "report.h"
#include "suggest.h"

namespace lemore::cli {

namespace fs = std::filesystem;

void add_compute_options(CLI::App& command, ComputeOptions& options) {
  command
      .add_option("-t,--threads", options.threads,
                  "Threads of the network; default: 0, as many as the cores this process may use")
      ->check(between(0, 1024))
      ->type_name("N");
  std::vector<std::string> names;
  for (const Isa isa : built_isas()) names.push_back(isa_name(isa));
  CLI::Option* option = command.add_option_function<std::string>(
      "--isa", [&options](const std::string& name) { options.isa = *parse_isa(name); },
      "Instruction set: " + joined_with_or(names) + "; default: the best (or LEMORE_ISA)");
  option->type_name("NAME")->check(CLI::Validator(
      [](const std::string& name) { return name.empty() ? std::string() : parse_isa(name).status().message(); }, ""));
  complete_with(*option, joined_with_spaces(names));
}

Result<ComputeOptions> compute_options(const ComputeOptions& given) {
  ComputeOptions options = given;
  if (options.isa) return options;
  const Result<Isa> isa = default_isa();
  if (!isa.ok()) return isa.status();
  options.isa = *isa;
  return options;
}

void add_network_options(CLI::App& command, NetworkOptions& options, const char* layers) {
  command.add_option("--size", options.size, "Input height and width; default: what it was trained for")
      ->type_name("HxW");
  command.add_flag("--layers", options.layers, layers);
  add_compute_options(command, options.compute);
  command.add_flag("--json", options.json, "Print JSON");
}

Result<SessionOptions> session_options(const NetworkOptions& options) {
  const Result<ComputeOptions> compute = compute_options(options.compute);
  if (!compute.ok()) return compute.status();
  SessionOptions session(*compute);
  if (options.size.empty()) return session;
  const Result<Size> size = parse_size("--size", options.size);
  if (!size.ok()) return size.status();
  session.size = *size;
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

template <typename T>
CLI::Validator between(T low, T high) {
  return CLI::Validator(
      [low, high](const std::string& text) {
        T value{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high)
          return std::string();
        std::ostringstream sentence;
        sentence << "expected a " << (std::is_integral_v<T> ? "whole " : "") << "number from " << low << " to " << high
                 << ", got '" << text << "'";
        return sentence.str();
      },
      "");
}
template CLI::Validator between(int, int);
template CLI::Validator between(unsigned long, unsigned long);
template CLI::Validator between(unsigned long long, unsigned long long);
template CLI::Validator between(double, double);

void choose_from(CLI::Option& option, const std::string& words) {
  std::istringstream stream(words);
  std::vector<std::string> known;
  for (std::string word; stream >> word;) known.push_back(word);
  option.check(CLI::Validator(
      [known](const std::string& text) {
        if (std::find(known.begin(), known.end(), text) != known.end()) return std::string();
        return "expected " + joined_with_or(known) + ", got '" + text + "'" + did_you_mean(text, known);
      },
      ""));
  complete_with(option, words);
}

std::string joined_with_spaces(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

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

namespace {

/// More files in a folder are not looked at for a guess.
constexpr int k_max_looked_at = 1000;

/// Names of the weight files in a folder, sorted; none where it cannot be read.
std::vector<std::string> weight_files(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  int seen = 0;
  for (fs::directory_iterator at(folder.empty() ? "." : folder, error), end;
       !error && at != end && seen < k_max_looked_at; at.increment(error), ++seen) {
    if (at->path().extension() == ".safetensors") names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// What may have been meant by a path that is not a model, as the end of a sentence; empty without a guess.
std::string model_hint(const fs::path& path, const std::string& message, const char* picture_argument) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    if (fs::exists(path / "config.json", error))
      return "; if it is a Hugging Face model, convert it with tools/convert.py";
    const std::vector<std::string> names = weight_files(path);
    return names.empty() ? "" : "; did you mean " + (path / names.front()).string() + "?";
  }
  if (!fs::exists(path, error)) {
    const std::string near = nearest(path.filename().string(), weight_files(path.parent_path()));
    return near.empty() ? "" : "; did you mean " + (path.parent_path() / near).string() + "?";
  }
  constexpr std::string_view k_picture = " picture";
  const bool is_picture = message.size() > k_picture.size() &&
                          message.compare(message.size() - k_picture.size(), k_picture.size(), k_picture) == 0;
  return is_picture && picture_argument != nullptr ? std::string("; did you mean it as ") + picture_argument + "?" : "";
}

}  // namespace

Result<Model> load_model(const std::string& path, const LoadOptions& options, const char* picture_argument) {
  Result<Model> model = Model::load(path, options);
  if (model.ok()) return model;
  const Status status = about(path, model.status());
  return Status(status.code(), status.message() + model_hint(path, status.message(), picture_argument));
}

std::string thread_count(int threads) { return std::to_string(threads) + (threads == 1 ? " thread" : " threads"); }

std::string with_commas(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string counted(std::uint64_t count, const char* what) {
  return with_commas(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace lemore::cli
