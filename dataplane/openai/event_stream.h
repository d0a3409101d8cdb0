// Where the events of an event stream (SSE) end.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace rolemesh::dataplane {

/// Offset behind the last empty line in `text`, which ends an event or a comment; 0: there
/// is none. `text` starts at the start of an event.
/// Line ends may be LF, CRLF or CR. A CR as the last byte is not yet taken for an
/// empty line: LF may follow.
size_t EndOfLastEvent(absl::string_view text);

}  // namespace rolemesh::dataplane
