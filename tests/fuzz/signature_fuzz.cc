// A .minisig file, and a key. Every signature that verifies must be one that the key's holder has
// made: writing it differently must not forge another.
#include <sodium.h>

#include <string>

#include "check.h"
#include "libhandoff/core/address.h"
#include "supervisor/core/claim.h"
#include "supervisor/signing/signature.h"

namespace {

using namespace handoff;

// Both signatures of this file by this key that there are (minisign 0.11, with and without -l).
constexpr const char* kKey = "RWQmqup4WwkK+0ttUFHH+Y0U7f/KEXRCMitvXJfAv7/EPAYpSr534UkS";
const std::string kFile = "handoff: a release\n";
const std::string kPrehashed =
    "RUQmqup4WwkK+72yPP6194+UIvXkf3xTrJBHmX/gAVlpuCszijhhVa2jKErByt+SLkMXL0Ti4jhAqyh23bUxTLoir/"
    "A8RGeMfAo=";
const std::string kLegacy =
    "RWQmqup4WwkK+ywsqrCUxlPdnXNToXk6+r7rKKFAp/kjXa2+o+m+Q0Hd6e5toQYIQJwh5kHvcJajfjJyx7TDndbMrH34VZ"
    "121wg=";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto key = supervisor::parse_public_key(text)) {
    CHECK_THAT(supervisor::key_id(key->id).size() == 16, text);
  }
  const auto claim = supervisor::parse_claim(text);
  if (claim) {
    CHECK_THAT(text.find("service=" + claim->service) != text.npos, claim->service);
    CHECK_THAT(core::valid_name(claim->service), claim->service);
    const auto same = supervisor::compare_versions(claim->version, claim->version);
    CHECK_THAT(same && *same == 0, claim->version);
    const auto up = supervisor::compare_versions(claim->version, "1.0");
    const auto down = supervisor::compare_versions("1.0", claim->version);
    CHECK_THAT(up && down && (*up < 0) == (*down > 0) && (*up == 0) == (*down == 0),
               claim->version);
  }
  const auto signature = supervisor::parse_signature(text);
  if (!signature) return 0;
  const auto good =
      supervisor::verify(*supervisor::parse_public_key(kKey), *signature,
                         {reinterpret_cast<const unsigned char*>(kFile.data()), kFile.size()});
  if (!good) return 0;
  CHECK_THAT(text.find(signature->prehashed ? kPrehashed : kLegacy) != std::string::npos, text);
  CHECK_THAT(signature->trusted_comment == "chat 2.0", signature->trusted_comment);
  return 0;
}
