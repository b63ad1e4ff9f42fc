// Reads no more than it needs, and believes nothing that it reads: every offset is one for
// pread(2), and every length has a bound.
#include "supervisor/releases/run_path.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace handoff::supervisor {
namespace {

constexpr std::size_t kMostHeaders = 128;
constexpr std::size_t kMostEntries = 4096;
constexpr std::size_t kLongest = 4096;

template <typename T>
std::vector<T> read_some(int file, std::uint64_t offset, std::size_t count) {
  std::vector<T> out(count);
  const ssize_t n =
      ::pread(file, out.data(), count * sizeof(T), static_cast<off_t>(offset & INT64_MAX));
  out.resize(n > 0 ? static_cast<std::size_t>(n) / sizeof(T) : 0);
  return out;
}

template <typename Header, typename Segment, typename Entry>
std::string run_path_in(int file) {
  const auto header = read_some<Header>(file, 0, 1);
  if (header.empty() || header[0].e_phentsize != sizeof(Segment)) return "";
  const auto segments = read_some<Segment>(file, header[0].e_phoff,
                                           std::min<std::size_t>(header[0].e_phnum, kMostHeaders));
  // Addresses are those in memory.
  const auto offset_of = [&segments](std::uint64_t address) -> std::optional<std::uint64_t> {
    for (const Segment& one : segments) {
      if (one.p_type == PT_LOAD && address >= one.p_vaddr && address - one.p_vaddr < one.p_filesz) {
        return one.p_offset + (address - one.p_vaddr);
      }
    }
    return std::nullopt;
  };
  for (const Segment& one : segments) {
    if (one.p_type != PT_DYNAMIC) continue;
    std::optional<std::uint64_t> strings;
    std::optional<std::uint64_t> run;
    std::optional<std::uint64_t> old;
    for (const Entry& entry :
         read_some<Entry>(file, one.p_offset,
                          std::min<std::size_t>(one.p_filesz / sizeof(Entry), kMostEntries))) {
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_STRTAB) strings = offset_of(entry.d_un.d_ptr);
      if (entry.d_tag == DT_RUNPATH) run = entry.d_un.d_val;
      if (entry.d_tag == DT_RPATH) old = entry.d_un.d_val;
    }
    if (!run) run = old;
    if (!strings || !run) return "";
    const auto text = read_some<char>(file, *strings + *run, kLongest);
    return std::string(text.data(), ::strnlen(text.data(), text.size()));
  }
  return "";
}

}  // namespace

std::string run_path_of(int file) {
  const auto ident = read_some<unsigned char>(file, 0, EI_NIDENT);
  if (ident.size() != EI_NIDENT || std::memcmp(ident.data(), ELFMAG, SELFMAG) != 0) return "";
  // Of this machine's byte order: another's is no program here.
  if (ident[EI_CLASS] == ELFCLASS64) return run_path_in<Elf64_Ehdr, Elf64_Phdr, Elf64_Dyn>(file);
  if (ident[EI_CLASS] == ELFCLASS32) return run_path_in<Elf32_Ehdr, Elf32_Phdr, Elf32_Dyn>(file);
  return "";
}

}  // namespace handoff::supervisor
