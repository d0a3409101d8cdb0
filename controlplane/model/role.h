// A role: the name that clients put in `model`, and its policy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace rolemesh::controlplane {

/// An OpenAI-compatible server without an agent.
struct Upstream {
  std::string proxy_url;        ///< http://HOST:PORT
  std::string upstream_model;   ///< Sent as `model`; empty: what the client sent.
  uint32_t max_concurrent = 4;  ///< 1..1,000

  friend bool operator==(const Upstream&, const Upstream&) = default;
};

/// Thread-safety: a value.
struct Role {
  std::string name;
  std::vector<std::string> aliases;
  std::vector<Upstream> upstreams;
  absl::Duration first_byte_timeout = absl::Seconds(300);
  absl::Duration idle_timeout = absl::Seconds(120);
  absl::Time created_at;

  friend bool operator==(const Role&, const Role&) = default;
};

}  // namespace rolemesh::controlplane
