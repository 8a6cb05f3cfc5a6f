#include "run/pipeline.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "file_io.h"
#include "report.h"

namespace lemore::cli {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// What is kept of a job until those before it are settled.
struct Record {
  Status status;
  bool is_skipped = false;
  Size size;
  std::string warning;  // about the image file
  JobTimes times;
};

}  // namespace

/// All that the threads share, under one mutex; jobs belong to whoever took them out of a queue.
struct Pipeline::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::unique_ptr<Job>> jobs;
  std::vector<Job*> free_jobs;
  std::map<std::size_t, Job*> decoded;  // by place: the network takes them in order
  std::deque<Job*> to_write;
  std::map<std::size_t, Record> settled;  // waiting for those before them
  std::size_t next_to_decode = 0, next_to_report = 0;
  std::size_t end = 0;        // places from here on are not begun
  bool is_abandoned = false;  // a failure ends the run: what is under way is dropped
  bool is_network_done = false;
  RunSummary summary;
};

Pipeline::Pipeline(const std::vector<Input>& inputs, const OutputNames& names, const OutputKinds& kinds,
                   const PipelineOptions& options, Engine& engine, const Writer& writer, Progress& progress,
                   Manifest* manifest, const std::atomic<bool>& stop)
    : inputs_(inputs),
      names_(names),
      kinds_(kinds),
      options_(options),
      engine_(engine),
      writer_(writer),
      progress_(progress),
      manifest_(manifest),
      stop_(stop),
      state_(std::make_unique<State>()) {}

Pipeline::~Pipeline() = default;

bool Pipeline::is_finished(const std::string& stem) const {
  const std::vector<OutputKind> kinds = kinds_.list();
  return !names_.is_stdout() && std::all_of(kinds.begin(), kinds.end(),
                                            [&](OutputKind kind) { return is_complete_file(names_.path(stem, kind)); });
}

Status Pipeline::decode(Job& job) const {
  const Input& input = inputs_[job.place];
  const auto start = Clock::now();
  if (const Status status = read_file(input.path, job.file, k_max_image_file_bytes); !status.ok()) return status;
  job.file_bytes = job.file.size();
  job.format = sniff_format(job.file.data(), job.file.size()).name;
  const Status status = decode_image(job.file.data(), job.file.size(), options_.limits, job.image, job.scratch);
  job.times.decode = milliseconds_since(start);
  return about(input.path == "-" ? "standard input" : input.path, status);
}

void Pipeline::decode_loop() {
  State& s = *state_;
  for (;;) {
    Job* job = nullptr;
    {
      std::unique_lock lock(s.mutex);
      s.changed.wait(lock, [&] { return s.is_abandoned || s.next_to_decode >= s.end || !s.free_jobs.empty(); });
      if (stop_.load() && s.end > s.next_to_decode) {
        s.end = s.next_to_decode;
        s.summary.was_interrupted = true;
        s.changed.notify_all();
      }
      if (s.is_abandoned || s.next_to_decode >= s.end) return;
      job = s.free_jobs.back();
      s.free_jobs.pop_back();
      job->place = s.next_to_decode++;
    }
    job->times = JobTimes();
    job->is_skipped = false;
    job->status = guarded([&] {
      if (options_.resume && is_finished(names_.stem(inputs_[job->place].relative))) {
        job->is_skipped = true;
        return Status();
      }
      return decode(*job);
    });
    const std::lock_guard lock(s.mutex);
    s.decoded.emplace(job->place, job);
    s.changed.notify_all();
  }
}

void Pipeline::network_loop() {
  State& s = *state_;
  for (std::size_t place = 0;; ++place) {
    Job* job = nullptr;
    {
      std::unique_lock lock(s.mutex);
      s.changed.wait(lock, [&] { return s.is_abandoned || place >= s.end || s.decoded.count(place) != 0; });
      if (s.is_abandoned || place >= s.end) break;
      job = s.decoded[place];
      s.decoded.erase(place);
    }
    if (job->status.ok() && !job->is_skipped) {
      const Status status = guarded([&] { return engine_.run(*job); });
      job->status = about(inputs_[job->place].path, status);
    }
    const std::lock_guard lock(s.mutex);
    s.to_write.push_back(job);
    s.changed.notify_all();
  }
  const std::lock_guard lock(s.mutex);
  s.is_network_done = true;
  s.changed.notify_all();
}

void Pipeline::write_loop() {
  State& s = *state_;
  for (;;) {
    Job* job = nullptr;
    {
      std::unique_lock lock(s.mutex);
      s.changed.wait(lock, [&] { return s.is_abandoned || s.is_network_done || !s.to_write.empty(); });
      if (s.is_abandoned || s.to_write.empty()) return;
      job = s.to_write.front();
      s.to_write.pop_front();
    }
    if (job->status.ok() && !job->is_skipped) {
      const Input& input = inputs_[job->place];
      job->status = guarded([&] { return writer_.write(*job, input.path, names_, names_.stem(input.relative)); });
    }
    const std::lock_guard lock(s.mutex);
    settle(*job);
    s.changed.notify_all();
  }
}

/// Under the mutex: the job is done with, one way or the other, and free for another image.
void Pipeline::settle(Job& job) {
  State& s = *state_;
  const bool is_read = job.status.ok() && !job.is_skipped;
  std::string warning = is_read ? job.image.warning : std::string();
  s.settled.emplace(job.place, Record{job.status, job.is_skipped, job.image.size, std::move(warning), job.times});
  s.free_jobs.push_back(&job);
  while (!s.is_abandoned && s.settled.count(s.next_to_report) != 0) report_next();
}

/// Under the mutex: counts, tells and records the next image in order.
void Pipeline::report_next() {
  State& s = *state_;
  const Record record = std::move(s.settled.at(s.next_to_report));
  s.settled.erase(s.next_to_report);
  const Input& input = inputs_[s.next_to_report++];
  const bool has_failed = !record.status.ok();
  s.summary.times += record.times;
  ++(has_failed ? s.summary.failed : record.is_skipped ? s.summary.skipped : s.summary.done);

  if (has_failed) {
    progress_.clear();
    print_error(about(input.path == "-" ? "standard input" : input.path, record.status).message());
  }
  if (!record.warning.empty()) {
    progress_.clear();
    print_warning(input.path == "-" ? "standard input" : input.path, record.warning);
  }
  char note[64] = "failed";
  if (record.is_skipped) {
    std::snprintf(note, sizeof(note), "skipped, it is done");
  } else if (!has_failed) {
    std::snprintf(note, sizeof(note), "%.1f ms", record.times.prepare + record.times.network + record.times.labels);
  }
  progress_.step(input.path, note);

  if (manifest_ != nullptr && !(record.is_skipped && manifest_->has(input.path))) {
    nlohmann::ordered_json line = {{"input", input.path},
                                   {"status", has_failed          ? "failed"
                                              : record.is_skipped ? "skipped"
                                                                  : "ok"}};
    if (has_failed) {
      line["error"] = record.status.message();
    } else {
      line["outputs"] = nlohmann::ordered_json::array();
      const std::string stem = names_.stem(input.relative);
      for (const OutputKind kind : kinds_.list()) line["outputs"].push_back(names_.path(stem, kind));
    }
    if (!has_failed && !record.is_skipped) {
      line["width"] = record.size.width;
      line["height"] = record.size.height;
      if (!record.warning.empty()) line["warning"] = record.warning;
      line["times_ms"] = {{"decode", record.times.decode},
                          {"prepare", record.times.prepare},
                          {"network", record.times.network},
                          {"labels", record.times.labels},
                          {"encode", record.times.encode}};
    }
    const Status status = manifest_->write(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    if (!status.ok()) {
      s.summary.fatal = status;
      s.is_abandoned = true;
    }
  }
  if (has_failed && !options_.keep_going) s.is_abandoned = true;
}

RunSummary Pipeline::run() {
  State& s = *state_;
  const auto start = Clock::now();
  s.end = inputs_.size();
  if (inputs_.empty()) return s.summary;  // a shard of few images may be empty
  const auto helpers = static_cast<std::size_t>(
      std::clamp(options_.helpers, 1, static_cast<int>(std::min<std::size_t>(inputs_.size(), 8))));
  // One job each for the decoding and writing threads, one in the network, one ready for it.
  const std::size_t jobs = std::min(inputs_.size(), 2 * helpers + 2);
  for (std::size_t i = 0; i < jobs; ++i) {
    s.jobs.push_back(std::make_unique<Job>());
    s.free_jobs.push_back(s.jobs.back().get());
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < helpers; ++i) {
    threads.emplace_back([this] { decode_loop(); });
    threads.emplace_back([this] { write_loop(); });
  }
  network_loop();
  for (std::thread& thread : threads) thread.join();
  progress_.clear();
  s.summary.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return s.summary;
}

}  // namespace lemore::cli
