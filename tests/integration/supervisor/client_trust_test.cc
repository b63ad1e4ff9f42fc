// Whom a command asks: a supervisor of its own user or of root's. Root asks that of the folder's
// owner, too.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "fixture.h"
#include "support/clients/sockets.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kStranger = 65534;

class ClientTrustTest : public SupervisorTest {
 protected:
  std::string control() const { return supervisor.runtime() + "/control.sock"; }
};

// A socket at that path of which that user is the listener, as a client sees it.
UniqueFd listen_as(uid_t uid, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      ::chmod(path.c_str(), 0777) < 0 || ::seteuid(uid) < 0) {
    return {};
  }
  const bool listens = ::listen(fd.get(), 8) == 0;
  return ::seteuid(0) == 0 && listens ? std::move(fd) : UniqueFd();
}

// What it was told by the clients that have come.
std::string told(const UniqueFd& listener) {
  std::string out;
  for (;;) {
    const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) return out;
    out += read_to_end(client.get());
  }
}

// What listens there could be asked to execute any file, and would be believed.
TEST_F(ClientTrustTest, AClientAsksNobodyWhoIsNeitherItsUserNorRoot) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can act as another user";
  fs::create_directory(supervisor.runtime());
  ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0700), 0);
  const UniqueFd impostor = listen_as(kStranger, control());
  ASSERT_TRUE(impostor.valid());
  for (std::vector<std::string> words : std::vector<std::vector<std::string>>{
           {"status"}, {"stop", "chat"}, {"upgrade", "chat", "/bin/true"}}) {
    words.insert(words.begin(), {"/usr/bin/timeout", "20", program("handoff")});
    const Outcome asked = test::run(words, {{"HANDOFF_RUNTIME_DIR", supervisor.runtime()}});
    EXPECT_EQ(asked.status, 3) << asked.describe();
    EXPECT_NE(asked.err.find("belongs to uid 65534, neither to uid 0 nor to root"),
              std::string::npos)
        << asked.err;
  }
  EXPECT_EQ(told(impostor), "");
}

// Fills its queue, as whoever wants clients to wait does.
std::vector<UniqueFd> fill(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  std::vector<UniqueFd> out;
  for (;;) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
      EXPECT_EQ(errno, EAGAIN);
      return out;
    }
    out.push_back(std::move(fd));
  }
}

TEST_F(ClientTrustTest, AClientDoesNotWaitForWhoTakesNoConnection) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can act as another user";
  fs::create_directory(supervisor.runtime());
  ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0700), 0);
  const UniqueFd hangs = listen_as(0, control());
  ASSERT_TRUE(hangs.valid());
  const auto queue = fill(control());
  ASSERT_FALSE(queue.empty());
  const Outcome asked = test::run({"/usr/bin/timeout", "60", program("handoff"), "status"},
                                  {{"HANDOFF_RUNTIME_DIR", supervisor.runtime()}});
  EXPECT_EQ(asked.status, 3) << asked.describe();
  EXPECT_NE(asked.err.find("took no connection for 5 s"), std::string::npos) << asked.err;
  const Outcome doctor = test::run({"/usr/bin/timeout", "60", program("handoff"), "doctor"},
                                   {{"HANDOFF_RUNTIME_DIR", supervisor.runtime()}});
  EXPECT_NE(doctor.out.find("took no connection for 5 s"), std::string::npos) << doctor.out;
}

// The folder's owner can put another socket there at any time.
TEST_F(ClientTrustTest, AClientAsksNobodyInAFolderOfAnotherUser) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can act as another user";
  constexpr uid_t kOther = 65533;
  fs::create_directory(supervisor.runtime());
  const UniqueFd its_own = listen_as(kStranger, control());
  ASSERT_TRUE(its_own.valid());
  auto queue = fill(control());  // the folder is looked at first
  ASSERT_FALSE(queue.empty());
  ASSERT_EQ(::chown(supervisor.runtime().c_str(), kOther, kOther), 0);
  ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(supervisor.dir().path().c_str(), 0755), 0);
  const Outcome asked =
      test::run({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                 "/usr/bin/timeout", "20", program("handoff"), "status"},
                {{"HANDOFF_RUNTIME_DIR", supervisor.runtime()}});
  EXPECT_EQ(asked.status, 3) << asked.describe();
  EXPECT_NE(asked.err.find("belongs to uid 65533"), std::string::npos) << asked.err;
  queue.clear();
  EXPECT_EQ(told(its_own), "");
}

}  // namespace
}  // namespace handoff::test
