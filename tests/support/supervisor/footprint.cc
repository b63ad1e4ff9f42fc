#include "support/supervisor/footprint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/process/proc.h"

namespace handoff::test {

Footprint::Footprint(const Supervisor& supervisor)
    : supervisor_(supervisor),
      service_pid_(supervisor.service_pid()),
      supervisor_files_(supervisor.settled_files()),
      service_(open_files(service_pid_)) {}

void Footprint::expect_unchanged() const {
  EXPECT_EQ(supervisor_.service_pid(), service_pid_);
  Files now;
  supervisor_.eventually([&] { return (now = open_files(service_pid_)) == service_; });
  EXPECT_EQ(now, service_) << "service: " << difference(service_, now);
  // A thread that saves a file had its folder open for a moment, maybe at the moment of `before`.
  const auto nothing_more = [&] {
    now = supervisor_.settled_files();
    return std::ranges::includes(supervisor_files_, now);
  };
  EXPECT_TRUE(supervisor_.eventually(nothing_more))
      << "supervisor: " << difference(supervisor_files_, now);
  EXPECT_EQ(children_of(supervisor_.pid()), std::vector<pid_t>{service_pid_});
}

void expect_failed(const Supervisor::Outcome& upgrade, const std::string& code,
                   const std::vector<std::string>& words) {
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  const auto done = upgrade.done();
  ASSERT_TRUE(done.is_object()) << upgrade.describe();
  EXPECT_EQ(done.value("result", ""), "failed") << upgrade.describe();
  EXPECT_EQ(done.at("error").at("code"), code) << upgrade.describe();
  const std::string message = done.at("error").at("message");
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
  }
}

}  // namespace handoff::test
