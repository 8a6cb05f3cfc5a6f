#include "core/cpu_count.h"

#include <catch2/catch.hpp>
#include <string>

#include "lemore/parallel.h"
#include "support/temporary_folder.h"

using lemore::core::cgroup_quota_cores;

namespace {

/// A small /proc and /sys.
struct FakeRoot {
  TemporaryFolder folder;

  void write(const std::string& path, const std::string& text) const { folder.file(path, text); }
  int cores() const { return cgroup_quota_cores(folder.path().c_str()); }
};

}  // namespace

TEST_CASE("version 2: the smallest quota on the way up counts", "[cpu]") {
  FakeRoot root;
  CHECK(root.cores() == 0);  // no /proc at all
  root.write("proc/self/cgroup", "0::/a.slice/b.scope\n");
  CHECK(root.cores() == 0);
  root.write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n");
  CHECK(root.cores() == 0);
  root.write("sys/fs/cgroup/a.slice/cpu.max", "350000 100000\n");
  CHECK(root.cores() == 3);
  root.write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "800000 100000\n");
  CHECK(root.cores() == 3);
  root.write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "50000 100000\n");
  CHECK(root.cores() == 1);
  root.write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "nonsense\n");
  CHECK(root.cores() == 3);
  root.write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "-5 0\n");
  CHECK(root.cores() == 3);
}

TEST_CASE("a container sees its own folder at the mount", "[cpu]") {
  FakeRoot root;
  root.write("proc/self/cgroup", "0::/docker/0123456789\n");
  root.write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  CHECK(root.cores() == 2);
  root.write("proc/self/cgroup", "0::/\n");
  CHECK(root.cores() == 2);
}

TEST_CASE("version 1, and both at once", "[cpu]") {
  FakeRoot root;
  root.write("proc/self/cgroup", "12:cpuset:/x\n4:cpu,cpuacct:/x/y\n1:name=systemd:/\n0::/z\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us", "100000\n");
  CHECK(root.cores() == 0);
  root.write("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "600000\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
  CHECK(root.cores() == 6);
  root.write("sys/fs/cgroup/unified/z/cpu.max", "400000 100000\n");
  CHECK(root.cores() == 4);
  // A cpuset's folder says nothing about quotas.
  root.write("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "250000\n");
  root.write("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "50000\n");
  CHECK(root.cores() == 4);
}

TEST_CASE("lines that are not what they should be count for nothing", "[cpu]") {
  FakeRoot root;
  root.write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  root.write("proc/self/cgroup", "\n:\n::\nnothing here\n7:cpu\n");
  CHECK(root.cores() == 2);  // "::" is a version 2 line with an empty path
  root.write("proc/self/cgroup", "0::/" + std::string(9000, 'a') + "\n");
  CHECK(root.cores() == 0);
}

TEST_CASE("this process has cores", "[cpu]") {
  CHECK(lemore::core::affinity_cores() >= 1);
  CHECK(lemore::default_threads() >= 1);
  CHECK(lemore::default_threads() <= lemore::core::affinity_cores());
}
