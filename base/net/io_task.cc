#include "base/net/io_task.h"

#include <chrono>

#include "absl/time/time.h"
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace rolemesh::base {

IoTask<bool> IoSleep(absl::Duration duration) {
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;
  Timer timer(co_await boost::asio::this_coro::executor, absl::ToChronoNanoseconds(duration));
  const auto [error] = co_await timer.async_wait(kIoTuple);
  co_return !error;
}

}  // namespace rolemesh::base
