// The C ABI without a supervisor: what it refuses, and with which words.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "handoff/handoff.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::test {
namespace {

handoff_options options(const char* name = "api", const char* version = "1") {
  handoff_options o{};
  o.size = sizeof o;
  o.name = name;
  o.version = version;
  return o;
}

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto o = options();
    ASSERT_EQ(0, handoff_open(&h_, &o));
  }
  void TearDown() override { handoff_close(h_); }
  handoff_t* h_ = nullptr;
};

TEST(ApiOpenTest, RefusesOptionsThatCantBe) {
  handoff_t* h = nullptr;
  EXPECT_EQ(-EINVAL, handoff_open(nullptr, nullptr));
  EXPECT_EQ(-EINVAL, handoff_open(&h, nullptr));
  const std::string too_long(65, 'x');
  for (auto o : {options(nullptr), options("api", nullptr), options(""), options("a b"),
                 options("api", "1.0\n"), options(too_long.c_str())}) {
    EXPECT_EQ(-EINVAL, handoff_open(&h, &o));
    EXPECT_EQ(nullptr, h);
  }
  auto small = options();
  small.size = 8;
  EXPECT_EQ(-EINVAL, handoff_open(&h, &small));
  auto lanes = options();
  lanes.lanes = 65;
  EXPECT_EQ(-EINVAL, handoff_open(&h, &lanes));
  handoff_close(nullptr);
}

TEST(ApiOpenTest, TellsItsLogWhy) {
  std::string said;
  auto o = options("not a name");
  o.user = &said;
  o.log = [](void* user, int, const char* text) { *static_cast<std::string*>(user) = text; };
  handoff_t* h = nullptr;
  EXPECT_EQ(-EINVAL, handoff_open(&h, &o));
  EXPECT_NE(std::string::npos, said.find("'not a name'"));
}

TEST(ApiOpenTest, VariablesOfAnotherProcessAreNotForThisOne) {
  ::setenv("HANDOFF_FD", "0", 1);
  ::setenv("HANDOFF_PID", "1", 1);
  auto o = options();
  std::string said;
  o.user = &said;
  o.log = [](void* user, int, const char* text) { *static_cast<std::string*>(user) += text; };
  handoff_t* h = nullptr;
  EXPECT_EQ(0, handoff_open(&h, &o));
  EXPECT_EQ(0, handoff_supervised(h));
  EXPECT_NE(std::string::npos, said.find("HANDOFF_PID of its environment is 1, and only")) << said;
  EXPECT_EQ(nullptr, std::getenv("HANDOFF_FD")) << "its children are not told so, too";
  handoff_close(h);
  // The pid is right, and the fd is no control socket: an error, not a guess.
  ::setenv("HANDOFF_FD", "0", 1);
  ::setenv("HANDOFF_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(-EBADF, handoff_open(&h, &o));
  EXPECT_EQ(nullptr, std::getenv("HANDOFF_FD")) << "children must not try it, too";
}

TEST(ApiTestNoHandle, EveryFunctionTakesANullHandle) {
  EXPECT_EQ(-EINVAL, handoff_session_process(nullptr, 1, 1));
  EXPECT_EQ(-EINVAL, handoff_ready(nullptr));
  EXPECT_EQ(-EINVAL, handoff_wait(nullptr, 0));
  EXPECT_EQ(-EINVAL, handoff_dispatch(nullptr));
  EXPECT_EQ(-EINVAL, handoff_fd(nullptr));
  EXPECT_EQ(-EINVAL, handoff_named_fd(nullptr, "x"));
  EXPECT_EQ(nullptr, handoff_named_address(nullptr, "x"));
  EXPECT_EQ(HANDOFF_STATE_FAILED, handoff_state(nullptr));
  EXPECT_EQ(0U, handoff_session_count(nullptr));
  EXPECT_STREQ("", handoff_last_error(nullptr));
  EXPECT_EQ(-EINVAL, handoff_save_state(nullptr, "x", 1));
  EXPECT_EQ(-EINVAL, handoff_buffer_append(nullptr, "x", 1));
}

TEST(ApiLanesTest, EachLaneHasAHandleAndDeclarationsAreTheFirstOnes) {
  auto o = options();
  o.lanes = 3;
  handoff_t* h = nullptr;
  ASSERT_EQ(0, handoff_open(&h, &o));
  handoff_t* lane = nullptr;
  ASSERT_EQ(0, handoff_lane(h, 0, &lane));
  EXPECT_EQ(h, lane);
  EXPECT_EQ(-EINVAL, handoff_lane(h, 3, &lane));
  EXPECT_EQ(nullptr, lane);
  EXPECT_EQ(-EINVAL, handoff_lane(h, 1, nullptr));
  EXPECT_EQ(-EINVAL, handoff_lane(nullptr, 0, &lane));
  handoff_t* second = nullptr;
  ASSERT_EQ(0, handoff_lane(h, 1, &second));
  EXPECT_EQ(-EINVAL, handoff_lane(second, 0, &lane)) << "a lane has no lanes";
  EXPECT_NE(handoff_fd(h), handoff_fd(second));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_listener(second, "public", "tcp:127.0.0.1:0"));
  EXPECT_NE(nullptr, strstr(handoff_last_error(second), "the service's own handle"));
  EXPECT_STREQ("", handoff_last_error(h));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_ready(second));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_health(second, 1, nullptr));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_wait(second, 0));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_dispatch(second));
  EXPECT_EQ(HANDOFF_STATE_DECLARING, handoff_state(second));
  handoff_callbacks c{};
  c.size = sizeof c;
  EXPECT_EQ(0, handoff_set_callbacks(second, &c, nullptr));
  ASSERT_EQ(0, handoff_ready(h));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_set_callbacks(second, &c, nullptr));
  EXPECT_EQ(HANDOFF_STATE_OWNER, handoff_state(second));
  EXPECT_EQ(0, handoff_wait(second, -1));
  EXPECT_EQ(0, handoff_dispatch(second));
  EXPECT_EQ(0, handoff_errors(second, 1));
  handoff_close(second);  // does nothing
  EXPECT_EQ(HANDOFF_STATE_OWNER, handoff_state(h));
  handoff_close(h);
}

TEST(ApiLanesTest, SessionsBelongToTheirLaneAndAreHeldIfAllLanesCan) {
  auto o = options();
  o.lanes = 2;
  handoff_t* h = nullptr;
  ASSERT_EQ(0, handoff_open(&h, &o));
  handoff_t* second = nullptr;
  ASSERT_EQ(0, handoff_lane(h, 1, &second));
  ASSERT_EQ(0, handoff_ready(h));
  int fds[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  const UniqueFd a(fds[0]), b(fds[1]);
  uint64_t first = 0, other = 0;
  ASSERT_EQ(0, handoff_session_open(h, a.get(), nullptr, &first));
  ASSERT_EQ(0, handoff_session_open(second, b.get(), nullptr, &other));
  EXPECT_NE(first, other) << "an id is one session's alone, in all lanes";
  EXPECT_EQ(1U, handoff_session_count(h));
  EXPECT_EQ(1U, handoff_session_count(second));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_session_touch(second, first));
  EXPECT_EQ(0, handoff_session_touch(second, other));
  EXPECT_EQ(HANDOFF_ERR_REJECTED, handoff_session_hold(second, other));
  EXPECT_NE(nullptr, strstr(handoff_last_error(second), "in all lanes"));
  EXPECT_EQ(0, handoff_session_closed(second, other));
  EXPECT_EQ(0U, handoff_session_count(second));
  handoff_close(h);
}

TEST_F(ApiTest, APutIsCheckedAndThatOfAnOlderProgramTaken) {
  handoff_put put{};
  put.size = offsetof(handoff_put, input_position);
  EXPECT_EQ(0, handoff_session_put(h_, 1, &put));
  --put.size;
  EXPECT_EQ(-EINVAL, handoff_session_put(h_, 1, &put));
  put.size = sizeof put;
  EXPECT_EQ(0, handoff_session_put(h_, 1, &put));
  put.placed = 2;
  EXPECT_EQ(-EINVAL, handoff_session_put(h_, 1, &put)) << "an unknown flag";
  put.placed = HANDOFF_PUT_PLACED;
  put.input = "ab";
  put.input_length = 2;
  put.input_position = UINT64_MAX - 1;
  EXPECT_EQ(-EINVAL, handoff_session_put(h_, 1, &put)) << "no stream is so long";
  put.input_position = 5;
  EXPECT_EQ(0, handoff_session_put(h_, 1, &put));
  const std::string layer(HANDOFF_LAYER_MAX + 1, 'k');
  put.layer = layer.data();
  put.layer_length = layer.size();
  EXPECT_EQ(-E2BIG, handoff_session_put(h_, 1, &put));
  --put.layer_length;
  EXPECT_EQ(0, handoff_session_put(h_, 1, &put));
}

TEST_F(ApiTest, DeclarationsAreCheckedAndSayWhatIsWrong) {
  EXPECT_EQ(0, handoff_listener(h_, "public", "tcp:127.0.0.1:0"));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_listener(h_, "public", "tcp:127.0.0.1:0"));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_claim(h_, "public"));
  EXPECT_EQ(-EINVAL, handoff_listener(h_, "other", "tcp:localhost:80"));
  EXPECT_NE(nullptr, strstr(handoff_last_error(h_), "names are not looked up"));
  EXPECT_EQ(-EINVAL, handoff_listener(h_, "a b", "tcp:127.0.0.1:0"));
  EXPECT_EQ(-EINVAL, handoff_listener(h_, "other", ""));
  EXPECT_EQ(-EINVAL, handoff_kind(h_, "admin", 0));
  EXPECT_EQ(0, handoff_kind(h_, "admin", 3));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_kind(h_, "admin", 3));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_kind(h_, "session", 1)) << "it is there already";
  const auto convert = [](void*, const void*, size_t, handoff_buffer_t*) { return 0; };
  EXPECT_EQ(0, handoff_state_step(h_, "admin", 2, 3, convert, nullptr));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_state_step(h_, "admin", 2, 3, convert, nullptr));
  EXPECT_EQ(-EINVAL, handoff_state_step(h_, "admin", 1, 3, convert, nullptr));
  EXPECT_EQ(-EINVAL, handoff_state_step(h_, "admin", 0, 1, convert, nullptr));
  EXPECT_EQ(-EINVAL, handoff_state_step(h_, "admin", 3, 2, nullptr, nullptr));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_state_step(h_, "nobody", 1, 2, convert, nullptr));
  handoff_section_ops incomplete{};
  incomplete.size = sizeof incomplete;
  const uint32_t one[] = {1};
  EXPECT_EQ(-EINVAL, handoff_section(h_, "data", one, 1, one, 1, &incomplete, nullptr));
}

TEST_F(ApiTest, CallsOutOfOrderAreRefused) {
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_wait(h_, 0));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_dispatch(h_));
  uint64_t id = 0;
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_session_open(h_, 0, nullptr, &id));
  ASSERT_EQ(0, handoff_ready(h_));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_ready(h_));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_listener(h_, "late", "tcp:127.0.0.1:0"));
  EXPECT_EQ(0, handoff_wait(h_, -1));
  EXPECT_EQ(0, handoff_dispatch(h_));
  EXPECT_EQ(HANDOFF_STATE_OWNER, handoff_state(h_));
}

TEST_F(ApiTest, AListenerThatCantBeBoundIsAnErrorThatNamesIt) {
  const auto o = options();
  handoff_t* first = nullptr;
  ASSERT_EQ(0, handoff_open(&first, &o));
  ASSERT_EQ(0, handoff_listener(first, "public", "tcp:127.0.0.1:0"));
  ASSERT_EQ(0, handoff_ready(first));
  const std::string address = handoff_named_address(first, "public");
  ASSERT_EQ(0, handoff_listener(h_, "public", address.c_str()));
  EXPECT_EQ(-EADDRINUSE, handoff_ready(h_));
  EXPECT_NE(nullptr, strstr(handoff_last_error(h_), address.c_str()));
  handoff_close(first);
  EXPECT_EQ(0, handoff_ready(h_)) << "it can be tried again";
}

// The supervisor has bound the address for the process that it started, which has started this one.
TEST_F(ApiTest, AListenerThatCantBeBoundForWantOfExecSaysSo) {
  ASSERT_EQ(0, handoff_listener(h_, "public", "tcp:127.0.0.1:0"));
  ASSERT_EQ(0, handoff_ready(h_));
  ::setenv("HANDOFF_FD", "0", 1);
  ::setenv("HANDOFF_PID", std::to_string(::getppid()).c_str(), 1);
  const auto o = options();
  handoff_t* child = nullptr;
  ASSERT_EQ(0, handoff_open(&child, &o));
  ASSERT_EQ(0, handoff_listener(child, "public", handoff_named_address(h_, "public")));
  EXPECT_EQ(-EADDRINUSE, handoff_ready(child));
  EXPECT_NE(nullptr, strstr(handoff_last_error(child), "has to `exec` the program"))
      << handoff_last_error(child);
  handoff_close(child);
}

TEST_F(ApiTest, NamedFdsHaveOneOwner) {
  ASSERT_EQ(0, handoff_claim(h_, "log"));
  ASSERT_EQ(0, handoff_ready(h_));
  EXPECT_EQ(-ENOENT, handoff_named_fd(h_, "log"));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_named_fd(h_, "other"));
  const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  EXPECT_EQ(0, handoff_attach(h_, "log", fd));
  EXPECT_EQ(fd, handoff_named_fd(h_, "log"));
  const UniqueFd second(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_attach(h_, "log", second.get()));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_attach(h_, "other", second.get()));
  EXPECT_EQ(-EINVAL, handoff_attach(h_, nullptr, second.get()));
  EXPECT_EQ(-EINVAL, handoff_attach(nullptr, "log", second.get()));
  EXPECT_NE(-1, ::fcntl(second.get(), F_GETFD)) << "it fails, so the fd is the caller's";
  EXPECT_EQ(-EINVAL, handoff_attach(h_, "log", -1));
}

TEST_F(ApiTest, AnFdThatWasAttachedCanBeTakenBack) {
  ASSERT_EQ(0, handoff_claim(h_, "log"));
  ASSERT_EQ(0, handoff_listener(h_, "public", "tcp:127.0.0.1:0"));
  ASSERT_EQ(0, handoff_ready(h_));
  EXPECT_EQ(-ENOENT, handoff_detach(h_, "log"));
  const UniqueFd fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(0, handoff_attach(h_, "log", fd.get()));
  EXPECT_EQ(fd.get(), handoff_detach(h_, "log"));
  EXPECT_NE(-1, ::fcntl(fd.get(), F_GETFD));
  EXPECT_EQ(-ENOENT, handoff_named_fd(h_, "log"));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_detach(h_, "other"));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_detach(h_, "public")) << "a listener was not attached";
  EXPECT_EQ(-EINVAL, handoff_detach(h_, nullptr));
  EXPECT_EQ(-EINVAL, handoff_detach(nullptr, "log"));
}

TEST_F(ApiTest, SessionsHaveIdsAndEndOnce) {
  ASSERT_EQ(0, handoff_ready(h_));
  int pair[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  const UniqueFd a(pair[0]), b(pair[1]);
  uint64_t one = 0, two = 0;
  EXPECT_EQ(0, handoff_session_open(h_, a.get(), nullptr, &one));
  EXPECT_EQ(0, handoff_session_open(h_, b.get(), nullptr, &two));
  EXPECT_NE(0U, one);
  EXPECT_NE(one, two);
  EXPECT_EQ(2U, handoff_session_count(h_));
  EXPECT_EQ(0, handoff_session_touch(h_, one));
  EXPECT_EQ(0, handoff_session_closed(h_, one));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_session_closed(h_, one));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_session_touch(h_, one));
  EXPECT_EQ(1U, handoff_session_count(h_));
  EXPECT_EQ(-EBADF, handoff_session_open(h_, -1, nullptr, &one));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_session_open(h_, b.get(), nullptr, &one));
  // A socket whose session has ended, and one under the number of another that was closed without a
  // word.
  EXPECT_EQ(0, handoff_session_open(h_, a.get(), nullptr, &one));
  ASSERT_EQ(a.get(), ::dup2(b.get(), a.get()));
  EXPECT_EQ(0, handoff_session_open(h_, a.get(), nullptr, &two));
  EXPECT_EQ(3U, handoff_session_count(h_));
  handoff_session_options o{};
  o.size = sizeof o;
  o.kind = "nobody";
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_session_open(h_, a.get(), &o, &one));
  o.kind = nullptr;
  o.flags = 1U << 31;
  EXPECT_EQ(-EINVAL, handoff_session_open(h_, a.get(), &o, &one));
}

TEST(ApiErrorTest, EveryResultHasADescription) {
  for (const int code :
       {0, HANDOFF_ERR_ABORTED, HANDOFF_ERR_PROTOCOL, HANDOFF_ERR_ORDER, HANDOFF_ERR_DUPLICATE,
        HANDOFF_ERR_UNKNOWN, HANDOFF_ERR_VERSION, HANDOFF_ERR_IDENTITY, HANDOFF_ERR_REJECTED,
        HANDOFF_ERR_INTERNAL, -EINVAL, -EMFILE}) {
    EXPECT_STRNE("unknown error", handoff_strerror(code)) << code;
  }
  EXPECT_STREQ("unknown error", handoff_strerror(-99999));
  EXPECT_STREQ("unknown error", handoff_strerror(7));
  EXPECT_STREQ(HANDOFF_VERSION, handoff_version());
}

int declare_region(handoff_t* h, const char* name, std::uint32_t version = 1,
                   std::size_t max_size = 1 << 20) {
  const std::uint32_t reads[] = {1, 2};
  return handoff_region(h, name, reads, 2, version, max_size, nullptr, nullptr);
}

TEST_F(ApiTest, RefusesRegionsThatCantBe) {
  const std::uint32_t reads[] = {1};
  EXPECT_EQ(-EINVAL, handoff_region(h_, nullptr, reads, 1, 1, 4096, nullptr, nullptr));
  EXPECT_EQ(-EINVAL, handoff_region(h_, "table", nullptr, 1, 1, 4096, nullptr, nullptr));
  EXPECT_EQ(-EINVAL, handoff_region(h_, "table", reads, 0, 1, 4096, nullptr, nullptr));
  handoff_region_ops small{};
  small.size = 8;
  EXPECT_EQ(-EINVAL, handoff_region(h_, "table", reads, 1, 1, 4096, &small, nullptr));
  EXPECT_EQ(-EINVAL, declare_region(h_, "a table"));
  EXPECT_EQ(-EINVAL, declare_region(h_, "table", 0));
  EXPECT_EQ(-EINVAL, declare_region(h_, "table", 1, 0));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, declare_region(h_, "session"));
  EXPECT_EQ(0, declare_region(h_, "table"));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, declare_region(h_, "table"));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_kind(h_, "table", 1));
}

TEST_F(ApiTest, ARegionIsThereOnceTheServiceIsReady) {
  ASSERT_EQ(0, declare_region(h_, "table", 2));
  EXPECT_EQ(nullptr, handoff_region_data(h_, "table"));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_region_grow(h_, "table", 10));
  ASSERT_EQ(0, handoff_ready(h_));
  EXPECT_EQ(HANDOFF_ERR_ORDER, declare_region(h_, "other"));
  EXPECT_NE(nullptr, handoff_region_data(h_, "table"));
  EXPECT_EQ(0U, handoff_region_size(h_, "table"));
  EXPECT_EQ(0, handoff_region_adopted(h_, "table"));
  EXPECT_EQ(2U, handoff_region_version(h_, "table"));
  ASSERT_EQ(0, handoff_region_grow(h_, "table", 10));
  std::memset(handoff_region_data(h_, "table"), 'x', 10);
  EXPECT_EQ(10U, handoff_region_size(h_, "table"));
  EXPECT_EQ(-EFBIG, handoff_region_grow(h_, "table", (1 << 20) + 1));
  EXPECT_NE(nullptr, std::strstr(handoff_last_error(h_), "declared for 1048576 bytes"));
  EXPECT_EQ(0, handoff_region_set_version(h_, "table", 1));
  EXPECT_EQ(1U, handoff_region_version(h_, "table"));
  EXPECT_EQ(-EINVAL, handoff_region_set_version(h_, "table", 3));
}

TEST_F(ApiTest, ARegionThatWasNotDeclaredIsUnknown) {
  ASSERT_EQ(0, handoff_ready(h_));
  EXPECT_EQ(nullptr, handoff_region_data(h_, "table"));
  EXPECT_EQ(0U, handoff_region_size(h_, "table"));
  EXPECT_EQ(0U, handoff_region_version(h_, "table"));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_region_grow(h_, "table", 10));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_region_set_version(h_, "table", 1));
  EXPECT_EQ(-EINVAL, handoff_region_grow(h_, nullptr, 10));
}

}  // namespace
}  // namespace handoff::test
