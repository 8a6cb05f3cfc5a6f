#include "core/cpu_count.h"

#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>

namespace lemore::core {

namespace {

/// What one cgroup allows: quota microseconds in each period, or 0 for no limit.
struct Quota {
  long long quota = 0, period = 0;
};

/// Reads up to two numbers of a file; 0 for one that is missing or not a number ("max").
Quota read_numbers(const char* path) noexcept {
  Quota result;
  if (std::FILE* file = std::fopen(path, "r")) {
    if (std::fscanf(file, "%lld %lld", &result.quota, &result.period) < 1) result.quota = 0;
    std::fclose(file);
  }
  return result;
}

int whole_cores(Quota q) noexcept {
  if (q.quota <= 0 || q.period <= 0) return 0;
  return static_cast<int>(std::clamp(q.quota / q.period, 1LL, static_cast<long long>(INT_MAX)));
}

int smaller(int a, int b) noexcept { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); }

/// The smallest quota of the cgroup `path` ("/a/b") and those above it in the hierarchy mounted at `root` + `mount`.
/// In a container the path may be the host's while the mount shows the container's part only: what is not there counts
/// as no quota, and the last look is at the mount's own folder.
int quota_of_hierarchy(const char* root, const char* mount, const char* path, bool is_v2) noexcept {
  char folder[PATH_MAX], file[PATH_MAX + 32];
  const int length = std::snprintf(folder, sizeof folder, "%s%s%s", root, mount, path);
  if (length < 0 || static_cast<std::size_t>(length) >= sizeof folder) return 0;
  const std::size_t mount_length = std::strlen(root) + std::strlen(mount);
  int cores = 0;
  for (;;) {
    Quota quota;
    if (is_v2) {
      std::snprintf(file, sizeof file, "%s/cpu.max", folder);
      quota = read_numbers(file);
    } else {
      std::snprintf(file, sizeof file, "%s/cpu.cfs_quota_us", folder);
      quota = read_numbers(file);
      std::snprintf(file, sizeof file, "%s/cpu.cfs_period_us", folder);
      quota.period = read_numbers(file).quota;
    }
    cores = smaller(cores, whole_cores(quota));
    char* slash = std::strrchr(folder + mount_length, '/');
    if (slash == nullptr) return cores;
    *slash = '\0';
  }
}

/// Whether `name` is one of the comma-separated `list`.
bool has_controller(const char* list, const char* name) noexcept {
  const std::size_t length = std::strlen(name);
  for (const char* item = list; *item != '\0';) {
    const std::size_t n = std::strcspn(item, ",");
    if (n == length && std::strncmp(item, name, n) == 0) return true;
    item += n + (item[n] == ',' ? 1 : 0);
  }
  return false;
}

}  // namespace

int cgroup_quota_cores(const char* root) noexcept {
  char line[PATH_MAX + 256];
  if (std::snprintf(line, sizeof line, "%s/proc/self/cgroup", root) >= static_cast<int>(sizeof line)) return 0;
  std::FILE* file = std::fopen(line, "r");
  if (file == nullptr) return 0;
  int cores = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {  // "hierarchy:controllers:path"
    line[std::strcspn(line, "\n")] = '\0';
    char* controllers = std::strchr(line, ':');
    char* path = controllers != nullptr ? std::strchr(controllers + 1, ':') : nullptr;
    if (path == nullptr) continue;
    *path++ = '\0';
    ++controllers;
    const bool is_v2 = *controllers == '\0';
    if (!is_v2 && !has_controller(controllers, "cpu")) continue;
    const char* const v2_mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    const char* const v1_mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    for (const char* mount : is_v2 ? v2_mounts : v1_mounts)
      cores = smaller(cores, quota_of_hierarchy(root, mount, path, is_v2));
  }
  std::fclose(file);
  return cores;
}

int affinity_cores() noexcept {
#if defined(__linux__)
  // The kernel refuses a set smaller than its own; beyond 1024 CPUs it must be larger than cpu_set_t.
  for (int cpus = CPU_SETSIZE; cpus <= (1 << 16); cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
#endif
  return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace lemore::core
