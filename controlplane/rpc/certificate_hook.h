// How streams get the next certificate for their peer.
#pragma once

#include <functional>
#include <string>

#include "absl/functional/any_invocable.h"

#include "controlplane/identity/caller.h"
#include "rolemesh/v1/common.pb.h"

namespace rolemesh::controlplane {

/// Answers a CertificateRequest: returns at once and calls `done` once, from any thread. A refusal
/// is a reply with `refusal`.
using CertificateHook = std::function<void(const Caller& caller, std::string csr_der,
                                           absl::AnyInvocable<void(v1::CertificateReply)> done)>;

}  // namespace rolemesh::controlplane
