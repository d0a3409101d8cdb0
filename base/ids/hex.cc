#include "base/ids/hex.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rolemesh::base {
namespace {

int DigitValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

}  // namespace

std::string HexEncode(absl::string_view bytes) {
  return absl::BytesToHexString(bytes);
}

absl::StatusOr<std::string> HexDecode(absl::string_view digits) {
  if (digits.size() % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(digits.size(), " hex digits: an odd number"));
  }
  std::string bytes(digits.size() / 2, '\0');
  for (size_t i = 0; i < digits.size(); ++i) {
    const int value = DigitValue(digits[i]);
    if (value < 0) {
      return absl::InvalidArgumentError(absl::StrCat("no hex digit at offset ", i));
    }
    bytes[i / 2] = static_cast<char>(static_cast<unsigned char>(bytes[i / 2]) << 4 | value);
  }
  return bytes;
}

}  // namespace rolemesh::base
