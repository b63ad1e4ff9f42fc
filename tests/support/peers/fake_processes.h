// The processes that a fake service starts beside itself (fake_options.h).
#pragma once

#include <cstdint>

namespace handoff::test {

// They have no parent, and end as soon as that is so.
void make_orphans(std::uint64_t count);
// 0: nowhere. Ends this process with status 98 if it can't.
void listen_at(std::uint64_t port);
// They live until they are ended, and have overwritten their environment.
void start_workers(std::uint64_t count);

}  // namespace handoff::test
