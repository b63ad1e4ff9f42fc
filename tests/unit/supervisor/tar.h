// Tar archives for tests, malicious ones included: libarchive writes whatever it is told.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <string>

namespace handoff::test {

class Tar {
 public:
  enum class Filter { kNone, kGzip, kZstd };
  explicit Tar(std::string path, Filter filter = Filter::kNone)
      : path_(std::move(path)), archive_(::archive_write_new()) {
    ::archive_write_set_format_pax_restricted(archive_);
    if (filter == Filter::kGzip) ::archive_write_add_filter_gzip(archive_);
    if (filter == Filter::kZstd) ::archive_write_add_filter_zstd(archive_);
    EXPECT_EQ(::archive_write_open_filename(archive_, path_.c_str()), ARCHIVE_OK);
  }
  ~Tar() { close(); }
  Tar(const Tar&) = delete;
  Tar& operator=(const Tar&) = delete;

  Tar& file(const std::string& name, const std::string& text, mode_t mode = 0644) {
    return entry(name, AE_IFREG, mode, text);
  }
  Tar& program(const std::string& name, const std::string& text) { return file(name, text, 0755); }
  Tar& folder(const std::string& name) { return entry(name, AE_IFDIR, 0777, ""); }
  Tar& link(const std::string& name, const std::string& target) {
    return entry(name, AE_IFLNK, 0777, "", target);
  }
  Tar& hard_link(const std::string& name, const std::string& target) {
    return entry(name, AE_IFREG, 0644, "", "", target);
  }
  Tar& special(const std::string& name, mode_t type) { return entry(name, type, 0644, ""); }
  // The program is bin/chat.
  Tar& manifest(const std::string& version = "2.0", const std::string& more = "") {
    return file("release.toml",
                "name = \"chat\"\nversion = \"" + version + "\"\nprogram = \"bin/chat\"\n" + more);
  }
  // Completes the archive; returns its path.
  const std::string& close() {
    if (archive_ != nullptr) {
      EXPECT_EQ(::archive_write_free(archive_), ARCHIVE_OK);
    }
    archive_ = nullptr;
    return path_;
  }

 private:
  Tar& entry(const std::string& name, mode_t type, mode_t mode, const std::string& text,
             const std::string& target = "", const std::string& hard = "") {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname_utf8(entry, name.c_str());
    ::archive_entry_set_filetype(entry, type);
    ::archive_entry_set_perm(entry, mode);
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    if (!target.empty()) ::archive_entry_set_symlink(entry, target.c_str());
    if (!hard.empty()) ::archive_entry_set_hardlink(entry, hard.c_str());
    if (type == AE_IFCHR || type == AE_IFBLK) ::archive_entry_set_rdev(entry, 0x103);
    EXPECT_GE(::archive_write_header(archive_, entry), ARCHIVE_WARN)
        << ::archive_error_string(archive_);
    EXPECT_EQ(::archive_write_data(archive_, text.data(), text.size()),
              static_cast<la_ssize_t>(text.size()));
    ::archive_entry_free(entry);
    return *this;
  }

  std::string path_;
  archive* archive_;
};

}  // namespace handoff::test
