// The coroutine type of everything that waits for a socket.
#pragma once

#include "absl/time/time.h"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace rolemesh::base {

/// One event loop; run by exactly one thread, made as IoContext(1).
using IoContext = boost::asio::io_context;

/// The executor's own type instead of any_io_executor: no type erasure on hot paths.
using IoExecutor = IoContext::executor_type;

/// A coroutine on an IoContext. Start one with
///   boost::asio::co_spawn(io.get_executor(), Serve(std::move(x)), completion);
/// It is lazy: nothing runs before it is awaited or spawned. Parameters by value.
template <class T = void>
using IoTask = boost::asio::awaitable<T, IoExecutor>;

/// Completion token for Asio operations inside an IoTask: yields
/// std::tuple<error_code, ...> and never throws.
inline constexpr auto kIoTuple = boost::asio::as_tuple(boost::asio::use_awaitable_t<IoExecutor>{});

/// Waits for `duration` on the monotonic clock (absl::SleepFor would block the thread). False when
/// the wait was cancelled (the context is stopping).
IoTask<bool> IoSleep(absl::Duration duration);

}  // namespace rolemesh::base
