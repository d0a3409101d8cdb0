// A value together with the revision at which the store took it.
#pragma once

#include <cstdint>

namespace rolemesh::controlplane {

/// `revision` is the key's mod_revision: what Compare::Unchanged wants.
template <class T>
struct Stored {
  T value;
  int64_t revision = 0;
};

}  // namespace rolemesh::controlplane
