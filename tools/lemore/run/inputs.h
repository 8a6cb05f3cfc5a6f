#pragma once

#include <string>
#include <vector>

#include "lemore/status.h"

namespace lemore::cli {

/// One image to be read.
struct Input {
  std::string path;      ///< to open; "-" is standard input
  std::string relative;  ///< below the folder that was given, or the bare file name
  std::string name;      ///< what its outputs are called before their suffix; empty until name_outputs (run/names.h)
};

struct InputList {
  std::vector<Input> inputs;
  std::vector<std::string> passed_over;  ///< pipes, sockets and devices that were found: "x.png: a named pipe"
  bool single = false;  ///< one file or standard input, named as such on the command line: OUT may be a file
};

struct InputOptions {
  bool recursive = false;
  std::string out_folder;  ///< our own pictures below it are not inputs; may be empty
};

/// Whether a file of this name is taken for an image when a folder is searched.
bool has_image_ending(const std::string& name);
/// The path without such an ending; all other dots belong to the name ("frame.0001").
std::string without_image_ending(const std::string& path);

/// A note on stderr for each of the first few, and one for the rest. `passed_over` as in InputList.
void tell_passed_over(const std::vector<std::string>& passed_over);

/// Expands the inputs that the command line names:
///   FILE        that file
///   FOLDER      its images (names that end in a known image ending, not hidden), sorted; with `recursive` those of all
///               folders below too, their sub-folders kept in `relative`
///   'GLOB*'     what matches, sorted; folders among it as above
///   @LIST.txt   one path, folder or glob a line; empty lines and lines that begin with # are passed over, and so is a
///               byte order mark; "@-" reads the list from standard input
///   -           image bytes on standard input
/// A name that exists is that file even when it has a *, ? or [ in it. Pipes, sockets and devices are read when they
/// are named, and passed over when a folder or pattern turns them up. Whether files can be read shows when they are.
/// Errors    io_error, not_found (a pattern or folder without images). Messages name the argument.
Result<InputList> expand_inputs(const std::vector<std::string>& arguments, const InputOptions& options);

}  // namespace lemore::cli
