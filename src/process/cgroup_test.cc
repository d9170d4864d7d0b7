#include "process/cgroup.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

const char *const kMounts =
    "23 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    "39 31 0:36 / /mnt/a\\040place rw,relatime - cgroup2 none rw\n";

TEST(CgroupFolder, IsFoundByTypeAndControllerWhereverItIsMounted) {
  EXPECT_EQ(cgroup_folder(kMounts, "", "/user/x"), "/mnt/a place/user/x");
  EXPECT_EQ(cgroup_folder(kMounts, "", "/"), "/mnt/a place");
  EXPECT_EQ(cgroup_folder(kMounts, "cpuacct", "/y"), "/sys/fs/cgroup/cpu,cpuacct/y");
}

TEST(CgroupFolder, IsWithinThePartOfTheHierarchyThatIsMounted) {
  EXPECT_EQ(cgroup_folder(kMounts, "memory", "/docker/ab/inner"), "/sys/fs/cgroup/memory/inner");
  EXPECT_EQ(cgroup_folder(kMounts, "memory", "/docker/ab"), "/sys/fs/cgroup/memory");
  EXPECT_EQ(cgroup_folder(kMounts, "memory", "/docker/abc"), "");
  EXPECT_EQ(cgroup_folder(kMounts, "memory", "/elsewhere"), "");
}

TEST(CgroupFolder, IsNowhereWhenTheHierarchyIsNotMounted) {
  EXPECT_EQ(cgroup_folder(kMounts, "freezer", "/"), "");
  EXPECT_EQ(cgroup_folder("", "", "/"), "");
  EXPECT_EQ(cgroup_folder("- - -\n\n1 2 3 4 5 -\n", "", "/"), "");
}

}  // namespace
}  // namespace suture
