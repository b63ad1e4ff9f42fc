// The table `listen`: an address, or a table with an address and what the socket is bound with.
#include "supervisor/config/config_listen.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

const std::string kHead = "[service.chat]\ncommand = [\"/opt/chat\"]\n";

// The listener public of `table`, which is the third line of the file.
NamedAddress read(const std::string& table) {
  const auto config = parse_config(kHead + "listen = { public = " + table + " }\n", "f");
  EXPECT_TRUE(config) << config.error().message;
  if (!config || config->services.front().listen.size() != 1) return {};
  return config->services.front().listen.front();
}
std::string why_not(const std::string& table) {
  const auto config = parse_config(kHead + "listen = { public = " + table + " }\n", "f");
  return config ? "accepted" : config.error().message;
}

TEST(ConfigListenTest, AnAddressIsEnough) {
  const NamedAddress plain = read("\"tcp:127.0.0.1:7000\"");
  EXPECT_EQ(plain.name, "public");
  EXPECT_EQ(core::to_string(plain.address), "tcp:127.0.0.1:7000");
  EXPECT_EQ(plain.options, ListenerOptions{});
  EXPECT_EQ(read("{ address = \"tcp:127.0.0.1:7000\" }"), plain) << "a table says the same";
}

TEST(ConfigListenTest, AUnixSocketHasAModeAndAnOwner) {
  const NamedAddress unix = read(
      "{ address = \"unix:/run/x\", mode = \"0660\", owner = \"chat:www-data\", backlog = 7 }");
  EXPECT_EQ(unix.options.bind.mode, 0660U);
  EXPECT_EQ(unix.options.bind.backlog, 7);
  EXPECT_EQ(unix.options.user, "chat");
  EXPECT_EQ(unix.options.group, "www-data");
  const auto owner = [](const std::string& text) {
    const auto options = read("{ address = \"unix:/x\", owner = \"" + text + "\" }").options;
    return options.user + "|" + options.group;
  };
  EXPECT_EQ(owner("chat"), "chat|");
  EXPECT_EQ(owner(":chat"), "|chat");
  EXPECT_EQ(owner("1000:1001"), "1000|1001");
  EXPECT_EQ(read("{ address = \"unix:/x\", mode = \"700\" }").options.bind.mode, 0700U);
  EXPECT_EQ(read("{ address = \"unix:/x\", mode = \"000\" }").options.bind.mode, 0U);
}

TEST(ConfigListenTest, AnIpAddressHasTheOptionsOfItsSocket) {
  const NamedAddress ip = read(
      "{ address = \"tcp:[::]:7000\", v6only = false, freebind = true, reuseport = true, device = "
      "\"eth0\", backlog = 4096 }");
  EXPECT_EQ(ip.options.bind.v6only, false);
  EXPECT_TRUE(ip.options.bind.freebind);
  EXPECT_TRUE(ip.options.bind.reuseport);
  EXPECT_EQ(ip.options.bind.device, "eth0");
  EXPECT_EQ(ip.options.bind.backlog, 4096);
  EXPECT_TRUE(read("{ address = \"udp:127.0.0.1:53\", reuseport = true }").options.bind.reuseport);
}

TEST(ConfigListenTest, ATableOfItsOwnDoesAsWell) {
  const auto config = parse_config(
      kHead + "[service.chat.listen.admin]\naddress = \"unix:/run/x\"\nmode = \"0600\"\n", "f");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->services.front().listen.size(), 1U);
  EXPECT_EQ(config->services.front().listen[0].options.bind.mode, 0600U);
  EXPECT_EQ(config->lines.at("chat.listen.admin"), 3U);
}

TEST(ConfigListenTest, WhatIsWrongIsNamedWithItsLine) {
  const std::string tcp = "{ address = \"tcp:127.0.0.1:1\", ";
  const std::string unix = "{ address = \"unix:/x\", ";
  for (const auto& [table, words] : std::vector<std::pair<std::string, std::string>>{
           {"7", "the address of listener \"public\" must be a string"},
           {"{ }", "listen.public has no address"},
           {"{ mode = \"0600\" }", "listen.public has no address"},
           {"{ address = 7 }", "must be a string"},
           {"{ address = \"tcp:localhost:1\" }", "is not a numeric address"},
           {unix + "mod = \"0600\" }", "in listen.public; did you mean \"mode\"?"},
           {unix + "mode = 600 }", "listen.public.mode must be three octal digits in a string"},
           {unix + "mode = \"\" }", "octal digits"},
           {unix + "mode = \"0680\" }", "octal digits"},
           {unix + "mode = \"1777\" }", "octal digits"},
           {unix + "mode = \"-600\" }", "octal digits"},
           {unix + "mode = \"rw-\" }", "octal digits"},
           {unix + "mode = \"00600\" }", "octal digits"},
           {unix + "owner = 0 }", "listen.public.owner must be"},
           {unix + "owner = \"\" }", "must be \"USER\""},
           {unix + "owner = \":\" }", "must be \"USER\""},
           {unix + "owner = \"chat:\" }", "must be \"USER\""},
           {unix + "owner = \"a:b:c\" }", "must be \"USER\""},
           {unix + "owner = \"a b\" }", "must be \"USER\""},
           {unix + "owner = \"a\\u0000\" }", "must be \"USER\""},
           {tcp + "backlog = 0 }", "listen.public.backlog must be a whole number from 1"},
           {tcp + "backlog = 1000001 }", "must be a whole number"},
           {tcp + "backlog = \"many\" }", "must be a whole number"},
           {tcp + "freebind = 1 }", "listen.public.freebind must be true or false"},
           {tcp + "reuseport = \"yes\" }", "must be true or false"},
           {tcp + "device = \"\" }", "must be the name of a network device"},
           {tcp + "device = \"sixteen-letters-\" }", "must be the name of a network device"},
           {tcp + "device = \"a/b\" }", "must be the name of a network device"},
           {tcp + "mode = \"0600\" }",
            "listen.public.mode goes with unix:/PATH, not with tcp:127.0.0.1:1"},
           {tcp + "owner = \"chat\" }", "goes with unix:/PATH"},
           {tcp + "v6only = true }", "goes with an IPv6 address"},
           {"{ address = \"unix:@x\", mode = \"0600\" }", "not with unix:@x"},
           {"{ address = \"udp:127.0.0.1:1\", backlog = 1 }", "goes with tcp: and unix:"},
           {unix + "v6only = true }", "goes with an IPv6 address"},
           {unix + "freebind = true }", "goes with tcp: and udp:"},
           {unix + "reuseport = false }", "goes with tcp: and udp:"},
           {unix + "device = \"lo\" }", "goes with tcp: and udp:"}}) {
    EXPECT_EQ(why_not(table).find("f:3: "), 0U) << table << ": " << why_not(table);
    EXPECT_NE(why_not(table).find(words), std::string::npos) << table << ": " << why_not(table);
  }
}

TEST(ConfigListenTest, AllThatIsWrongIsTold) {
  const ReadConfig read = read_config(kHead +
                                      "[service.chat.listen.a]\naddress = \"unix:/x\"\nmode = 1\n"
                                      "backlog = 0\n[service.chat.listen.b]\nmode = \"0600\"\n");
  ASSERT_EQ(read.problems.size(), 3U);
  EXPECT_EQ(read.problems[0].line, 5U);
  EXPECT_EQ(read.problems[1].line, 6U);
  EXPECT_EQ(read.problems[2].line, 7U);
}

}  // namespace
}  // namespace handoff::supervisor
