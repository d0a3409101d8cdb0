// A checksum that catches typing errors and torn writes, not attackers.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// CRC-32 of IEEE 802.3, as zlib's crc32(): Crc32("123456789") == 0xcbf43926.
uint32_t Crc32(absl::string_view bytes);

}  // namespace rolemesh::base
