// A control plane that a test speaks for.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "agent/link/agent_stream.h"
#include "rolemesh/v1/agent.pb.h"

namespace rolemesh::agent {

/// Records what streams are sent; the test answers on the newest one.
/// Thread-safety: the thread that made it only.
class FakeAgentStreamDialer final : public AgentStreamDialer {
 public:
  std::unique_ptr<AgentStream> Dial(absl::string_view address, const client::MeshIdentity& identity,
                                    Handlers handlers) override {
    addresses_.emplace_back(address);
    serials_.push_back(identity.serial);
    handlers_ = std::make_shared<Handlers>(std::move(handlers));
    sent_.clear();
    finished_ = false;
    return std::make_unique<Stream>(this, handlers_);
  }

  void Say(v1::ControlMessage message) {
    if (handlers_->on_message) handlers_->on_message(std::move(message));
  }
  void Close(absl::Status status) {
    if (handlers_->on_closed) handlers_->on_closed(std::move(status));
  }

  /// On the newest stream.
  const std::vector<v1::AgentMessage>& sent() const { return sent_; }
  bool finished() const { return finished_; }
  bool open() const { return handlers_ != nullptr && handlers_->on_closed != nullptr; }
  /// One per dial.
  const std::vector<std::string>& addresses() const { return addresses_; }
  const std::vector<std::string>& serials() const { return serials_; }

 private:
  class Stream final : public AgentStream {
   public:
    Stream(FakeAgentStreamDialer* dialer, std::shared_ptr<Handlers> handlers)
        : dialer_(dialer), handlers_(std::move(handlers)) {}
    ~Stream() override { *handlers_ = {}; }
    void Send(v1::AgentMessage message) override { dialer_->sent_.push_back(std::move(message)); }
    void Finish() override { dialer_->finished_ = true; }

   private:
    FakeAgentStreamDialer* const dialer_;
    const std::shared_ptr<Handlers> handlers_;
  };

  std::vector<std::string> addresses_, serials_;
  std::shared_ptr<Handlers> handlers_;
  std::vector<v1::AgentMessage> sent_;
  bool finished_ = false;
};

}  // namespace rolemesh::agent
