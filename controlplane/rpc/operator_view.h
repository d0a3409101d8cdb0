// What operators see of the mesh, as messages.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/reconcile/view.h"
#include "rolemesh/v1/operator.pb.h"

namespace rolemesh::controlplane {

/// Fills what the view knows: all but uptime, version and store_read_only.
void FillStatus(const View& view, v1::GetStatusReply* reply);

/// Fills the list that `request` asks for; `wall` decides which keys have expired.
/// Errors: InvalidArgument: no such kind; NotFound: a name was given and there is none.
absl::Status FillList(const View& view, const v1::ListRequest& request, absl::Time wall,
                      v1::ListReply* reply);

}  // namespace rolemesh::controlplane
