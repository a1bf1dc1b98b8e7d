// SPDX-License-Identifier: Apache-2.0

#include "controller/read_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

namespace ovs_rmirror {
namespace {

class ReadFileTest : public testing::Test {
 protected:
  ReadFileTest()
      : name_(testing::TempDir() + "read-file-" + std::to_string(getpid())) {}
  ~ReadFileTest() override { std::remove(name_.c_str()); }

  // What is said of the file, without its name.
  std::string Complaint(const std::string& name,
                        FileKind kind = FileKind::kRegular) {
    std::string text = "before";
    const std::string error = ReadFile(name, kind, &text);
    EXPECT_EQ(text, "before");
    const std::string begin = name + ": cannot be read: ";
    EXPECT_EQ(error.substr(0, begin.size()), begin);
    return error.size() < begin.size() ? error : error.substr(begin.size());
  }

  const std::string name_;
};

TEST_F(ReadFileTest, GivesEveryByte) {
  const std::string content("a\0\xff\n", 4);
  std::ofstream(name_, std::ios::binary) << content;
  std::string text;
  EXPECT_EQ(ReadFile(name_, FileKind::kRegular, &text), "");
  EXPECT_EQ(text, content);
}

TEST_F(ReadFileTest, RefusesWhatIsNoFileAndWaitsForNobody) {
  EXPECT_EQ(Complaint(name_), "No such file or directory\n");
  EXPECT_EQ(Complaint("/"), "it is a directory, not a file\n");
  EXPECT_EQ(Complaint("/", FileKind::kAny), "it is a directory, not a file\n");
  EXPECT_EQ(Complaint("/dev/zero"), "it is a character device, not a file\n");
  ASSERT_EQ(mkfifo(name_.c_str(), S_IRWXU), 0);
  EXPECT_EQ(Complaint(name_), "it is a FIFO, not a file\n");
}

TEST_F(ReadFileTest, ReadsAPipeForWhoWantsOne) {
  ASSERT_EQ(mkfifo(name_.c_str(), S_IRWXU), 0);
  std::thread writer([this] { std::ofstream(name_) << "rules"; });
  std::string text;
  EXPECT_EQ(ReadFile(name_, FileKind::kAny, &text), "");
  writer.join();
  EXPECT_EQ(text, "rules");
}

TEST_F(ReadFileTest, RefusesWhatIsTooLong) {
  std::ofstream(name_) << "x";
  ASSERT_EQ(truncate(name_.c_str(), kMaxFileSize + 1), 0);
  EXPECT_EQ(Complaint(name_),
            "it is longer than 64 MiB, which no policy needs\n");
  // One without an end.
  EXPECT_EQ(Complaint("/dev/zero", FileKind::kAny),
            "it is longer than 64 MiB, which no policy needs\n");
  ASSERT_EQ(truncate(name_.c_str(), kMaxFileSize), 0);
  std::string text;
  EXPECT_EQ(ReadFile(name_, FileKind::kRegular, &text), "");
  EXPECT_EQ(text.size(), kMaxFileSize);
}

TEST_F(ReadFileTest, NeverGivesPartOfAFileThatShrinks) {
  std::ofstream(name_).flush();
  std::atomic<bool> end = false;
  std::thread writer([&] {
    while (!end) {
      EXPECT_EQ(truncate(name_.c_str(), kMaxFileSize), 0);
      EXPECT_EQ(truncate(name_.c_str(), 0), 0);
    }
  });
  for (int i = 0; i < 20; i++) {
    std::string text;
    const std::string error = ReadFile(name_, FileKind::kRegular, &text);
    if (error.empty()) {
      EXPECT_TRUE(text.empty() || text.size() == kMaxFileSize) << text.size();
    }
  }
  end = true;
  writer.join();
}

}  // namespace
}  // namespace ovs_rmirror
