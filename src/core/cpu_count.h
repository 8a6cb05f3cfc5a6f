#pragma once

namespace lemore::core {

/// Whole cores the CPU quota of this process' cgroup leaves it, at least 1, or 0 where there is no quota.
///
/// Looks at the cgroup itself and at all above it, of both versions: a quota anywhere on the way counts.
/// `root` stands before /proc/self/cgroup and /sys/fs/cgroup; empty but in tests.
/// Source    Linux, Documentation/admin-guide/cgroup-v2.rst; cgroup-v1 and scheduler/sched-bwc.rst.
int cgroup_quota_cores(const char* root) noexcept;

/// Cores the scheduler may put this process' threads on. At least 1.
int affinity_cores() noexcept;

}  // namespace lemore::core
