// This process's memory, as /proc tells of it.
#pragma once

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace handoff::tls::test {

struct Mapping {
  std::uintptr_t begin = 0, end = 0;
  std::string flags;  // VmFlags of smaps(5), a space before and behind each
  std::string name;
  bool has_flag(const std::string& flag) const {
    return flags.find(" " + flag + " ") != std::string::npos;
  }
};

inline std::vector<Mapping> mappings() {
  std::vector<Mapping> out;
  std::ifstream file("/proc/self/smaps");
  for (std::string line; std::getline(file, line);) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const std::size_t name = line.find_last_of(' ');
      out.push_back({begin, end, "", line.substr(name + 1)});
    } else if (line.starts_with("VmFlags:") && !out.empty()) {
      out.back().flags = line.substr(8) + " ";
    }
  }
  return out;
}

inline Mapping mapping_of(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  for (const Mapping& mapping : mappings()) {
    if (mapping.begin <= address && address < mapping.end) return mapping;
  }
  return {};
}

}  // namespace handoff::tls::test
