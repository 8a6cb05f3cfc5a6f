#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "eval/confusion.h"
#include "eval/evaluator.h"
#include "eval/pairs.h"
#include "progress.h"

namespace lemore::cli {

struct ImageScore {
  std::size_t place = 0;  ///< in the list of pairs
  double miou = 0;        ///< over the classes in truth or prediction of this image
};

/// The result of a set of pairs.
struct Evaluation {
  Confusion counts;
  std::size_t images = 0, failed = 0;
  std::vector<ImageScore> worst;  ///< lowest mIoU first; images without a labelled pixel are not among them
};

/// Evaluates all pairs, as many at a time as there are evaluators, each on a thread of its own, and adds up their
/// counts. Where the system starts no more threads, those there are do all the work.
///
/// Order     progress and messages come in the order of the pairs, and the result is the same for any number of
///           evaluators
/// Failure   is told as "lemore: FILE: what is wrong"; without keep_going the first one, in order, ends the evaluation
/// Memory    images are let in while their bytes are below `memory_bytes` together, and always one
/// Requires  at least one evaluator
Evaluation evaluate(const std::vector<Pair>& pairs, std::vector<Evaluator>& evaluators, bool keep_going,
                    std::size_t worst, Progress& progress, std::uint64_t memory_bytes = UINT64_MAX);

/// Threads of each of `jobs` evaluators that share `threads`, at least one each.
std::vector<int> divide_threads(int threads, int jobs);

}  // namespace lemore::cli
