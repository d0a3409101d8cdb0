// A gRPC channel to the control plane that knows whom it talks to.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "proto/client/identity_files.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace rolemesh::client {

/// Mutual TLS with the identity's certificate. The server's chain must end in
/// one of the identity's roots *and* its certificate must name
/// spiffe://<mesh>/controlplane/<replica>: another member of the mesh that
/// poses as control plane is refused at the handshake.
///
/// Messages are at most 4 MiB; keepalive every 20 s, dead after 10 s more.
/// Each call makes a connection of its own (no global subchannel pool), so
/// that a renewed identity is used by the next channel.
///
/// `address` is HOST:PORT.
std::shared_ptr<grpc::Channel> MakeChannel(absl::string_view address, const MeshIdentity& identity);

/// For enrolment: no client certificate yet; `root_pem` is the pinned root.
std::shared_ptr<grpc::Channel> MakeAnonymousChannel(absl::string_view address,
                                                    const std::string& root_pem);

/// The control plane's unix socket, which admits root and its own user.
std::shared_ptr<grpc::Channel> MakeSocketChannel(absl::string_view socket_path);

}  // namespace rolemesh::client
