#include "libhandoff/service/saved_stretch.h"

#include <algorithm>

namespace handoff::io {

void SavedStretch::begin(std::optional<core::Stretch> has) {
  bytes_.clear();
  has_ = has;
  placed_.reset();
  drop_.reset();
}

bool SavedStretch::append(std::string_view bytes) {
  if (placed_) return false;
  has_.reset();
  bytes_.append(bytes);
  return true;
}

bool SavedStretch::append_at(std::uint64_t position, std::string_view bytes) {
  if (placed_ ? placed_->end != position : !bytes_.empty()) return false;
  if (position + bytes.size() < position) return false;
  if (!placed_) placed_ = core::Stretch{position, position};
  placed_->end = position + bytes.size();
  if (has_ && position < has_->end) {  // the heir has these
    bytes.remove_prefix(std::min<std::uint64_t>(bytes.size(), has_->end - position));
  }
  bytes_.append(bytes);
  return true;
}

bool SavedStretch::end() {
  if (!has_) return true;
  if (!placed_) placed_ = core::Stretch{has_->end, has_->end};  // nothing was appended
  const core::Tail tail = core::tail_of(*has_, *placed_);
  if (tail.whole) return false;
  drop_ = tail.drop;
  return true;
}

}  // namespace handoff::io
