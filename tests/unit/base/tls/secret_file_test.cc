#include "base/tls/secret_file.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <sys/stat.h>

namespace rolemesh::base {
namespace {

using ::testing::HasSubstr;

class SecretFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/secret_file_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/key.pem";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  mode_t Mode() const {
    struct stat info = {};
    EXPECT_EQ(stat(path_.c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  int FilesInFolder() const {
    int count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) {
      ++count;
    }
    return count;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(SecretFileTest, WhatIsWrittenIsRead) {
  const std::string content(100'000, 'k');
  ASSERT_TRUE(WriteFileAtomically(path_, content, 0600).ok());
  EXPECT_EQ(ReadSmallFile(path_).value(), content);
  EXPECT_EQ(ReadSecretFile(path_, content.size())->reveal(), content);
}

TEST_F(SecretFileTest, ReplacingLeavesOneFileWithTheNewMode) {
  ASSERT_TRUE(WriteFileAtomically(path_, "old", 0644).ok());
  ASSERT_TRUE(WriteFileAtomically(path_, "new", 0600).ok());
  EXPECT_EQ(ReadSmallFile(path_).value(), "new");
  EXPECT_EQ(Mode(), 0600u);
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(SecretFileTest, TheModeIsExactWhateverTheUmask) {
  const mode_t old = umask(0077);
  ASSERT_TRUE(WriteFileAtomically(path_, "x", 0644).ok());
  umask(old);
  EXPECT_EQ(Mode(), 0644u);
}

TEST_F(SecretFileTest, AFailedWriteLeavesNothing) {
  EXPECT_TRUE(absl::IsNotFound(WriteFileAtomically(folder_ + "/none/key", "x", 0600)));
  std::filesystem::create_directory(path_);  // rename onto a folder fails
  EXPECT_FALSE(WriteFileAtomically(path_, "x", 0600).ok());
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(SecretFileTest, OthersMustHaveNoAccess) {
  for (const mode_t mode : {0640, 0620, 0610, 0604, 0602, 0601, 0666}) {
    ASSERT_TRUE(WriteFileAtomically(path_, "x", mode).ok());
    const absl::Status status = ReadSecretFile(path_).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << std::oct << mode;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("chmod 600 ", path_)));
  }
  for (const mode_t mode : {0600, 0400}) {
    ASSERT_TRUE(WriteFileAtomically(path_, "x", mode).ok());
    EXPECT_TRUE(ReadSecretFile(path_).ok()) << std::oct << mode;
  }
}

TEST_F(SecretFileTest, TheTargetOfALinkDecides) {
  ASSERT_TRUE(WriteFileAtomically(path_, "x", 0644).ok());
  const std::string link = folder_ + "/link";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(ReadSecretFile(link).status()));
  ASSERT_TRUE(WriteFileAtomically(path_, "x", 0600).ok());
  EXPECT_EQ(ReadSecretFile(link)->reveal(), "x");
}

TEST_F(SecretFileTest, LimitsHold) {
  ASSERT_TRUE(WriteFileAtomically(path_, std::string(11, 'x'), 0600).ok());
  EXPECT_TRUE(ReadSecretFile(path_, 11).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(ReadSecretFile(path_, 10).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadSmallFile(path_, 10).status()));
  ASSERT_TRUE(WriteFileAtomically(path_, "", 0600).ok());
  EXPECT_EQ(ReadSmallFile(path_, 0).value(), "");
}

TEST_F(SecretFileTest, OnlyRegularFilesAreRead) {
  EXPECT_TRUE(absl::IsNotFound(ReadSecretFile(path_).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadSecretFile(folder_).status()));
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadSecretFile(path_).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadSmallFile("/dev/zero").status()));
}

}  // namespace
}  // namespace rolemesh::base
