// Whether a file is a bundle: an archive of a kind that can be unpacked, by its first bytes.
#pragma once

namespace handoff::supervisor {

bool is_archive(int fd);

}  // namespace handoff::supervisor
