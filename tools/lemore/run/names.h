#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "run/inputs.h"

namespace lemore::cli {

/// Takes out inputs that are the same file by name as one before ("a.png" and "./a.png"); returns those taken out.
std::vector<std::string> remove_repeats(std::vector<Input>& inputs);

/// Gives each input the name of its outputs (Input::name), no two the same:
///
///   its path below the folder that was given, or its bare file name, without a picture's ending;
///   inputs that would have the same name and differ by their endings keep them: a.jpg.labels.png, a.png.labels.png;
///   inputs of the same name from different folders go to sub-folders, named after those below the folder that they
///   have in common: x/a.png and y/a.png become x/a.labels.png and y/a.labels.png.
///
/// The names depend on the set of inputs alone, so they are given before the inputs are divided into shards. Requires
/// inputs without repeats.
void name_outputs(std::vector<Input>& inputs);

}  // namespace lemore::cli
