#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "embed/embedded.h"
#include "file_io.h"
#include "options.h"
#include "report.h"

namespace lemore::cli {

namespace {

struct EmbedOptions {
  std::string model, out, name = "lemore_model", machine;
};

constexpr const char* k_embed_examples = R"(Examples:
  lemore embed weights/lemore-camvid.safetensors -o model.h                     a C and C++ header
  lemore embed MODEL -o model.o --machine armv7 --name street_model             an object file for another processor

Both define NAME (an array of unsigned char, aligned to 64 bytes) and NAME_size (a size_t) for
lemore::Model::from_memory(NAME, NAME_size, false), or lemore_model_from_memory in C, which use the weights where they
lie. To use an object file, declare in C, or in C++ within extern "C":
  extern const unsigned char lemore_model[]; extern const size_t lemore_model_size;
A large model is linked as .o far more quickly than it is compiled as .h. Nothing is printed on success.)";

/// A header takes four times as many, which a 32-bit program must be able to address.
constexpr std::size_t k_max_bytes = sizeof(std::size_t) > 4 ? std::size_t{1} << 30 : std::size_t{1} << 28;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

int embed(const EmbedOptions& options) {
  const bool is_header = ends_with(options.out, ".h"), is_object = ends_with(options.out, ".o");
  if (!is_header && !is_object)
    return fail_usage("-o: expected a name that ends in .h or .o, got '" + options.out + "'");
  if (is_header && !options.machine.empty())
    return fail_usage("--machine goes with -o NAME.o; a header suits any processor");
  if (!is_identifier(options.name))
    return fail_usage("--name: expected a name that C and C++ take for a variable, got '" + options.name + "'");
  const Result<Machine> machine = machine_of(options.machine);
  if (is_object && !machine.ok()) return fail_usage(machine.status().message());

  std::vector<std::uint8_t> bytes;
  Status status = read_file(options.model, bytes, k_max_bytes);
  if (!status.ok()) return fail(status);
  const Result<Model> model = Model::from_memory(bytes.data(), bytes.size(), true, options.model);
  if (!model.ok()) return fail(about(options.model, model.status()));

  const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string what = "Written by lemore embed: " + one_line(options.model);
  if (!model->provenance().license.empty()) what += "; licence: " + one_line(model->provenance().license);
  const std::string text =
      is_header ? header_file(view, options.name, what) : object_file(view, options.name, *machine);
  status = write_file_atomic(options.out, text.data(), text.size());
  return status.ok() ? k_exit_ok : fail(status);
}

}  // namespace

void add_embed_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App* command =
      app.add_subcommand("embed", "A model as a C header or an object file, for programs without files");
  command->footer(k_embed_examples);
  command->add_option("MODEL", options->model, "Weight file (.safetensors)")->required()->type_name("");
  command->add_option("-o,--out", options->out, "Header (.h) or ELF object (.o)")->required()->type_name("OUT");
  command->add_option("--name", options->name, "Name of the array; default: lemore_model")->type_name("NAME");
  complete_with(*command
                     ->add_option("--machine", options->machine,
                                  "Processor the object is for: x86_64, aarch64 or armv7; default: this one")
                     ->type_name("NAME"),
                "x86_64 aarch64 armv7");
  command->callback([options, &exit_code] { exit_code = embed(*options); });
}

}  // namespace lemore::cli
