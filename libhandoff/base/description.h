// What a result of the C ABI means, in words.
#pragma once

namespace handoff {

// result: 0, -errno, or one of HANDOFF_ERR_*. A static text. Any thread.
const char* description(int result);

}  // namespace handoff
