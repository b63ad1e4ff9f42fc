// Transfers through a proxy, each checked byte by byte: clients that send and read at once, and the
// upstream that they come to, which gives back each byte inverted. A client ends its half when it
// has sent all, and has to read all of it back, and then the end.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace handoff::test {

// Serves until it is destroyed.
class InvertingServer {
 public:
  InvertingServer();
  ~InvertingServer();
  InvertingServer(const InvertingServer&) = delete;
  InvertingServer& operator=(const InvertingServer&) = delete;

  int port() const;

 private:
  void serve();

  UniqueFd listener_;
  UniqueFd stop_;  // an eventfd
  std::thread thread_;
};

class RelayLoad {
 public:
  // Clients that make one transfer after the other.
  RelayLoad(int port, std::size_t clients);
  ~RelayLoad();
  RelayLoad(const RelayLoad&) = delete;
  RelayLoad& operator=(const RelayLoad&) = delete;

  // An upgrade is done: transfers that began before it went through it.
  void upgraded() { ++upgrades_; }
  std::uint64_t transfers() const { return transfers_; }
  // How many of them an upgrade found open.
  std::uint64_t moved() const { return moved_; }
  std::uint64_t bytes() const { return bytes_; }
  // Lets each client end its transfer, and returns what went wrong; "" if nothing did.
  std::string stop();

 private:
  void run(std::uint64_t client);
  std::string transfer(std::uint64_t number);

  int port_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> upgrades_ = 0;
  std::atomic<std::uint64_t> transfers_ = 0;
  std::atomic<std::uint64_t> moved_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::mutex lock_;
  std::string fault_;  // the first
  std::vector<std::thread> threads_;
};

}  // namespace handoff::test
