#include "controlplane/model/instance.h"

namespace rolemesh::controlplane {

absl::string_view InstancePhaseName(InstancePhase phase) {
  switch (phase) {
    case InstancePhase::kStarting:
      return "starting";
    case InstancePhase::kReady:
      return "ready";
    case InstancePhase::kDraining:
      return "draining";
    case InstancePhase::kBackoff:
      return "backoff";
    case InstancePhase::kCrashLoop:
      return "crash loop";
    case InstancePhase::kStopped:
      return "stopped";
    case InstancePhase::kUnfit:
      return "unfit";
  }
  return "unknown";
}

}  // namespace rolemesh::controlplane
