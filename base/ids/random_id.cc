#include "base/ids/random_id.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/random.h>

#include "base/ids/hex.h"

namespace rolemesh::base {
namespace {

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  size_t filled = 0;
  while (filled < count) {
    const ssize_t got = getrandom(bytes.data() + filled, count - filled, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      std::abort();
    }
    filled += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace

std::string RandomBase32(int bits) {
  constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string text = RandomBytes(static_cast<size_t>((bits + 4) / 5));
  for (char& c : text) {
    c = kAlphabet[static_cast<unsigned char>(c) & 31];
  }
  return text;
}

std::string RandomHex(int bytes) {
  return HexEncode(RandomBytes(static_cast<size_t>(bytes)));
}

uint64_t RandomUint64() {
  uint64_t value;
  const std::string bytes = RandomBytes(sizeof(value));
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

}  // namespace rolemesh::base
