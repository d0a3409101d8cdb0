#include "proto/client/enrollment.h"

#include <cstdint>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "base/status/annotate.h"
#include "base/status/status_macros.h"
#include "base/time/clock.h"
#include "base/tls/certificate.h"
#include "base/tls/private_key.h"
#include "base/tls/root_probe.h"
#include "base/tls/secret.h"
#include "base/tls/secret_file.h"
#include "proto/client/channel.h"
#include "proto/client/identity_files.h"
#include "proto/client/renewal.h"
#include "proto/contract/grpc_status.h"
#include "proto/contract/join_token.h"
#include "proto/contract/spiffe_id.h"
#include "rolemesh/v1/enrollment.grpc.pb.h"
#include "rolemesh/v1/enrollment.pb.h"

namespace rolemesh::client {
namespace {

absl::StatusOr<std::pair<std::string, uint16_t>> SplitAddress(absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" must be HOST:PORT"));
  }
  absl::string_view host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return std::pair(std::string(host), static_cast<uint16_t>(port));
}

absl::StatusOr<MeshIdentity> JoinAt(const std::string& address, const JoinOptions& options,
                                    const base::Clock& clock) {
  RM_ASSIGN_OR_RETURN(const auto host_and_port, SplitAddress(address));
  RM_ASSIGN_OR_RETURN(
      const base::Certificate root,
      base::FetchPinnedRoot(host_and_port.first, host_and_port.second,
                            options.token.root_spki_sha256, options.timeout, clock));
  RM_ASSIGN_OR_RETURN(const Renewal renewal, MakeRenewal());

  v1::EnrollRequest request;
  request.set_token_id(options.token.id);
  request.set_token_secret(std::string(options.token.secret.reveal()));
  request.set_csr_der(renewal.csr_der);
  request.set_name(options.name);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(clock.WallNow() + options.timeout));
  context.set_wait_for_ready(false);
  const auto stub = v1::EnrollmentService::NewStub(MakeAnonymousChannel(address, root.ToPem()));
  v1::EnrollReply reply;
  RM_RETURN_IF_ERROR(contract::FromGrpc(stub->Enroll(&context, request, &reply)));

  RM_ASSIGN_OR_RETURN(
      MeshIdentity identity,
      MakeIdentity(renewal.key.ToPem(), reply.certificate_chain_pem(), reply.roots_pem()));
  if (identity.id.kind != options.kind) {
    return absl::PermissionDeniedError(absl::StrCat("the token was for ", identity.id.ToUri(),
                                                    ", but this program needs one for ",
                                                    contract::IdentityKindName(options.kind)));
  }
  return identity;
}

}  // namespace

absl::StatusOr<MeshIdentity> Join(const JoinOptions& options, const base::Clock& clock) {
  absl::Status last = absl::InvalidArgumentError("no control plane to join at");
  for (const std::string& address : options.control_planes) {
    absl::StatusOr<MeshIdentity> identity = JoinAt(address, options, clock);
    if (identity.ok()) return identity;
    last = base::Annotate(identity.status(), address);
    // A refusal is a refusal everywhere; only the unreachable are passed over.
    if (!absl::IsUnavailable(last) && !absl::IsDeadlineExceeded(last)) break;
  }
  return last;
}

absl::StatusOr<contract::JoinToken> ReadJoinToken(const std::string& path) {
  constexpr size_t kMaxTokenFileBytes = 4096;
  base::Secret text;
  if (path == "-") {
    std::string input;
    char c = 0;
    while (input.size() < kMaxTokenFileBytes && std::cin.get(c)) input += c;
    text = base::Secret(std::move(input));
  } else {
    RM_ASSIGN_OR_RETURN(text, base::ReadSecretFile(path, kMaxTokenFileBytes));
  }
  absl::StatusOr<contract::JoinToken> token = contract::ParseJoinToken(text.reveal());
  if (!token.ok()) {
    return base::Annotate(token.status(), path == "-" ? "standard input" : path);
  }
  return token;
}

}  // namespace rolemesh::client
