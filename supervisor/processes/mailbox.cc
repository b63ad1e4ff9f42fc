// A letter is the key, as text, and one fd. The filter compares its words with those of the key: a
// letter of anybody else is dropped by sendmsg(2) itself, which tells the sender nothing. So it can
// neither wake the process nor take a place in the queue, which is short.
#include "supervisor/processes/mailbox.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "libhandoff/protocol/channel.h"

namespace handoff::supervisor {
namespace {

constexpr std::string_view kPrefix = "handoff/";
constexpr std::size_t kDigits = 32;  // 128 bits

struct Address {
  std::string name;
  std::string key;
};

bool is_hexadecimal(const std::string& text) {
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<Address> parse(const std::string& text) {
  Address out{.name = text.substr(0, text.find(':')), .key = {}};
  if (out.name.size() < text.size()) out.key = text.substr(out.name.size() + 1);
  if (!is_hexadecimal(out.name) || !is_hexadecimal(out.key)) {
    return fail(-EINVAL, "this is no address of a mailbox");
  }
  return out;
}

Result<std::string> random_digits() {
  std::array<unsigned char, kDigits / 2> bytes{};
  ssize_t n = 0;
  do {
    n = ::getrandom(bytes.data(), bytes.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(bytes.size())) return fail_errno("random bytes for a mailbox");
  std::string out;
  for (const unsigned char byte : bytes) {
    out += "0123456789abcdef"[byte >> 4U];
    out += "0123456789abcdef"[byte & 15U];
  }
  return out;
}

std::pair<sockaddr_un, socklen_t> socket_address(const std::string& name) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  // The first byte stays 0: the abstract namespace.
  std::copy(kPrefix.begin(), kPrefix.end(), out.sun_path + 1);
  std::copy(name.begin(), name.end(), out.sun_path + 1 + kPrefix.size());
  return {out, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + kPrefix.size() +
                                      name.size())};
}

Result<void> let_in_only(int fd, const std::string& key) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kDigits, 1, 0),
                                   BPF_STMT(BPF_RET | BPF_K, 0)};
  for (std::uint32_t at = 0; at < kDigits; at += sizeof(std::uint32_t)) {
    std::uint32_t word = 0;
    std::memcpy(&word, key.data() + at, sizeof word);
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(word), 1, 0));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, UINT32_MAX));
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()),
                          .filter = program.data()};
  const int on = 1;
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
      ::setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) < 0) {
    return fail_errno("a mailbox's filter");
  }
  return {};
}

}  // namespace

Result<NewMailbox> make_mailbox() {
  auto name = random_digits();
  auto key = random_digits();
  if (!name || !key) return Failure(name ? key.error() : name.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("a mailbox");
  // Before it has a name by which others could write to it.
  if (auto closed = let_in_only(fd.get(), *key); !closed) return Failure(closed.error());
  const auto [address, length] = socket_address(*name);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) < 0) {
    return fail_errno("naming a mailbox");
  }
  return NewMailbox{.address = *name + ":" + *key, .fd = std::move(fd)};
}

bool is_mailbox(int fd, const std::string& address) {
  const auto its = parse(address);
  if (!its) return false;
  const auto [expected, length] = socket_address(its->name);
  sockaddr_un found{};
  socklen_t found_length = sizeof found;
  struct stat file {};
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&found), &found_length) == 0 &&
         found_length == length && std::memcmp(&found, &expected, length) == 0 &&
         ::fstat(fd, &file) == 0 && file.st_uid == ::geteuid();
}

Result<UniqueFd> post_control_socket(const std::string& address) {
  const auto to = parse(address);
  if (!to) return Failure(to.error());
  auto pair = io::Channel::make_pair();
  if (!pair) return Failure(pair.error());
  const int on = 1;
  if (::setsockopt(pair->first.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
    return fail_errno("a control socket");
  }
  const UniqueFd from(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!from.valid()) return fail_errno("a socket");
  auto [name, length] = socket_address(to->name);
  iovec part{const_cast<char*>(to->key.data()), to->key.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr letter{};
  letter.msg_name = &name;
  letter.msg_namelen = length;
  letter.msg_iov = &part;
  letter.msg_iovlen = 1;
  letter.msg_control = control.data();
  letter.msg_controllen = control.size();
  cmsghdr* cmsg = CMSG_FIRSTHDR(&letter);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(sizeof(int));
  const int theirs = pair->second.get();
  std::memcpy(CMSG_DATA(cmsg), &theirs, sizeof theirs);
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(from.get(), &letter, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return fail_errno("writing to a mailbox");
  return std::move(pair->first);
}

}  // namespace handoff::supervisor
