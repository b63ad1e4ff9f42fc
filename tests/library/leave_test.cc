// handoff_leave(): what the supervisor hears of it.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "handover_fixture.h"
#include "support/clients/line_client.h"

namespace handoff::test {
namespace {

using protocol::Type;

class LeaveTest : public HandoverTest {
 protected:
  static LineServiceOptions leaving() {
    LineServiceOptions options;
    options.adjust = [](Service& s) { own_ = &s; };
    options.answer = [](const std::string& line) -> std::optional<std::string> {
      if (line == "leave") own_->leave("all is done");
      return std::nullopt;
    };
    return options;
  }
  static Service* own_;
};
Service* LeaveTest::own_ = nullptr;

TEST_F(LeaveTest, IsToldAtOnceAndWithEachAnswer) {
  auto child = start(leaving());
  LineClient client(address("public"));
  v1::Query query;
  query.set_id(7);
  send(child->control(), Type::kQuery, query);
  EXPECT_FALSE(child->await_message<v1::Status>(Type::kStatus).has_leaving());
  client.send("leave\n");
  EXPECT_EQ("1 leave\n", client.line());
  auto said = child->await_message<v1::Status>(Type::kStatus);
  EXPECT_EQ(0U, said.query_id()) << "the answer to no question";
  EXPECT_EQ("all is done", said.leaving().why());
  EXPECT_EQ(1U, said.sessions());
  send(child->control(), Type::kQuery, query);
  said = child->await_message<v1::Status>(Type::kStatus);
  EXPECT_EQ(7U, said.query_id());
  EXPECT_EQ("all is done", said.leaving().why());
}

// Not only with a handle.
TEST_F(LeaveTest, AProcessKnowsItsSupervisorBeforeItOpensTheService) {
  EXPECT_FALSE(Service::has_supervisor());
  ServiceProcess child(1, [] {
    if (!Service::has_supervisor()) return 4;
    const auto service = Service::open({.name = "test", .version = "1"});
    if (!Service::has_supervisor() || !service->supervised()) return 5;
    const pid_t grandchild = ::fork();
    if (grandchild == 0) ::_exit(Service::has_supervisor() ? 6 : 0);
    int status = 0;
    if (::waitpid(grandchild, &status, 0) != grandchild || status != 0) return 6;
    return 0;
  });
  EXPECT_EQ(0, child.wait());
}

TEST_F(LeaveTest, IsForTheOwnerAlone) {
  auto options = Options{.name = "test", .version = "1"};
  auto service = Service::open(options);
  EXPECT_THROW(service->leave("too early"), Exception);
  service->ready();
  service->leave("nobody hears it");
}

}  // namespace
}  // namespace handoff::test
