#include "supervisor/signing/signature.h"

#include <sodium.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace handoff::supervisor {
namespace {

constexpr std::string_view kUntrusted = "untrusted comment:";
constexpr std::string_view kTrusted = "trusted comment: ";
constexpr std::size_t kLongestLine = 8192;

using Bytes = std::vector<unsigned char>;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// Exactly that many bytes, or nothing.
std::optional<Bytes> decode(std::string_view line, std::size_t size) {
  // libsodium takes 0xff for a letter of it.
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  if (line.empty() || line.size() > kLongestLine || line.find_first_not_of(kLetters) != line.npos) {
    return std::nullopt;
  }
  Bytes out(line.size());
  std::size_t length = 0;
  const char* end = nullptr;
  if (sodium_base642bin(out.data(), out.size(), line.data(), line.size(), nullptr, &length, &end,
                        sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != line.data() + line.size() || length != size) {
    return std::nullopt;
  }
  out.resize(length);
  return out;
}

template <std::size_t N>
void take(const Bytes& from, std::size_t offset, std::array<unsigned char, N>& into) {
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(offset), N, into.begin());
}

}  // namespace

std::string key_id(const std::array<unsigned char, 8>& id) {
  // minisign shows the number that the bytes are, least significant first.
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (auto byte = id.rbegin(); byte != id.rend(); ++byte) {
    out += kDigits[*byte >> 4];
    out += kDigits[*byte & 15];
  }
  return out;
}

Result<PublicKey> parse_public_key(const std::string& text) {
  const auto lines = lines_of(text);
  std::size_t at = 0;
  if (!lines.empty() && lines[0].starts_with(kUntrusted)) at = 1;
  const auto raw = at < lines.size() ? decode(lines[at], 2 + 8 + 32) : std::nullopt;
  const bool rest_is_empty =
      std::all_of(lines.begin() + static_cast<std::ptrdiff_t>(std::min(at + 1, lines.size())),
                  lines.end(), [](std::string_view line) { return line.empty(); });
  if (!raw || (*raw)[0] != 'E' || (*raw)[1] != 'd' || !rest_is_empty) {
    return fail(-EINVAL,
                "that is no public key of minisign's (it begins with RW and has 56 letters)");
  }
  PublicKey key;
  take(*raw, 2, key.id);
  take(*raw, 10, key.key);
  return key;
}

Result<Signature> parse_signature(const std::string& text) {
  const auto lines = lines_of(text);
  if (lines.size() < 4 || !lines[0].starts_with(kUntrusted) || !lines[2].starts_with(kTrusted)) {
    return fail(-EBADMSG, "it is no signature of minisign's");
  }
  for (std::size_t i = 4; i < lines.size(); ++i) {
    if (!lines[i].empty()) return fail(-EBADMSG, "there is something after the signature");
  }
  const auto first = decode(lines[1], 2 + 8 + 64);
  const auto second = decode(lines[3], 64);
  if (!first || !second || lines[2].size() > kLongestLine) {
    return fail(-EBADMSG, "it is no signature of minisign's");
  }
  if ((*first)[0] != 'E' || ((*first)[1] != 'd' && (*first)[1] != 'D')) {
    return fail(-EBADMSG, "its algorithm is neither Ed nor ED");
  }
  Signature out;
  out.prehashed = (*first)[1] == 'D';
  take(*first, 2, out.key_id);
  take(*first, 10, out.over_file);
  out.trusted_comment = lines[2].substr(kTrusted.size());
  take(*second, 0, out.over_comment);
  return out;
}

Result<void> verify(const PublicKey& key, const Signature& signature,
                    std::span<const unsigned char> bytes) {
  if (signature.key_id != key.id) {
    return fail(-EKEYREJECTED, "it is signed by the key " + key_id(signature.key_id) +
                                   ", and verify.key is " + key_id(key.id));
  }
  std::array<unsigned char, crypto_generichash_BYTES_MAX> hash{};
  std::span<const unsigned char> message = bytes;
  if (signature.prehashed) {
    crypto_generichash(hash.data(), hash.size(), bytes.data(), bytes.size(), nullptr, 0);
    message = hash;
  }
  if (crypto_sign_verify_detached(signature.over_file.data(), message.data(), message.size(),
                                  key.key.data()) != 0) {
    return fail(-EKEYREJECTED, "its signature is not that of this file: one of them was altered");
  }
  Bytes global(signature.over_file.begin(), signature.over_file.end());
  global.insert(global.end(), signature.trusted_comment.begin(), signature.trusted_comment.end());
  if (crypto_sign_verify_detached(signature.over_comment.data(), global.data(), global.size(),
                                  key.key.data()) != 0) {
    return fail(-EKEYREJECTED, "the trusted comment of its signature was altered");
  }
  return {};
}

}  // namespace handoff::supervisor
