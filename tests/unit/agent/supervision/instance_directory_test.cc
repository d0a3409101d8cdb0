#include "agent/supervision/instance_directory.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::agent {
namespace {

using ::testing::ElementsAre;

TEST(RunningRequestsTest, NeverExceedsItsLimit) {
  RunningRequests running;
  EXPECT_TRUE(running.TryStart(2));
  EXPECT_TRUE(running.TryStart(2));
  EXPECT_FALSE(running.TryStart(2));
  EXPECT_EQ(running.count(), 2);
  running.OnRequestEnded();
  EXPECT_TRUE(running.TryStart(2));
  EXPECT_FALSE(RunningRequests().TryStart(0));
}

TEST(InstanceDirectoryTest, ASnapshotTakenStaysAsItWas) {
  InstanceDirectory directory;
  auto entry = std::make_shared<InstanceEntry>();
  entry->id = "a";
  entry->running = std::make_shared<RunningRequests>();
  entry->running->OnRequestStarted();
  directory.Publish(InstanceSnapshot({entry}));
  const auto taken = directory.snapshot();
  directory.Publish(InstanceSnapshot());
  EXPECT_EQ(taken->Find("a"), entry);
  EXPECT_EQ(taken->RunningTotal(), 1);
  EXPECT_EQ(directory.snapshot()->Find("a"), nullptr);
}

TEST(InstanceDirectoryTest, EveryDeathListenerIsToldUntilItIsRemoved) {
  InstanceDirectory directory;
  std::vector<std::string> heard;
  const auto listener = [&](const std::string& id, uint64_t generation) {
    heard.push_back(id + std::to_string(generation));
  };
  const uint64_t first = directory.AddDeathListener(listener);
  directory.AddDeathListener(listener);
  directory.NotifyDeath("a", 1);
  directory.RemoveDeathListener(first);
  directory.NotifyDeath("b", 2);
  EXPECT_THAT(heard, ElementsAre("a1", "a1", "b2"));
}

}  // namespace
}  // namespace rolemesh::agent
