// What only real paths can be: directories, fifos, sockets, links, missing folders, full disks.
#include "reactor/kernel_file_system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ballast {
namespace {

class KernelFileSystemTest : public ::testing::Test {
 protected:
  KernelFileSystemTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ballast-files-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~KernelFileSystemTest() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  KernelFileSystem files_;
  std::string folder_;
};

TEST_F(KernelFileSystemTest, a_directory_is_refused_as_one) {
  const auto opened = files_.open(folder_, {.create = true, .create_size_bytes = 4096});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.errc(), Errc::is_a_directory);
  EXPECT_NE(opened.error().text.find("is a directory"), std::string::npos);
}

TEST_F(KernelFileSystemTest, a_fifo_is_refused_without_hanging) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(files_.open(path("fifo"), {}).errc(), Errc::invalid_argument);
}

TEST_F(KernelFileSystemTest, a_character_device_is_refused) {
  EXPECT_EQ(files_.open("/dev/null", {}).errc(), Errc::invalid_argument);
}

TEST_F(KernelFileSystemTest, an_empty_path_and_one_with_a_zero_byte_are_refused) {
  EXPECT_EQ(files_.open("", {}).errc(), Errc::invalid_argument);
  EXPECT_EQ(files_.open(std::string("a\0b", 3), {}).errc(), Errc::invalid_argument);
}

TEST_F(KernelFileSystemTest, creating_in_a_missing_folder_is_not_found) {
  const auto opened = files_.open(path("no/such/file"), {.create = true, .create_size_bytes = 4096});
  EXPECT_EQ(opened.errc(), Errc::not_found);
}

TEST_F(KernelFileSystemTest, a_size_that_no_file_can_have_leaves_no_file_behind) {
  const auto opened = files_.open(path("huge"), {.create = true, .create_size_bytes = UINT64_MAX / 2});
  ASSERT_FALSE(opened.ok());
  EXPECT_FALSE(std::filesystem::exists(path("huge")));
}

TEST_F(KernelFileSystemTest, the_text_of_an_error_cannot_forge_a_log_line) {
  const auto opened = files_.open(path("a\nerror: b"), {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().text.find('\n'), std::string::npos);
}

TEST_F(KernelFileSystemTest, a_link_to_a_file_is_followed_and_locks_the_file) {
  std::ofstream(path("file")) << std::string(8192, 'x');
  std::filesystem::create_symlink(path("file"), path("link"));
  const auto through_link = files_.open(path("link"), {});
  ASSERT_TRUE(through_link.ok());
  EXPECT_EQ((*through_link)->size_bytes(), 8192u);
  EXPECT_FALSE((*through_link)->created());
  EXPECT_EQ(files_.open(path("file"), {}).errc(), Errc::in_use);
}

TEST_F(KernelFileSystemTest, a_link_to_nowhere_is_not_created_through) {
  std::filesystem::create_symlink(path("nowhere"), path("link"));
  EXPECT_FALSE(files_.open(path("link"), {.create = true, .create_size_bytes = 4096}).ok());
  EXPECT_FALSE(std::filesystem::exists(path("nowhere")));
}

TEST_F(KernelFileSystemTest, a_created_file_is_for_its_owner_alone) {
  ASSERT_TRUE(files_.open(path("a"), {.create = true, .create_size_bytes = 4096}).ok());
  struct stat status;
  ASSERT_EQ(stat(path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(KernelFileSystemTest, another_process_finds_the_file_in_use) {
  const auto opened = files_.open(path("a"), {.create = true, .create_size_bytes = 4096});
  ASSERT_TRUE(opened.ok());
  const pid_t child = fork();
  if (child == 0) _exit(KernelFileSystem().open(path("a"), {}).errc() == Errc::in_use ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ballast
