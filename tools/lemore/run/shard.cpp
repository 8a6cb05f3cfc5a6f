#include "run/shard.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lemore::cli {

namespace {

using Number = std::optional<std::uint64_t>;

Number parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 0xFFFFFFFFu) return std::nullopt;
  return value;
}

std::string text_of(const Number& number) { return std::to_string(number.value_or(0)); }

Status wrong(const std::string& what) { return Status(StatusCode::invalid_argument, "--shard: " + what); }

bool is_set(const Environment& environment, const char* name) {
  const char* text = environment(name);
  return text != nullptr && *text != '\0';
}

/// Reads variables that must be numbers where they are set, and keeps the first that is not.
class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  Number operator()(const char* name) {
    if (!is_set(environment_, name)) return std::nullopt;
    const Number value = parse_number(environment_(name));
    if (!value && status_.ok()) status_ = wrong(std::string(name) + " is '" + environment_(name) + "', not a number");
    return value;
  }
  const Status& status() const noexcept { return status_; }

 private:
  const Environment& environment_;
  Status status_;
};

Result<Shard> array_shard(const Number& given, const Environment& environment) {
  Variables variable(environment);
  const Number id = variable("SLURM_ARRAY_TASK_ID"), count = variable("SLURM_ARRAY_TASK_COUNT");
  const Number first = variable("SLURM_ARRAY_TASK_MIN"), last = variable("SLURM_ARRAY_TASK_MAX");
  const Number step = variable("SLURM_ARRAY_TASK_STEP"), process = variable("SLURM_PROCID");
  if (!variable.status().ok()) return variable.status();
  if (process.value_or(0) > 0) {
    return wrong("each task of the array runs several processes (SLURM_PROCID is " + text_of(process) +
                 "); write --shard I/N with a part for each of them");
  }
  if (step.value_or(1) > 1) {
    return wrong("the array counts in steps of " + text_of(step) +
                 ", so its parts cannot be told apart; number its tasks one by one, or write --shard I/N");
  }
  // Slurm always sets these; where a wrapper passes on only some, the others follow from them.
  const std::uint64_t from = first.value_or(last && count && *last + 1 >= *count ? *last + 1 - *count : *id);
  const std::uint64_t to = last.value_or(first && count && *count > 0 ? *first + *count - 1 : *id);
  if (*id < from || *id > to) {
    return wrong("SLURM_ARRAY_TASK_ID " + text_of(id) + " is not among the array's ids, " + std::to_string(from) +
                 " to " + std::to_string(to));
  }
  const std::uint64_t span = to - from + 1;
  if (!given && (from > 1 || span < 2 || count.value_or(span) != span)) {
    return wrong("auto cannot know of how many parts: ids " + std::to_string(from) + " to " + std::to_string(to) +
                 " may be some tasks of a larger array, submitted again; write auto/N, N being the tasks of the whole "
                 "array");
  }
  const std::uint64_t parts = given.value_or(span);
  if (span > parts) {
    return wrong("the array's ids run from " + std::to_string(from) + " to " + std::to_string(to) + ", more than " +
                 std::to_string(parts) + " parts; write auto/N with N consecutive ids, or --shard I/N");
  }
  return Shard{static_cast<std::size_t>(*id % parts), static_cast<std::size_t>(parts)};
}

/// A process that says its own index, and perhaps of how many.
Result<Shard> indexed_shard(const char* index_name, const char* count_name, const Number& given,
                            const Environment& environment) {
  Variables variable(environment);
  const Number index = variable(index_name), count = variable(count_name);
  if (!variable.status().ok()) return variable.status();
  if (given && count && *given != *count) {
    return wrong("auto/" + text_of(given) + " disagrees with " + count_name + ", which is " + text_of(count) +
                 "; write auto, or --shard I/N");
  }
  const Number parts = given ? given : count;
  if (!parts || *parts == 0) {
    return wrong(std::string(index_name) + " does not say of how many parts; set " + count_name + " or write auto/N");
  }
  if (*index >= *parts) {
    return wrong(std::string(index_name) + " is " + text_of(index) + ", expected 0 to " + std::to_string(*parts - 1) +
                 " of " + text_of(parts) + " parts");
  }
  return Shard{static_cast<std::size_t>(*index), static_cast<std::size_t>(*parts)};
}

Result<Shard> srun_shard(const Number& given, const Environment& environment) {
  // A batch script has SLURM_PROCID 0 and SLURM_NTASKS too, without being one of these tasks.
  if (is_set(environment, "SLURM_JOB_ID") && !is_set(environment, "SLURM_STEP_ID")) {
    return wrong("auto in a batch script that runs once: start the tasks with srun, or write --shard I/N");
  }
  return indexed_shard("SLURM_PROCID", "SLURM_NTASKS", given, environment);
}

Result<Shard> auto_shard(const Number& given, const Environment& environment) {
  if (is_set(environment, "SLURM_ARRAY_TASK_ID")) return array_shard(given, environment);
  if (is_set(environment, "SLURM_PROCID")) return srun_shard(given, environment);
  if (is_set(environment, "JOB_COMPLETION_INDEX"))
    return indexed_shard("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", given, environment);
  return wrong(
      "auto needs SLURM_ARRAY_TASK_ID, SLURM_PROCID or JOB_COMPLETION_INDEX in the environment; outside of such a job "
      "write --shard I/N");
}

}  // namespace

Result<Shard> parse_shard(const std::string& text, const Environment& environment) {
  if (text == "auto") return auto_shard(std::nullopt, environment);
  const std::size_t slash = text.find('/');
  const std::string_view before = std::string_view(text).substr(0, slash);
  const Number count =
      slash == std::string::npos ? std::nullopt : parse_number(std::string_view(text).substr(slash + 1));
  if (count && *count > 0 && before == "auto") return auto_shard(count, environment);
  const Number index = parse_number(before);
  if (!count || *count == 0 || !index) return wrong("expected I/N, auto or auto/N, got '" + text + "'");
  if (*index >= *count) {
    return wrong("parts count from 0: expected 0/" + text_of(count) + " to " + std::to_string(*count - 1) + "/" +
                 text_of(count) + ", got '" + text + "'");
  }
  return Shard{static_cast<std::size_t>(*index), static_cast<std::size_t>(*count)};
}

}  // namespace lemore::cli
