// Which header fields pass from one hop to the next.
#pragma once

#include <string>

#include "base/http/message_head.h"

namespace rolemesh::dataplane {

/// The fields of a client's request that go on, as complete lines.
///
/// Left out: what belongs to one connection (hop-by-hop, and what Connection lists), what we write
/// ourselves (Host, Content-Length, Expect, Accept-Encoding: event streams are read on
/// the way), credentials (Authorization, X-Api-Key, Cookie), claims about where the request comes
/// from (Forwarded, Via, X-Forwarded-*, X-Real-IP) and X-RoleMesh-*.
std::string ForwardedRequestFields(const base::RequestHead& head);

/// The fields of an upstream's answer that go on, as complete lines.
///
/// Left out: what belongs to one connection, Content-Length, Server, Set-Cookie, Alt-Svc,
/// Access-Control-* and X-RoleMesh-*; of event streams also X-Accel-Buffering and Cache-Control,
/// which are written anew.
std::string ForwardedAnswerFields(const base::ResponseHead& head);

/// Content-Type: text/event-stream.
bool IsEventStream(const base::ResponseHead& head);

}  // namespace rolemesh::dataplane
