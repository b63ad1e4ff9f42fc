// The path of a Unix listener that somebody removes or replaces: it is noticed, and it is made
// again as another name of the same socket, so that nothing that waits in it is lost.
#include "supervisor/listeners/socket_path.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "libhandoff/sys/socket.h"
#include "listener_tools.h"
#include "supervisor/listeners/listeners.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class SocketPathTest : public testing::Test {
 protected:
  SocketPathTest() { fs::create_directory(scratch_ / "app"); }

  core::Address address() const { return *core::parse_address("unix:" + path_); }
  UniqueFd bind() const {
    auto fd = io::bind_address(address());
    EXPECT_TRUE(fd) << fd.error().message;
    return std::move(*fd);
  }
  UniqueFd connect() const {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path_.copy(to.sun_path, sizeof to.sun_path - 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) return {};
    return fd;
  }
  static bool accepts(const UniqueFd& listener) {
    return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)).valid();
  }
  // All names in the test's folder.
  std::size_t names() const {
    std::size_t out = 0;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_.path())) {
      out += entry.is_socket() ? 1 : 0;
    }
    return out;
  }

  NamedAddress at(const std::string& leaf) const {
    return named("public", "unix:" + (scratch_ / ("app/" + leaf)));
  }
  static std::vector<NamedFd> report(const Listener& one) {
    return list(NamedFd{one.name(), one.address(), one.inode(), one.device()});
  }

  test::TempDir scratch_;
  const std::string path_ = scratch_ / "app/public.sock";
  const std::string spare_ = scratch_ / "run/chat:public";
};

TEST_F(SocketPathTest, OneThatWasRemovedIsMadeAgainAndIsTheSameSocket) {
  fs::create_directory(scratch_ / "run");
  const UniqueFd listener = bind();
  SocketPath socket(path_, spare_, true);
  EXPECT_EQ(socket.problem(), "");
  const UniqueFd waiting = connect();
  ASSERT_TRUE(waiting.valid());
  fs::remove(path_);
  EXPECT_FALSE(connect().valid());
  EXPECT_NE(socket.problem().find("removed " + path_), std::string::npos) << socket.problem();
  EXPECT_FALSE(socket.lost());
  const auto mended = socket.mend();
  ASSERT_TRUE(mended) << mended.error().message;
  EXPECT_TRUE(*mended);
  EXPECT_EQ(socket.problem(), "");
  const UniqueFd another = connect();
  EXPECT_TRUE(another.valid());
  EXPECT_TRUE(accepts(listener)) << "who waited";
  EXPECT_TRUE(accepts(listener)) << "who has come by the new name";
  EXPECT_FALSE(*socket.mend()) << "there is nothing to mend";
}

TEST_F(SocketPathTest, WithTheFolderGoneAsWellItComesBackWithTheFolder) {
  fs::create_directory(scratch_ / "run");
  const UniqueFd listener = bind();
  SocketPath socket(path_, spare_, true);
  fs::remove_all(scratch_ / "app");
  EXPECT_FALSE(socket.mend());
  fs::create_directory(scratch_ / "app");
  EXPECT_TRUE(socket.mend());
  EXPECT_TRUE(connect().valid());
}

// Another file system, say.
TEST_F(SocketPathTest, WhereTheRuntimeFolderWillNotDoTheNameLiesBesideThePath) {
  const UniqueFd listener = bind();
  SocketPath socket(path_, "/proc/nowhere/chat:public", true);
  fs::remove(path_);
  EXPECT_TRUE(socket.mend());
  EXPECT_TRUE(connect().valid());
}

TEST_F(SocketPathTest, WithoutAnyNameItIsLostAndThatIsSaid) {
  const UniqueFd listener = bind();
  SocketPath socket(path_, "", true);
  fs::remove_all(scratch_ / "app");
  EXPECT_TRUE(socket.lost());
  EXPECT_NE(socket.problem().find("no other name"), std::string::npos) << socket.problem();
  EXPECT_FALSE(socket.mend());
}

TEST_F(SocketPathTest, AnotherFileThatSomebodyHasPutThereStays) {
  const UniqueFd listener = bind();
  SocketPath socket(path_, "", true);
  fs::remove(path_);
  const UniqueFd others = bind();
  EXPECT_NE(socket.problem().find("another file"), std::string::npos) << socket.problem();
  EXPECT_FALSE(socket.mend()) << "somebody listens there";
  EXPECT_TRUE(connect().valid());
  EXPECT_TRUE(accepts(others));
  fs::remove(path_);
  test::write_file(path_, "precious");
  EXPECT_FALSE(socket.mend());
  EXPECT_EQ(test::read_file(path_), "precious");
}

TEST_F(SocketPathTest, ASocketThatNobodyListensOnMakesWay) {
  const UniqueFd listener = bind();
  SocketPath socket(path_, "", true);
  fs::remove(path_);
  bind();  // and closed
  const auto mended = socket.mend();
  ASSERT_TRUE(mended) << mended.error().message;
  EXPECT_TRUE(connect().valid());
  EXPECT_TRUE(accepts(listener));
}

TEST_F(SocketPathTest, TheNextSupervisorKnowsItByItsOtherName) {
  fs::create_directory(scratch_ / "run");
  const UniqueFd listener = bind();
  auto* killed = new SocketPath(path_, spare_, true);  // its supervisor runs no destructors
  fs::remove(path_);
  SocketPath next(path_, spare_, false);
  EXPECT_NE(next.problem(), "");
  EXPECT_TRUE(next.mend());
  EXPECT_TRUE(connect().valid());
  EXPECT_TRUE(accepts(listener));
  delete killed;
}

TEST_F(SocketPathTest, TheEndRemovesBothNamesAndNothingOfAnybodyElse) {
  fs::create_directory(scratch_ / "run");
  {
    const UniqueFd listener = bind();
    const SocketPath socket(path_, spare_, true);
    EXPECT_EQ(names(), 2U);
  }
  EXPECT_EQ(names(), 0U);
  const UniqueFd others = [this] {
    const UniqueFd listener = bind();
    const SocketPath socket(path_, spare_, true);
    fs::remove(path_);
    return bind();
  }();
  EXPECT_TRUE(connect().valid());
}

// ---- the listeners of a service

TEST_F(SocketPathTest, AListenerIsTakenWhateverHasBecomeOfItsPath) {
  const UniqueFd listener = bind();
  fs::remove(path_);
  const auto taken = Listener::adopt({"public", address()}, UniqueFd(::dup(listener.get())));
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_TRUE(taken->path().lost());
}

TEST_F(SocketPathTest, AStartFromNothingBindsALostOneAgain) {
  Notify notify;
  Listeners listeners("chat", {{"public", address()}}, notify);
  ASSERT_TRUE(listeners.bind_missing());
  fs::remove_all(scratch_ / "app");
  fs::create_directory(scratch_ / "app");
  EXPECT_TRUE(listeners.json().at(0).at("problem").is_string());
  ASSERT_TRUE(listeners.bind_missing());
  EXPECT_TRUE(listeners.json().at(0).at("problem").is_null());
  EXPECT_TRUE(connect().valid());
}

TEST_F(SocketPathTest, TheListenersSayWhatWasMended) {
  fs::create_directory(scratch_ / "run");
  Notify notify;
  Listeners listeners("chat", {{"public", address()}}, notify, scratch_ / "run/services.sock");
  ASSERT_TRUE(listeners.bind_missing());
  EXPECT_TRUE(listeners.mend_paths().empty());
  fs::remove(path_);
  const auto mended = listeners.mend_paths();
  ASSERT_EQ(mended.size(), 1U);
  EXPECT_TRUE(mended[0].done) << mended[0].what;
  EXPECT_NE(mended[0].what.find("same socket"), std::string::npos) << mended[0].what;
}

// Seen: the names were told apart by who came first, so that after a kill in mid-move the new
// socket had that of the old one: another file lay at its path, said status, and nobody could mend
// that.
TEST_F(SocketPathTest, TheNextSupervisorKnowsEachSocketOfAListenerThatMoves) {
  Notify notify;
  const std::string report_path = scratch_ / "run/services.sock";
  fs::create_directory(scratch_ / "run");
  auto* killed = new Listeners("chat", {at("public.sock")}, notify, report_path);
  ASSERT_TRUE(killed->bind_missing());
  const auto donor = report(*killed->here()[0]);
  killed->want({at("moved.sock")}, true);
  ASSERT_TRUE(killed->bind_for_heir(donor, true));
  EXPECT_EQ(names(), 4U);
  const UniqueFd its(::dup(killed->for_heir(donor, true).moved[0]->fd()));
  Listeners next("chat", {at("moved.sock")}, notify, report_path);
  auto shows = list(shown("public", its));
  next.take_shown(shows);
  EXPECT_TRUE(next.json().at(0).at("problem").is_null()) << next.json();
  fs::remove(scratch_ / "app/moved.sock");
  const auto mended = next.mend_paths();
  ASSERT_EQ(mended.size(), 1U);
  EXPECT_TRUE(mended[0].done) << mended[0].what;
  EXPECT_TRUE(io::connect_address(at("moved.sock").address));
  EXPECT_TRUE(accepts(its));
  delete killed;
}

// Seen: the one of the move before was still taken.
TEST_F(SocketPathTest, EachMoveHasANameInTheRuntimeFolder) {
  Notify notify;
  fs::create_directory(scratch_ / "run");
  Listeners listeners("chat", {at("0.sock")}, notify, scratch_ / "run/services.sock");
  ASSERT_TRUE(listeners.bind_missing());
  for (const std::string to : {"1.sock", "2.sock", "3.sock"}) {
    const auto donor = report(*listeners.here()[0]);
    listeners.want({at(to)}, true);
    ASSERT_TRUE(listeners.bind_for_heir(donor, true)) << to;
    listeners.settle(report(*listeners.for_heir(donor, true).moved[0]));
    EXPECT_EQ(listeners.take_replaced().size(), 1U) << to;
    EXPECT_EQ(names(), 2U) << to;
    EXPECT_FALSE(fs::exists(scratch_ / ("app/." + to + ".handoff"))) << to;
  }
}

}  // namespace
}  // namespace handoff::supervisor
