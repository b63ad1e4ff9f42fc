// A program with more rights than whoever starts it has (AT_SECURE) believes no Start, since
// anybody may have forged it: the rights would be used for them.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <handoff/handoff.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "support/clients/sockets.h"
#include "support/peers/raw_peer.h"
#include "support/process/files.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using protocol::Type;
namespace fs = std::filesystem;

constexpr uid_t kStranger = 65534;
constexpr const char* kOpenedVariable = "SECURE_EXEC_TEST_OPENED";

// This program again, setuid, as a service without a log(): it opens, and makes that file.
const bool kIsService = [] {
  const char* opened = std::getenv(kOpenedVariable);
  if (opened == nullptr) return false;
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  handoff_t* service = nullptr;
  const bool ok = handoff_open(&service, &options) == 0;
  if (ok) write_file(opened, "");
  ::_exit(ok ? 0 : 1);
}();

// Somebody without rights forges a handoff: the donor is a process of root's, whose end they want.
// An heir ends a donor that has left the channel and lives on.
class SecureExecTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "only root can make files setuid, and act as another user";
    fs::copy_file(program("handoff-echo-1"), file_);
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(file_.c_str(), 04755), 0);
    ASSERT_EQ(::mkfifo(words_.c_str(), 0622), 0);
  }

  // Becomes the service; its words go to the FIFO.
  int execute(uid_t as) const { return execute(as, ::open(words_.c_str(), O_WRONLY)); }
  int execute(uid_t as, int words, const char* opens = nullptr) const {
    if (words < 0 || ::dup2(words, STDERR_FILENO) < 0) return 200;
    if (::fcntl(std::atoi(std::getenv("HANDOFF_FD")), F_SETFD, 0) < 0) return 201;
    if (as != 0 && (::setgroups(0, nullptr) < 0 || ::setresgid(as, as, as) < 0 ||
                    ::setresuid(as, as, as) < 0)) {
      return 202;
    }
    if (opens != nullptr) {
      ::setenv(kOpenedVariable, opens, 1);
      ::execl(file_.c_str(), file_.c_str(), nullptr);
    }
    ::execl(file_.c_str(), file_.c_str(), "--name", "test", "--listen", ("unix:" + socket_).c_str(),
            nullptr);
    return 203;
  }
  static void forge(RawDonor& donor) {
    send(donor.channel(), Type::kHello, donor.hello());
    donor.send_listeners();
    ASSERT_EQ(0, ::shutdown(donor.channel().fd(), SHUT_RDWR));
  }
  // What it says, up to that text or its end.
  std::string said(const std::string& text) const {
    const UniqueFd words(::open(words_.c_str(), O_RDONLY | O_CLOEXEC));
    std::string out;
    char byte = 0;
    while (out.find(text) == std::string::npos && readable(words.get()) &&
           ::read(words.get(), &byte, 1) == 1) {
      out += byte;
    }
    return out;
  }

  TempDir dir_;
  std::string file_ = dir_ / "echo-1";
  std::string words_ = dir_ / "words";
  std::string socket_ = dir_ / "socket";
};

// Else the test below shows nothing: the rights are those of whoever starts it, and the same words
// end the donor.
TEST_F(SecureExecTest, AStartOfItsOwnUserIsBelieved) {
  RawDonor donor([this] { return execute(0); });
  forge(donor);
  const std::string words = said("making sure that it is gone\n");
  EXPECT_EQ(words.find("AT_SECURE"), std::string::npos) << words;
  EXPECT_EQ(128 + SIGKILL, donor.process().wait());
}

TEST_F(SecureExecTest, AForgedStartMakesASetuidProgramEndNobody) {
  ::setenv("HANDOFF_FAILPOINT", "no.such.point=kill", 1);  // refused where it is read
  RawDonor donor([this] { return execute(kStranger); });
  ::unsetenv("HANDOFF_FAILPOINT");
  forge(donor);
  const std::string words = said("\n");
  EXPECT_NE(words.find("handoff: " + file_ + " runs with rights"), std::string::npos) << words;
  EXPECT_NE(words.find("AT_SECURE"), std::string::npos) << words;
  EXPECT_NE(words.find("AmbientCapabilities="), std::string::npos) << words;
  // The service runs by itself: the Start was not read, and is not going to be.
  EXPECT_TRUE(wait_for_file(socket_)) << words;
  EXPECT_TRUE(donor.heir().running());
  EXPECT_TRUE(donor.process().running());
}

// handoff_open() waits for nobody, also not for whoever reads what it says.
TEST_F(SecureExecTest, NobodyHasToHearIt) {
  ASSERT_FALSE(kIsService);
  fs::copy_file("/proc/self/exe", file_, fs::copy_options::overwrite_existing);
  ASSERT_EQ(::chmod(file_.c_str(), 04755), 0);
  const std::string opened = dir_ / "opened";
  const auto full = [&] {
    int pipe[2];
    if (::pipe2(pipe, O_NONBLOCK) < 0) return 204;
    const std::string some(4096, 'x');
    while (::write(pipe[1], some.data(), some.size()) > 0) {
    }
    if (::fcntl(pipe[1], F_SETFL, 0) < 0) return 205;
    return execute(kStranger, pipe[1], opened.c_str());
  };
  const auto unread = [&] {
    int pipe[2];
    if (::pipe(pipe) < 0 || ::close(pipe[0]) < 0) return 206;
    (void)::signal(SIGPIPE, SIG_DFL);
    return execute(kStranger, pipe[1], opened.c_str());
  };
  for (const std::function<int()>& start : {std::function<int()>(full), {unread}}) {
    RawDonor donor(start);
    EXPECT_TRUE(wait_for_file(opened));
    EXPECT_EQ(donor.heir().wait(), 0);
    fs::remove(opened);
  }
}

TEST_F(SecureExecTest, TheFdThatIsIgnoredDoesNotReachItsChildren) {
  RawDonor donor([this] { return execute(kStranger); });
  (void)said("\n");
  ASSERT_TRUE(wait_for_file(socket_));
  const std::string proc = "/proc/" + std::to_string(donor.heir().pid());
  const std::string given = read_file(proc + "/environ");
  const std::size_t at = given.find("HANDOFF_FD=");
  ASSERT_NE(at, std::string::npos);
  const int fd = std::atoi(given.c_str() + at + std::string("HANDOFF_FD=").size());
  const std::string info = read_file(proc + "/fdinfo/" + std::to_string(fd));
  const std::size_t flags = info.find("flags:");
  ASSERT_NE(flags, std::string::npos) << info;
  EXPECT_NE(
      std::strtol(info.c_str() + flags + std::string("flags:").size(), nullptr, 8) & O_CLOEXEC, 0)
      << info;
}

}  // namespace
}  // namespace handoff::test
