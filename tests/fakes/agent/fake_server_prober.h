// Probes that a test answers.
#pragma once

#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "agent/llama/server_prober.h"
#include "agent/llama/server_properties.h"

namespace rolemesh::agent {

/// Answers each probe at once with what was set; at first: two slots of 2048 tokens.
/// Thread-safety: the thread that made it only.
class FakeServerProber final : public ServerProber {
 public:
  void Set(absl::StatusOr<ServerProperties> answer) { answer_ = std::move(answer); }

  void Probe(ProbeTarget target, Callback done) override {
    ++probes_;
    last_ = std::move(target);
    done(answer_);
  }

  int probes() const { return probes_; }
  const ProbeTarget& last() const { return last_; }

 private:
  absl::StatusOr<ServerProperties> answer_ = ServerProperties{
      .slot_count = 2, .context_per_slot = 2048, .abilities = {.tools = true}, .build = "b1"};
  int probes_ = 0;
  ProbeTarget last_;
};

}  // namespace rolemesh::agent
