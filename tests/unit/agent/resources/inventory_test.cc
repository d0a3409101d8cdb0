#include "agent/resources/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(InventoryTest, MemoryIsReadInBytes) {
  EXPECT_EQ(ParseMemoryTotal("MemTotal:       24631832 kB\nMemFree:         9831832 kB\n"),
            24631832ULL * 1024);
  EXPECT_EQ(ParseMemoryTotal("MemFree: 1 kB\n"), 0);
  EXPECT_EQ(ParseMemoryTotal(""), 0);
}

TEST(InventoryTest, EachGpuOfNvidiaSmiIsListed) {
  EXPECT_THAT(ParseNvidiaSmi("NVIDIA GeForce RTX 4090, 24564\nTesla T4, 15360\n"),
              ElementsAre(GpuInventory{"NVIDIA GeForce RTX 4090", 24564ULL << 20},
                          GpuInventory{"Tesla T4", 15360ULL << 20}));
}

TEST(InventoryTest, ADriverThatFailsHasNoGpus) {
  EXPECT_THAT(ParseNvidiaSmi("NVIDIA-SMI has failed because it couldn't communicate with the "
                             "NVIDIA driver. Make sure it is installed.\n"),
              IsEmpty());
  EXPECT_THAT(ParseNvidiaSmi("NVIDIA A2, [N/A]\n, 5\n"), IsEmpty());
}

TEST(InventoryTest, TheServersVersionIsFoundAmongOtherLines) {
  EXPECT_EQ(ParseServerVersion("ggml: found\nversion: 0.7.0 (build 11669, commit Debian)\n"
                               "built with GNU 16.2.0 for Linux x86_64\n"),
            "0.7.0 (build 11669, commit Debian)");
  EXPECT_EQ(ParseServerVersion("error: unknown argument\n"), "");
}

}  // namespace
}  // namespace rolemesh::agent
