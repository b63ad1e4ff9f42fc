// Small state of the service as a whole that is saved and loaded at once: a section whose library
// part is here. The value is saved in the copy, and again as long as it changes, the last time in
// the freeze; the heir loads the last one, once.
//
// On the wire a value begins a chunk: its length as 8 bytes little-endian, then its bytes, in as
// many chunks as that takes. A later value replaces it.
//
// What may be a key is short, and to wipe that costs nothing: values of up to 64 KiB are wiped in
// each memory that is given back. A ring of chunks is in no core dump (sys/memory).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "handoff/handoff.h"

namespace handoff::io {

class Blob {
 public:
  // More than that is a section's, which is copied while the service serves.
  static constexpr std::size_t kMax = std::size_t{16} << 20;

  Blob(std::string name, handoff_blob_save_fn gives, handoff_blob_load_fn takes, void* user)
      : name_(std::move(name)), save_(gives), load_(takes), user_(user) {}
  ~Blob() {
    forget(sent_);
    forget(came_);
  }
  Blob(const Blob&) = delete;
  Blob& operator=(const Blob&) = delete;

  // For a section whose user is a Blob.
  static handoff_section_ops ops();

 private:
  int begin();
  ssize_t read(char* chunk, std::size_t capacity);
  int save();
  int write(const char* chunk, std::size_t length);
  int finish();
  void reset();
  static void forget(std::optional<std::string>& value);

  const std::string name_;
  const handoff_blob_save_fn save_;
  const handoff_blob_load_fn load_;
  void* const user_;
  // Donor.
  std::optional<std::string> sent_;  // what the heir has once all of it is sent
  std::size_t left_ = 0;             // bytes of it that are still to be sent
  bool ends_ = false;                // all of it is sent, and that is to be said
  // Heir.
  std::optional<std::string> came_;
  std::size_t missing_ = 0;  // bytes of it
};

}  // namespace handoff::io
