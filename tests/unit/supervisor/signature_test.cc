// Signatures of minisign: which verify, and that nothing else does.
#include "supervisor/signing/signature.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace handoff::supervisor {
namespace {

// minisign 0.11 has made these: minisign -G -W, then minisign -S, with -l for the legacy one.
constexpr const char* kKey = "RWQmqup4WwkK+0ttUFHH+Y0U7f/KEXRCMitvXJfAv7/EPAYpSr534UkS";
constexpr const char* kOther = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const std::string kFile = "handoff: a release\n";
const std::string kPrehashed =
    "untrusted comment: signature from minisign secret key\n"
    "RUQmqup4WwkK+72yPP6194+UIvXkf3xTrJBHmX/gAVlpuCszijhhVa2jKErByt+SLkMXL0Ti4jhAqyh23bUxTLoir/"
    "A8RGeMfAo=\n"
    "trusted comment: chat 2.0\n"
    "PTZOIVPFNPEcqkHTrKEJB0jygfqjCBEm4DZq+n5KZ2XIAH3BB/bmmbKGFlCrfcuZ6+oXZd9BgjSMT0mhPZwAAQ==\n";
const std::string kLegacy =
    "untrusted comment: signature from minisign secret key\n"
    "RWQmqup4WwkK+ywsqrCUxlPdnXNToXk6+r7rKKFAp/kjXa2+o+m+Q0Hd6e5toQYIQJwh5kHvcJajfjJyx7TDndbMrH34VZ"
    "121wg=\n"
    "trusted comment: chat 2.0\n"
    "pihcyGLNbK76KJ3K8NWxqjRrcz29Izs5pyXVbbq6vqxEXmbiURwDnoxMhjdrWR7WCw/9Oqvl4xmnA0trhzujAg==\n";

// "" or why not.
std::string why(const std::string& key, const std::string& signature, const std::string& file) {
  const auto with = parse_public_key(key);
  if (!with) return with.error().message;
  const auto parsed = parse_signature(signature);
  if (!parsed) return parsed.error().message;
  const auto good =
      verify(*with, *parsed, {reinterpret_cast<const unsigned char*>(file.data()), file.size()});
  return good ? "" : good.error().message;
}

TEST(SignatureTest, WhatMinisignSignedIsGood) {
  EXPECT_EQ(why(kKey, kPrehashed, kFile), "");
  EXPECT_EQ(why(kKey, kLegacy, kFile), "");
  EXPECT_TRUE(parse_signature(kPrehashed)->prehashed);
  EXPECT_FALSE(parse_signature(kLegacy)->prehashed);
  EXPECT_EQ(parse_signature(kLegacy)->trusted_comment, "chat 2.0");
}

TEST(SignatureTest, AKeyMayHaveItsComment) {
  const std::string text =
      "untrusted comment: minisign public key FB0A095B78EAAA26\r\n" + std::string(kKey) + "\r\n";
  EXPECT_EQ(why(text, kPrehashed, kFile), "");
  EXPECT_EQ(key_id(parse_public_key(text)->id), "FB0A095B78EAAA26");
}

TEST(SignatureTest, AnotherKeysWordIsWorthNothing) {
  EXPECT_EQ(why(kOther, kPrehashed, kFile),
            "it is signed by the key FB0A095B78EAAA26, and verify.key is E7620F1842B4E81F");
  // Another key that claims the first one's id.
  auto forged = *parse_public_key(kOther);
  forged.id = parse_public_key(kKey)->id;
  const auto bad = verify(forged, *parse_signature(kLegacy),
                          {reinterpret_cast<const unsigned char*>(kFile.data()), kFile.size()});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, -EKEYREJECTED);
}

TEST(SignatureTest, EveryByteOfTheFileCounts) {
  for (const std::string& signature : {kPrehashed, kLegacy}) {
    for (std::size_t i = 0; i < kFile.size(); ++i) {
      std::string altered = kFile;
      altered[i] = static_cast<char>(altered[i] ^ 1);
      EXPECT_NE(why(kKey, signature, altered), "") << i;
    }
    EXPECT_NE(why(kKey, signature, kFile + "\n"), "");
    EXPECT_NE(why(kKey, signature, kFile.substr(1)), "");
    EXPECT_NE(why(kKey, signature, ""), "");
  }
}

TEST(SignatureTest, AlgorithmsAreNotMixedUp) {
  std::string mixed = kPrehashed;
  mixed.replace(mixed.find("RUQ"), 3, "RWQ");
  EXPECT_NE(why(kKey, mixed, kFile), "");
}

// No change to a signature makes it a valid one with another meaning.
TEST(SignatureTest, EveryCharacterOfTheSignatureCounts) {
  for (const std::string& signature : {kPrehashed, kLegacy}) {
    const std::size_t comment_ends = signature.find('\n');
    for (std::size_t i = comment_ends; i < signature.size(); ++i) {
      for (const char replacement : {'A', 'B', '=', '\n', ' ', '\0', '\xff'}) {
        std::string altered = signature;
        if (altered[i] == replacement) continue;
        altered[i] = replacement;
        // A last newline more or less is no difference.
        if (i + 1 == signature.size() && replacement == '\n') continue;
        EXPECT_NE(why(kKey, altered, kFile), "") << i << " " << static_cast<int>(replacement);
      }
    }
    for (std::size_t size = 0; size + 1 < signature.size(); ++size) {
      EXPECT_NE(why(kKey, signature.substr(0, size), kFile), "") << size;
    }
    EXPECT_NE(why(kKey, signature + "more\n", kFile), "");
  }
}

TEST(SignatureTest, GarbageIsRefused) {
  std::uint32_t random = 7;
  for (int round = 0; round < 5000; ++round) {
    std::string text = round % 2 == 0 ? kPrehashed : kLegacy;
    const int changes = 1 + round % 5;
    for (int i = 0; i < changes; ++i) {
      random = random * 1664525U + 1013904223U;
      const std::size_t at = (random >> 8) % text.size();
      if (random % 3 == 0) {
        text.erase(at, (random >> 20) % 40);
        if (text.empty()) text = "x";
      } else if (random % 3 == 1) {
        text.insert(at, 1, static_cast<char>(random >> 24));
      } else {
        text[at] = static_cast<char>(random >> 24);
      }
    }
    const auto parsed = parse_signature(text);
    if (!parsed) continue;
    if (why(kKey, text, kFile).empty()) {
      // If it still verifies, only the untrusted comment or the line ends have changed.
      EXPECT_EQ(parsed->over_file,
                parse_signature(round % 2 == 0 ? kPrehashed : kLegacy)->over_file);
      EXPECT_EQ(parsed->trusted_comment, "chat 2.0");
    }
  }
}

TEST(SignatureTest, WhatIsNoSignatureIsNone) {
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("\n"), std::string("\n\n\n\n"),
        std::string("untrusted comment: x\n\ntrusted comment: x\n\n"), std::string(100000, 'A')}) {
    EXPECT_FALSE(parse_signature(text)) << text.substr(0, 80);
  }
}

TEST(SignatureTest, WhatIsNoKeyIsNone) {
  const std::string key = kKey;
  for (const std::string& text :
       {std::string(), std::string("x"), key.substr(1), key + "A", "RUQ" + key.substr(3),
        key + "\nmore", std::string("untrusted comment: x\n"), std::string(100000, 'A')}) {
    EXPECT_FALSE(parse_public_key(text)) << text.substr(0, 80);
  }
  for (std::size_t size = 0; size < key.size(); ++size) {
    EXPECT_FALSE(parse_public_key(key.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace handoff::supervisor
