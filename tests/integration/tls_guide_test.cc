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
  client.type("420000\n");
  client.wait_for("420000\n");  // s_client prints a ticket meanwhile
  client.type("1");             // half a line goes along
  const auto plan = supervisor.plan(secure);
  EXPECT_EQ(plan.status, 0) << plan.describe();
  const auto upgrade = supervisor.upgrade(secure);
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  client.type("0\n");
  client.wait_for("\n420010\n");
  client.type("K\n");  // new keys for both directions
  client.wait_for("KEYUPDATE");
  const auto again = supervisor.upgrade(secure);
  ASSERT_EQ(again.status, 0) << again.describe();
  client.type("7\n");
  client.wait_for("\n420017\n");
}

}  // namespace
}  // namespace handoff::test
