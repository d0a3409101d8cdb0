#include "controlplane/model/session.h"

namespace rolemesh::controlplane {

absl::string_view SessionPhaseName(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kLive:
      return "live";
    case SessionPhase::kSuspect:
      return "suspect";
    case SessionPhase::kGone:
      return "gone";
    case SessionPhase::kLeft:
      return "left";
  }
  return "unknown";
}

}  // namespace rolemesh::controlplane
