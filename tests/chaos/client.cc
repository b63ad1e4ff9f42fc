#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace chaos {
namespace {

constexpr std::size_t kWindow = 3;
// One request in four is large: while the reply to one comes, the next one goes.
constexpr std::size_t kFullWindow = 8;
constexpr std::uint64_t kQuietExchanges = 2;
// A lazy client asks until the sockets' buffers are full and the service keeps answers back. It
// asks 16 times at once, and stops after 128 answers of some 50 KB.
constexpr std::uint64_t kLazyExchanges = 128;
constexpr int kLazyAtOnce = 16;
constexpr int kLazyTurns = 5;     // that nothing moves
constexpr int kReadsPerTurn = 8;  // the others have their turn, too
constexpr int kLazyBuffer = 4096;

bool would_block() { return errno == EAGAIN || errno == ENOTCONN || errno == EINTR; }

}  // namespace

Client::Client(int port, std::unique_ptr<Dialogue> dialogue, Manner manner, std::uint64_t number,
               std::uint64_t exchanges, std::unique_ptr<Tls> tls)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      tls_(std::move(tls)),
      dialogue_(std::move(dialogue)),
      manner_(manner),
      number_(number),
      exchanges_(exchanges) {
  if (!fd_.valid()) throw std::system_error(errno, std::generic_category(), "socket");
  const int one = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (tls_) tls_->begin(output_);
  if (manner == Manner::kLazy) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &kLazyBuffer, sizeof kLazyBuffer);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 &&
      errno != EINPROGRESS) {
    fail_errno("connect");
  }
}

void Client::advance() {
  if (alive() && (manner_ != Manner::kLazy || shaking_hands())) read();
  if (alive()) compose();
  if (alive()) write();
}

void Client::ask(Exchange exchange) {
  if (open_.empty()) since_ = Clock::now();
  ++asked_;
  if (tls_) {
    tls_->say(exchange.request, output_);
  } else {
    output_ += exchange.request;
  }
  open_.push_back(std::move(exchange));
  if (exchanges_ != 0 && asked_ == exchanges_) finishing_ = true;
}

void Client::compose() {
  if (shaking_hands()) return;
  if (finishing_) {
    held_from_ = kNothing;
    if (tls_ && open_.empty()) tls_->close(output_);
    return;
  }
  switch (manner_) {
    case Manner::kQuiet:
      while (asked_ < kQuietExchanges) ask(dialogue_->next());
      return;
    case Manner::kLazy:
      if (output_.empty() && asked_ < kLazyExchanges) {
        for (int i = 0; i < kLazyAtOnce; ++i) ask(dialogue_->large());
        blocked_ = 0;
      } else {
        ++blocked_;
      }
      return;
    case Manner::kHalf:
    case Manner::kBusy:
      if (open_.size() >= kWindow) return;
      held_from_ = kNothing;
      while (open_.size() < kWindow && !finishing_) ask(dialogue_->next());
      if (manner_ == Manner::kHalf) {
        held_from_ = output_.size() - std::max<std::size_t>(open_.back().request.size() / 2, 1);
      }
      return;
    case Manner::kFull:
      while (open_.size() < kFullWindow && !finishing_) {
        ask(asked_ % 4 == 3 ? dialogue_->large() : dialogue_->next());
      }
      return;
  }
}

void Client::write() {
  const std::size_t ready = std::min(output_.size(), held_from_);
  if (ready > 0) {
    const ssize_t n = ::send(fd_.get(), output_.data(), ready, MSG_NOSIGNAL);
    if (n < 0) {
      if (!would_block()) fail_errno("send");
      return;
    }
    output_.erase(0, static_cast<std::size_t>(n));
    if (held_from_ != kNothing) held_from_ -= static_cast<std::size_t>(n);
  }
  const bool said_all = finishing_ && open_.empty() && output_.empty();
  if (said_all && (!tls_ || tls_->closed()) && !shut_) {
    shut_ = true;
    if (::shutdown(fd_.get(), SHUT_WR) < 0) fail_errno("shutdown");
  }
}

void Client::read() {
  std::array<char, 65536> buffer;
  for (int i = 0; alive() && i < kReadsPerTurn; ++i) {
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) {
      if (!would_block()) fail_errno("recv");
      return;
    }
    if (n == 0) return note_end();
    hear({buffer.data(), static_cast<std::size_t>(n)});
  }
}

void Client::note_end() {
  const bool asked_for = shut_ && open_.empty();
  if (asked_for && (!tls_ || tls_->ended())) {
    end_ = End::kDone;
  } else {
    fail(End::kEof, asked_for ? "the connection ended without close_notify"
                              : "the service closed the connection");
  }
}

void Client::hear(std::string_view bytes) {
  if (!tls_) return check(bytes);
  std::string plain;
  const bool good = tls_->hear(bytes, plain, output_);
  check(plain);
  if (good || !alive()) return;
  fault_ = Fault::kWrong;
  fail(End::kFault, tls_->error());
}

void Client::check(std::string_view fresh) {
  while (!fresh.empty()) {
    if (open_.empty()) {
      fault_ = Fault::kDuplicated;
      fail(End::kFault, "expected nothing, got '" + std::string(fresh.substr(0, 80)) + "'");
      return;
    }
    const Exchange& expected = open_.front();
    const std::size_t from = partial_.size();
    const std::size_t n = std::min(fresh.size(), expected.reply.size() - from);
    for (std::size_t i = 0; i < n; ++i) {
      if (from + i == expected.any || fresh[i] == expected.reply[from + i]) continue;
      const std::string got = partial_ + std::string(fresh.substr(0, i + 80));
      fault_ = dialogue_->judge(expected, got);
      fail(End::kFault,
           "expected '" + expected.reply.substr(0, 80) + "', got '" + got.substr(0, 160) + "'");
      return;
    }
    bytes_ += n;
    partial_.append(fresh.substr(0, n));
    fresh.remove_prefix(n);
    if (partial_.size() < expected.reply.size()) return;
    partial_.clear();
    open_.pop_front();
    note_answer();
  }
}

void Client::note_answer() {
  const auto now = Clock::now();
  ++answered_;
  longest_gap_ = std::max(longest_gap_, now - since_);
  since_ = now;
}

void Client::reset_gap() {
  longest_gap_ = {};
  since_ = Clock::now();
}

bool Client::settled() const {
  if (manner_ == Manner::kLazy) return blocked_ >= kLazyTurns;
  if (manner_ == Manner::kQuiet) return answered_ == kQuietExchanges;
  return answered_ > 2;
}

void Client::fail(End end, const std::string& what) {
  end_ = end;
  error_ = "client " + std::to_string(number_) + " after " + std::to_string(answered_) +
           " answers to " + std::to_string(asked_) + " requests: " + what;
  // The socket closes at once, so that the service's session ends, too.
  fd_.reset();
}

void Client::fail_errno(const std::string& what) {
  const int error = errno;
  const bool refused = answered_ == 0 && manner_ != Manner::kLazy;
  fail(refused ? End::kRefused : End::kReset, what + ": " + std::generic_category().message(error));
}

}  // namespace chaos
