#include "run/shard.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lemore::cli {

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 0xFFFFFFFFu) return std::nullopt;
  return value;
}

Status wrong(const std::string& what) { return Status(StatusCode::invalid_argument, "--shard: " + what); }

/// Reads a variable that must be a number when it is set.
Result<std::optional<std::uint64_t>> variable(const Environment& environment, const char* name) {
  const char* text = environment(name);
  if (text == nullptr || *text == '\0') return std::optional<std::uint64_t>();
  const std::optional<std::uint64_t> value = number(text);
  if (!value) return wrong(std::string(name) + " is '" + text + "', not a number");
  return value;
}

Result<Shard> slurm_shard(std::uint64_t id, std::optional<std::uint64_t> given, const Environment& environment) {
  const auto count = variable(environment, "SLURM_ARRAY_TASK_COUNT");
  const auto min = variable(environment, "SLURM_ARRAY_TASK_MIN");
  const auto step = variable(environment, "SLURM_ARRAY_TASK_STEP");
  for (const auto* value : {&count, &min, &step}) {
    if (!value->ok()) return value->status();
  }
  const std::optional<std::uint64_t> parts = given ? given : *count;
  if (!parts || *parts == 0) return wrong("SLURM_ARRAY_TASK_ID is set but SLURM_ARRAY_TASK_COUNT is not");
  const std::uint64_t first = min->value_or(0), stride = step->value_or(1) == 0 ? 1 : step->value_or(1);
  if (id < first || (id - first) % stride != 0 || (id - first) / stride >= *parts) {
    return wrong("SLURM_ARRAY_TASK_ID " + std::to_string(id) + " is not one of " + std::to_string(*parts) +
                 " tasks from " + std::to_string(first) + " in steps of " + std::to_string(stride) +
                 "; an array with gaps needs --shard I/N");
  }
  return Shard{static_cast<std::size_t>((id - first) / stride), static_cast<std::size_t>(*parts)};
}

Result<Shard> auto_shard(std::optional<std::uint64_t> given, const Environment& environment) {
  const auto slurm = variable(environment, "SLURM_ARRAY_TASK_ID");
  if (!slurm.ok()) return slurm.status();
  if (*slurm) return slurm_shard(**slurm, given, environment);
  const auto completion = variable(environment, "JOB_COMPLETION_INDEX");
  if (!completion.ok()) return completion.status();
  if (!*completion) return wrong("auto needs SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX in the environment");
  const auto count = variable(environment, "JOB_COMPLETIONS");
  if (!count.ok()) return count.status();
  const std::optional<std::uint64_t> parts = given ? given : *count;
  if (!parts || *parts == 0)
    return wrong("JOB_COMPLETION_INDEX does not say of how many: set JOB_COMPLETIONS or use auto/N");
  if (**completion >= *parts) {
    return wrong("JOB_COMPLETION_INDEX " + std::to_string(**completion) + " is not below " + std::to_string(*parts));
  }
  return Shard{static_cast<std::size_t>(**completion), static_cast<std::size_t>(*parts)};
}

}  // namespace

Result<Shard> parse_shard(const std::string& text, const Environment& environment) {
  if (text == "auto") return auto_shard(std::nullopt, environment);
  const std::size_t slash = text.find('/');
  const std::string_view before = std::string_view(text).substr(0, slash);
  const std::optional<std::uint64_t> count =
      slash == std::string::npos ? std::nullopt : number(std::string_view(text).substr(slash + 1));
  if (count && *count > 0 && before == "auto") return auto_shard(count, environment);
  const std::optional<std::uint64_t> index = number(before);
  if (!count || *count == 0 || !index) return wrong("expected I/N, auto or auto/N, got '" + text + "'");
  if (*index > *count) return wrong(text + ": there are only " + std::to_string(*count) + " parts");
  return Shard{static_cast<std::size_t>(*index % *count), static_cast<std::size_t>(*count)};
}

}  // namespace lemore::cli
