// People in the chat see nothing of an upgrade until they ask for it.
#include <gtest/gtest.h>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using ::testing::Test;

std::string chat(int version) { return program("handoff-chat-" + std::to_string(version)); }

class ChatUpgradeTest : public Test {
 protected:
  void upgrade_to(int version) {
    const auto upgrade = supervisor_.upgrade(chat(version));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  }
  LineClient enter(const std::string& nick) {
    LineClient client(supervisor_.port());
    client.say("/nick " + nick);
    client.next_with("You are " + nick);
    return client;
  }

  Supervisor supervisor_{{.command = {chat(1)}, .name = "chat"}};
};

TEST_F(ChatUpgradeTest, TheConversationGoesOn) {
  LineClient ann = enter("ann");
  LineClient bob = enter("bob");
  ann.say("hello");
  bob.next_with("ann: hello");
  ann.send("half a li");  // typed, not yet sent off
  upgrade_to(2);
  ann.send("ne\n");
  EXPECT_TRUE(bob.next().ends_with("ann: half a line"));  // the next line, with nothing before it
  bob.say("still there");
  ann.next_with("bob: still there");
}

TEST_F(ChatUpgradeTest, WhoShowsWhatTheNewReleaseKnows) {
  LineClient ann = enter("ann");
  ann.say("/who");
  ann.next_with("chat 1");
  EXPECT_EQ(ann.next(), "*   ann");
  upgrade_to(2);
  LineClient bob = enter("bob");
  ann.say("/who");
  ann.next_with("chat 2");
  EXPECT_NE(ann.next().find("joined under chat 1"), std::string::npos);
  EXPECT_NE(ann.next().find("joined 0 s ago"), std::string::npos);
  upgrade_to(1);
  ann.say("/who");
  ann.next_with("chat 1");
  EXPECT_EQ(ann.next(), "*   ann");
  EXPECT_EQ(ann.next(), "*   bob");
}

TEST_F(ChatUpgradeTest, RoomsAndHistoryAreKept) {
  LineClient ann = enter("ann");
  ann.say("/join tea");
  ann.say("milk first");
  upgrade_to(2);
  ann.say("/me pours");
  LineClient bob = enter("bob");
  bob.say("/join tea");
  bob.next_with("You are in #tea");
  bob.next_with("ann: milk first");
  bob.next_with("* ann pours");
  upgrade_to(1);
  bob.say("/history 1");
  EXPECT_TRUE(bob.next_with("ann").ends_with("* ann pours"));
}

TEST_F(ChatUpgradeTest, ANameThatIsTakenStaysTaken) {
  LineClient ann = enter("ann");
  upgrade_to(2);
  LineClient impostor(supervisor_.port());
  impostor.say("/nick ann");
  impostor.next_with("is taken");
  ann.say("/quit");
  ann.next_with("Bye, ann");
  EXPECT_TRUE(ann.at_end());
  impostor.next_with("ann has left");
  impostor.say("/nick ann");
  impostor.next_with("You are ann");
}

}  // namespace
}  // namespace handoff::test
