// Randomness that nobody can guess: ids, secrets, nonces.
#pragma once

#include <cstdint>
#include <string>

namespace rolemesh::base {

// All draw from the kernel's generator (getrandom) and die if it fails, which
// Linux rules out once booted: an id that could be guessed is worse than none.
//
// Thread-safety: thread-safe. Each call is a system call (about 0.3 us), so
// balancing seeds a generator of its own.

/// At least `bits` random bits, 5 per character, in Crockford's base32 in lower
/// case (0-9 a-z without i l o u). `bits` > 0.
std::string RandomBase32(int bits);

/// `bytes` random bytes as 2 * `bytes` lower-case hex digits.
std::string RandomHex(int bytes);

uint64_t RandomUint64();

}  // namespace rolemesh::base
