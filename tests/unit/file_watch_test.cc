// SPDX-License-Identifier: Apache-2.0

#include "controller/file_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

namespace ovs_rmirror {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLater = 1000;       // Milliseconds: changes are over.
constexpr int64_t kMuchLater = 60000;  // Whoever writes has given up.

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest()
      : folder_(fs::path(testing::TempDir()) /
                ("file-watch-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    Write("policy");
  }
  ~FileWatchTest() override { fs::remove_all(folder_); }

  fs::path Path(const std::string& name) const { return folder_ / name; }
  void Write(const std::string& name) const {
    std::ofstream(Path(name)) << "x";
  }

  void Watch(const std::vector<std::string>& names) {
    std::vector<std::string> files;
    for (const std::string& name : names) {
      files.push_back(Path(name));
    }
    watch_ = std::make_unique<FileWatch>(files);
    ASSERT_EQ(watch_->error(), "");
  }

  // Whether a change is told, which must not be before changes are over.
  bool Changed(int64_t after = kLater) {
    EXPECT_FALSE(watch_->Run(now_));
    now_ += after;
    const bool changed = watch_->Run(now_);
    EXPECT_FALSE(watch_->Run(now_ += kLater)) << "told twice";
    return changed;
  }

  const fs::path folder_;
  int64_t now_ = 0;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, SeesNothingWhereNothingHappens) {
  Watch({"policy"});
  EXPECT_FALSE(Changed());
  EXPECT_EQ(watch_->Wait(), std::nullopt);
  std::ifstream(Path("policy")).get();
  Write("other");
  fs::remove(Path("other"));
  EXPECT_FALSE(Changed());
}

TEST_F(FileWatchTest, SeesAFileThatIsWritten) {
  Watch({"policy"});
  Write("policy");
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, SeesAFileThatIsRenamedIntoPlaceAgainAndAgain) {
  Watch({"policy"});
  for (int i = 0; i < 3; i++) {
    Write("policy.new");
    EXPECT_FALSE(Changed());
    fs::rename(Path("policy.new"), Path("policy"));
    EXPECT_TRUE(Changed());
  }
  Write("policy");
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, SeesAFileThatIsLinkedIntoPlace) {
  Watch({"later"});
  fs::create_hard_link(Path("policy"), Path("later"));
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, SeesAFileThatGoesAndComes) {
  Watch({"policy"});
  fs::remove(Path("policy"));
  EXPECT_TRUE(Changed());
  Write("policy");
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, WaitsForAFileThatSomebodyWrites) {
  Watch({"policy", "sets"});
  std::ofstream slow(Path("sets"));  // Created, and truncated when it is there.
  for (int i = 0; i < 3; i++) {
    slow << "add web 10.0.0.1\n" << std::flush;
    Write("policy");
    EXPECT_FALSE(watch_->Run(now_));
    now_ += kLater;
    EXPECT_FALSE(watch_->Run(now_));
  }
  slow.close();
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, DoesNotWaitForeverForAFileThatSomebodyKeepsOpen) {
  Watch({"policy", "sets"});
  std::ofstream slow(Path("sets"));
  Write("policy");
  EXPECT_FALSE(watch_->Run(now_));
  ASSERT_TRUE(watch_->Wait());
  EXPECT_LT(*watch_->Wait(), kMuchLater);
  EXPECT_TRUE(Changed(kMuchLater));
}

TEST_F(FileWatchTest, TellsOfManyChangesOnce) {
  Watch({"policy", "sets"});
  for (int i = 0; i < 10; i++) {
    Write("policy");
    Write("sets");
    EXPECT_FALSE(watch_->Run(now_ += 10));
  }
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, FollowsSymbolicLinks) {
  // As Kubernetes lays out what it mounts: policy -> ..data/policy, ..data ->
  // a folder, and another one is put into its place by a rename.
  for (const std::string folder : {"..1", "..2", "..3"}) {
    fs::create_directory(Path(folder));
    Write(folder + "/policy");
  }
  fs::remove(Path("policy"));
  fs::create_symlink("..1", Path("..data"));
  fs::create_symlink("..data/policy", Path("policy"));
  Watch({"policy"});
  for (const std::string folder : {"..2", "..3"}) {
    fs::create_symlink(folder, Path("..data_tmp"));
    EXPECT_FALSE(Changed());
    fs::rename(Path("..data_tmp"), Path("..data"));
    EXPECT_TRUE(Changed());
    Write(folder + "/policy");
    EXPECT_TRUE(Changed());
    Write("..1/policy");
    EXPECT_FALSE(Changed());
  }
}

TEST_F(FileWatchTest, SeesALinkThatIsMadeAnew) {
  Write("a");
  Write("b");
  fs::create_symlink("a", Path("link"));
  Watch({"link"});
  fs::remove(Path("link"));
  fs::create_symlink(Path("b"), Path("link"));
  EXPECT_TRUE(Changed());
  Write("b");
  EXPECT_TRUE(Changed());
  Write("a");
  EXPECT_FALSE(Changed());
}

TEST_F(FileWatchTest, SeesAFolderThatComesAndIsReplaced) {
  Watch({"etc/policy"});
  fs::create_directory(Path("etc"));
  Write("etc/policy");
  EXPECT_TRUE(Changed());
  fs::create_directory(Path("etc.new"));
  Write("etc.new/policy");
  fs::rename(Path("etc"), Path("etc.old"));
  fs::rename(Path("etc.new"), Path("etc"));
  EXPECT_TRUE(Changed());
  Write("etc/policy");
  EXPECT_TRUE(Changed());
  fs::remove_all(Path("etc"));
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, EndsAtALoopOfLinks) {
  fs::create_symlink("b", Path("a"));
  fs::create_symlink("a", Path("b"));
  Watch({"a"});
  fs::remove(Path("b"));
  Write("b");
  EXPECT_TRUE(Changed());
}

}  // namespace
}  // namespace ovs_rmirror
