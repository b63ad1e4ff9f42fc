// The program of the guide's chapter on TLS does what it says, to the client that the guide names.
#include <gtest/gtest.h>

#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"
#include "tls_fixture.h"

namespace handoff::test {
namespace {

TEST(TlsGuideTest, TallyGoesOnUnderOpensslsClient) {
  const Certificate certificate;
  const std::string secure = program("guide-secure");
  Supervisor supervisor(
      {.command = {secure, certificate.path(), certificate.key()}, .name = "tally"});
  Typed client(s_client(supervisor.port(), certificate, {}));
  client.type("5\n");
  client.wait_for("\n5\n");
  client.type("1");  // half a line goes along
  const auto plan = supervisor.plan(secure);
  EXPECT_EQ(plan.status, 0) << plan.describe();
  const auto upgrade = supervisor.upgrade(secure);
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  client.type("0\n");
  client.wait_for("\n15\n");
  client.type("K\n");  // new keys for both directions
  client.wait_for("KEYUPDATE");
  const auto back = supervisor.command({"rollback", "tally"});
  ASSERT_EQ(back.status, 0) << back.describe();
  client.type("7\n");
  client.wait_for("\n22\n");
}

}  // namespace
}  // namespace handoff::test
