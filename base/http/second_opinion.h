// Beast's view of a head that the gate has let through.
#pragma once

#include "absl/strings/string_view.h"

#include "base/http/message_head.h"

namespace rolemesh::base {

/// Whether Boost.Beast's parser reads `raw` (one complete head) exactly as `head` says: start
/// line, every field, framing. False means that one of the two is wrong: refuse.
bool BeastAgrees(absl::string_view raw, const RequestHead& head);
bool BeastAgrees(absl::string_view raw, const ResponseHead& head);

}  // namespace rolemesh::base
