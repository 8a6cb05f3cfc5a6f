#include "run/pipeline.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <utility>

#include "file_io.h"
#include "memory_budget.h"
#include "report.h"
#include "run/resume.h"
#include "start_thread.h"
#include "stop.h"

namespace lemore::cli {

using Clock = std::chrono::steady_clock;

namespace {

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// How often the network's thread looks for a stop signal while it has nothing to do.
constexpr std::chrono::milliseconds k_look_for_stop{50};

/// How long decoding threads may take to notice a stop before they are left behind.
constexpr std::chrono::milliseconds k_patience_at_stop{500};

std::string shown_name(const Input& input) { return input.path == "-" ? "standard input" : input.path; }

}  // namespace

/// What is kept of a job until those before it are settled.
struct Record {
  Status status;
  bool is_skipped = false, is_again = false;
  Size size;
  std::string warning;  ///< about the image file
  std::optional<FileStamp> stamp;
  JobTimes times;
};

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
  std::size_t decoders = 0, writers = 0;  // threads that are running

  // Memory. Images are let in in order: the network waits for the first of them, which must not wait for a later one.
  std::uint64_t held_bytes = 0;
  std::size_t admitted = 0;       // jobs whose pixels are counted
  std::size_t next_to_admit = 0;  // the place whose turn it is
  std::set<std::size_t> passed;   // later places that need no turn: they failed or are skipped

  RunSummary summary;

  bool has_room(std::uint64_t bytes, std::uint64_t budget) const noexcept {
    return held_bytes <= budget && bytes <= budget - held_bytes;
  }
};

Pipeline::Pipeline(const std::vector<Input>& inputs, const OutputNames& names, const OutputKinds& kinds,
                   const PipelineOptions& options, Engine& engine, const Writer& writer, Progress& progress,
                   Manifest* manifest)
    : inputs_(inputs),
      names_(names),
      kinds_(kinds),
      options_(options),
      engine_(engine),
      writer_(writer),
      progress_(progress),
      manifest_(manifest),
      state_(std::make_unique<State>()) {}

Pipeline::~Pipeline() = default;

/// A job for the next image, as soon as there is one and the image's file fits into memory; null at the end.
Job* Pipeline::take_next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  for (;;) {
    if (s.is_abandoned || stop_requested() || s.next_to_decode >= s.end) return nullptr;
    if (!s.free_jobs.empty()) {
      FileStamp stamp;
      const bool is_file = file_stamp(inputs_[s.next_to_decode].path, stamp);
      if (s.held_bytes == 0 || s.has_room(stamp.bytes, options_.memory_bytes)) {
        Job* job = s.free_jobs.back();
        s.free_jobs.pop_back();
        job->place = s.next_to_decode++;
        job->stamp = is_file ? std::optional<FileStamp>(stamp) : std::nullopt;
        job->held_bytes = stamp.bytes;
        s.held_bytes += stamp.bytes;
        return job;
      }
    }
    s.changed.wait(lock);
  }
}

/// Waits until it is the job's turn and its pixels fit, or no other image's pixels are held.
Status Pipeline::admit(Job& job, std::uint64_t pixels) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (job.is_admitted) return Status();
  const std::uint64_t bytes = pixels * options_.bytes_a_pixel;
  s.changed.wait(lock, [&] {
    if (s.is_abandoned || stop_requested()) return true;
    return s.next_to_admit == job.place && (s.admitted == 0 || s.has_room(bytes, options_.memory_bytes));
  });
  if (s.is_abandoned || stop_requested()) return Status(StatusCode::cancelled, "interrupted");
  job.is_admitted = true;
  job.held_bytes += bytes;
  s.held_bytes += bytes;
  ++s.admitted;
  pass(job.place);
  return Status();
}

/// Under the mutex: `place` needs no turn any more.
void Pipeline::pass(std::size_t place) {
  State& s = *state_;
  s.passed.insert(place);
  while (s.passed.erase(s.next_to_admit) != 0) ++s.next_to_admit;
  s.changed.notify_all();
}

Status Pipeline::decode(Job& job) {
  const Input& input = inputs_[job.place];
  const auto start = Clock::now();
  if (const Status status = read_file(input.path, job.file, k_max_image_file_bytes); !status.ok()) return status;
  job.file_bytes = job.file.size();
  job.format = sniff_format(job.file.data(), job.file.size()).name;
  DecodeLimits limits = options_.limits;
  limits.admit = [&](std::uint64_t pixels) { return admit(job, pixels); };
  const Status status = decode_image(job.file.data(), job.file.size(), limits, job.image, job.scratch);
  if (job.held_bytes > kept_bytes(options_.memory_bytes, state_->jobs.size())) {
    std::vector<std::uint8_t>().swap(job.file);
    job.scratch = Image();
  }
  job.times.decode = milliseconds_since(start);
  return about(shown_name(input), status);
}

/// Decodes one image. False when there is none left to begin.
bool Pipeline::decode_next() {
  State& s = *state_;
  Job* job = take_next();
  if (job == nullptr) return false;
  job->times = JobTimes();
  job->is_skipped = job->is_again = false;
  job->status = guarded([&] {
    if (options_.resume) {
      const Found found = find_outputs(inputs_[job->place], names_, kinds_, manifest_);
      job->is_skipped = found == Found::done;
      job->is_again = found == Found::of_other_image;
    }
    return job->is_skipped ? Status() : decode(*job);
  });
  const std::lock_guard lock(s.mutex);
  if (!job->is_admitted) pass(job->place);
  s.decoded.emplace(job->place, job);
  s.changed.notify_all();
  return true;
}

/// Under the mutex: the run ends before `place`, by a signal.
void Pipeline::interrupt_at(std::size_t place) {
  State& s = *state_;
  s.end = std::min(s.end, place);
  s.summary.was_interrupted = true;
  s.changed.notify_all();
}

/// The decoded job of `place`, or null at the end.
Job* Pipeline::next_for_network(std::size_t place) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  for (;;) {
    if (place < s.end && stop_requested()) interrupt_at(place);
    if (s.is_abandoned || place >= s.end) return nullptr;
    if (const auto at = s.decoded.find(place); at != s.decoded.end()) {
      Job* job = at->second;
      s.decoded.erase(at);
      return job;
    }
    if (s.decoders > 0) {
      s.changed.wait_for(lock, k_look_for_stop);
    } else {
      lock.unlock();
      decode_next();
      lock.lock();
    }
  }
}

void Pipeline::network_loop() {
  State& s = *state_;
  std::size_t place = 0;
  while (Job* job = next_for_network(place)) {
    if (job->status.ok() && !job->is_skipped) {
      const Status status = guarded([&] { return engine_.run(*job); });
      job->status = about(inputs_[job->place].path, status);
    }
    ++place;
    std::unique_lock lock(s.mutex);
    if (s.writers > 0) {
      s.to_write.push_back(job);
      s.changed.notify_all();
    } else {
      lock.unlock();
      write(*job);
    }
  }
  const std::lock_guard lock(s.mutex);
  s.is_network_done = true;
  s.changed.notify_all();
}

/// Writes the outputs of a job and settles it.
void Pipeline::write(Job& job) {
  State& s = *state_;
  if (job.status.ok() && !job.is_skipped) {
    const Input& input = inputs_[job.place];
    job.status = guarded([&] { return writer_.write(job, input.path, names_, names_.stem(input.name)); });
  }
  const std::lock_guard lock(s.mutex);
  if (job.status.code() == StatusCode::cancelled && stop_requested()) {
    interrupt_at(job.place);
    release(job);
  } else {
    settle(job);
  }
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
    write(*job);
  }
}

/// Under the mutex: the job is done with, one way or the other.
void Pipeline::settle(Job& job) {
  State& s = *state_;
  Record record;
  record.status = job.status;
  record.is_skipped = job.is_skipped;
  record.is_again = job.is_again;
  record.stamp = job.stamp;
  record.times = job.times;
  if (job.status.ok() && !job.is_skipped) {
    record.size = job.image.size;
    record.warning = job.image.warning;
  }
  s.settled.emplace(job.place, std::move(record));
  release(job);
  while (!s.is_abandoned && s.settled.count(s.next_to_report) != 0) report_next();
}

/// Under the mutex: the job is free for another image.
void Pipeline::release(Job& job) {
  State& s = *state_;
  if (job.held_bytes > kept_bytes(options_.memory_bytes, s.jobs.size())) job.release_memory();
  s.held_bytes -= job.held_bytes;
  s.admitted -= job.is_admitted ? 1 : 0;
  job.held_bytes = 0;
  job.is_admitted = false;
  s.free_jobs.push_back(&job);
}

std::string Pipeline::manifest_line(const Input& input, const Record& record) const {
  const bool has_failed = !record.status.ok();
  nlohmann::ordered_json line = {{"input", input.path},
                                 {"status", has_failed          ? "failed"
                                            : record.is_skipped ? "skipped"
                                                                : "ok"}};
  if (has_failed) {
    line["error"] = record.status.message();
  } else {
    line["outputs"] = nlohmann::ordered_json::array();
    const std::string stem = names_.stem(input.name);
    for (const OutputKind kind : kinds_.list()) line["outputs"].push_back(names_.path(stem, kind));
    if (record.stamp) {
      line["bytes"] = record.stamp->bytes;
      line["modified_ns"] = record.stamp->modified_ns;
    }
  }
  if (!has_failed && !record.is_skipped) {
    line["model"] = manifest_->made_with().model;
    line["options"] = manifest_->made_with().options;
    line["width"] = record.size.width;
    line["height"] = record.size.height;
    if (!record.warning.empty()) line["warning"] = record.warning;
    line["times_ms"] = {{"decode", record.times.decode},
                        {"prepare", record.times.prepare},
                        {"network", record.times.network},
                        {"labels", record.times.labels},
                        {"encode", record.times.encode}};
  }
  return json_text(line, -1);
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
  s.summary.again += !has_failed && record.is_again ? 1 : 0;

  if (has_failed) {
    progress_.clear();
    print_error(about(shown_name(input), record.status).message());
  }
  if (!record.warning.empty()) {
    progress_.clear();
    print_warning(shown_name(input), record.warning);
  }
  char note[64] = "failed";
  if (record.is_skipped) {
    std::snprintf(note, sizeof(note), "skipped, it is done");
  } else if (!has_failed) {
    std::snprintf(note, sizeof(note), "%.1f ms", record.times.prepare + record.times.network + record.times.labels);
  }
  progress_.step(input.path, note);

  if (manifest_ != nullptr && !(record.is_skipped && manifest_->find(input.path) != nullptr)) {
    if (const Status status = manifest_->write(manifest_line(input, record)); !status.ok()) {
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
  std::vector<std::thread> decoders, writers;
  // Counted before they start, and only here and at their end, so that the network's thread takes over what has none.
  const auto decode_loop = [this] {
    while (decode_next()) {
    }
    const std::lock_guard lock(state_->mutex);
    --state_->decoders;
    state_->changed.notify_all();
  };
  for (std::size_t i = 0; i < helpers; ++i) {
    {
      const std::lock_guard lock(s.mutex);
      ++s.decoders;
    }
    if (!start_thread(decoders, decode_loop)) {
      const std::lock_guard lock(s.mutex);
      --s.decoders;
      break;
    }
    if (!start_thread(writers, [this] { write_loop(); })) break;
  }
  s.writers = writers.size();
  network_loop();
  for (std::thread& thread : writers) thread.join();
  bool is_stuck = false;
  if (s.summary.was_interrupted) {
    std::unique_lock lock(s.mutex);
    is_stuck = !s.changed.wait_for(lock, k_patience_at_stop, [&] { return s.decoders == 0; });
  }
  for (std::thread& thread : decoders) {
    if (is_stuck) {
      thread.detach();
    } else {
      thread.join();
    }
  }
  progress_.clear();
  const std::lock_guard lock(s.mutex);
  s.summary.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return s.summary;
}

}  // namespace lemore::cli
