#include "deployment.h"

namespace kv::test {

std::string server_binary(int release) {
  return std::string(KV_BIN) + "/handoff-kv-" + std::to_string(release);
}

}  // namespace kv::test
