#include "fixture.h"

#include <cstdio>
#include <utility>

#include "support/clients/sockets.h"
#include "support/process/programs.h"

namespace handoff::test {

std::string fake_service() { return program("fake_service"); }

Supervisor::Options fake(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& flags) {
  std::vector<std::string> command{fake_service()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return {.command = std::move(command), .name = "chat", .run_flags = flags};
}

Supervisor::Options configured(const std::string& file, Environment environment) {
  return {.name = "chat", .environment = std::move(environment), .file = file};
}

std::string ask_service(const Supervisor& supervisor) {
  const UniqueFd fd = connect_tcp(supervisor.port());
  if (!fd.valid()) return "refused";
  std::string text = read_to_end(fd.get());
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void SupervisorTest::TearDown() {
  if (HasFailure()) std::fprintf(stderr, "%s\n", supervisor.log().c_str());
}

Outcome SupervisorTest::start_fails() {
  supervisor.run({"--name", "chat", "--", fake_service()});
  return supervisor.process().finish();
}

}  // namespace handoff::test
