#include "eval/evaluation.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "memory_budget.h"
#include "report.h"
#include "start_thread.h"

namespace lemore::cli {

namespace {

/// What a pair takes while it is evaluated: three bytes of photo, as much again while it is turned upright, annotation
/// and prediction.
constexpr std::uint64_t k_bytes_a_pixel = 8;

/// What is kept of a pair until those before it are settled.
struct Record {
  Status status;
  std::string warning;  // about the image file
  std::optional<double> miou;
};

/// What the threads share, under one mutex.
class Collector {
 public:
  Collector(const std::vector<Pair>& pairs, std::size_t classes, bool keep_going, std::size_t worst, Progress& progress)
      : pairs_(pairs), keep_going_(keep_going), worst_(worst), progress_(progress), end_(pairs.size()) {
    result_.emplace(Evaluation{Confusion(classes), 0, 0, {}});
  }

  /// The place of the next pair, or nothing when all are taken.
  std::optional<std::size_t> take() {
    const std::lock_guard lock(mutex_);
    if (next_ >= end_) return std::nullopt;
    return next_++;
  }

  void settle(std::size_t place, const Status& status, const Evaluator& evaluator) {
    const Confusion& counts = evaluator.counts();
    Record record{status, std::string(), std::nullopt};
    if (status.ok()) record = {status, evaluator.photo().warning, scores_of(counts).miou};
    const std::lock_guard lock(mutex_);
    if (status.ok()) result_->counts.add(counts);
    // Those before it were taken before it and will be settled: the first failure in order is always told.
    if (!status.ok() && !keep_going_) end_ = std::min(end_, place);
    settled_.emplace(place, std::move(record));
    for (auto at = settled_.begin(); at != settled_.end() && at->first == next_to_report_; at = settled_.erase(at)) {
      report(at->second);
    }
  }

  Evaluation finish() {
    progress_.clear();
    return std::move(*result_);
  }

 private:
  void report(const Record& record) {
    const std::size_t place = next_to_report_++;
    if (!keep_going_ && result_->failed > 0) return;
    char note[32] = "no labelled pixel";
    if (!record.status.ok()) {
      ++result_->failed;
      progress_.clear();
      print_error(record.status.message());
      std::snprintf(note, sizeof(note), "failed");
    } else {
      ++result_->images;
    }
    if (!record.warning.empty()) {
      progress_.clear();
      print_warning(pairs_[place].image, record.warning);
    }
    if (record.miou) {
      std::snprintf(note, sizeof(note), "mIoU %.4f", *record.miou);
      keep_worst({place, *record.miou});
    }
    progress_.step(pairs_[place].image, note);
  }

  void keep_worst(const ImageScore& score) {
    std::vector<ImageScore>& list = result_->worst;
    const auto is_worse = [](const ImageScore& a, const ImageScore& b) {
      return std::tie(a.miou, a.place) < std::tie(b.miou, b.place);
    };
    list.insert(std::upper_bound(list.begin(), list.end(), score, is_worse), score);
    if (list.size() > worst_) list.pop_back();
  }

  const std::vector<Pair>& pairs_;
  const bool keep_going_;
  const std::size_t worst_;
  Progress& progress_;
  std::mutex mutex_;
  std::size_t next_ = 0, next_to_report_ = 0, end_;
  std::map<std::size_t, Record> settled_;
  std::optional<Evaluation> result_;
};

}  // namespace

Evaluation evaluate(const std::vector<Pair>& pairs, std::vector<Evaluator>& evaluators, bool keep_going,
                    std::size_t worst, Progress& progress, std::uint64_t memory_bytes) {
  MemoryBudget budget(memory_bytes);
  const std::uint64_t keep = kept_bytes(memory_bytes, evaluators.size());
  Collector collector(pairs, evaluators.front().counts().classes(), keep_going, worst, progress);
  const auto work = [&](Evaluator& evaluator) {
    std::uint64_t held = 0;
    evaluator.set_admission([&](std::uint64_t pixels) {
      if (held != 0) return Status();  // the annotation, which is counted with its photo
      held = std::max<std::uint64_t>(pixels, 1) * k_bytes_a_pixel;
      budget.take(held);
      return Status();
    });
    while (const std::optional<std::size_t> place = collector.take()) {
      const Pair& pair = pairs[*place];
      const Status status = guarded([&] { return evaluator.evaluate(pair); });
      const bool is_nameless = status.code() == StatusCode::out_of_memory;  // the others name the file at fault
      collector.settle(*place, is_nameless ? about(pair.image, status) : status, evaluator);
      if (held > keep) evaluator.release_memory();
      budget.give_back(held);
      held = 0;
    }
    evaluator.set_admission({});
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < evaluators.size(); ++i) {
    if (!start_thread(threads, [&, i] { work(evaluators[i]); })) break;  // the others take the pairs
  }
  work(evaluators.front());
  for (std::thread& thread : threads) thread.join();
  return collector.finish();
}

std::vector<int> divide_threads(int threads, int jobs) {
  std::vector<int> shares;
  for (int i = 0; i < jobs; ++i) shares.push_back(std::max(1, threads / jobs + (i < threads % jobs ? 1 : 0)));
  return shares;
}

}  // namespace lemore::cli
