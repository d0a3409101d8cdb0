#include "proto/client/certificate_renewer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "base/log/logger.h"

namespace rolemesh::client {
namespace {

constexpr absl::Duration kRetry = absl::Minutes(5);
// The wall clock may be set: the date is looked at again after this at the latest.
constexpr absl::Duration kLongestWait = absl::Hours(1);

}  // namespace

CertificateRenewer::CertificateRenewer(MeshIdentity identity, std::string identity_dir, Hooks hooks,
                                       base::Executor& executor, const base::Clock& clock)
    : identity_(std::move(identity)),
      identity_dir_(std::move(identity_dir)),
      hooks_(std::move(hooks)),
      executor_(executor),
      clock_(clock) {}

void CertificateRenewer::Start() {
  Schedule(RenewAt(identity_, hooks_.random()));
}

void CertificateRenewer::OnConnected() {
  connected_ = true;
  RenewWhenDue();
}

void CertificateRenewer::OnDisconnected() {
  connected_ = false;
  renewal_.reset();
}

void CertificateRenewer::Schedule(absl::Time when) {
  renew_at_ = when;
  executor_.Cancel(timer_);
  const absl::Duration wait =
      std::clamp(when - clock_.WallNow(), absl::ZeroDuration(), kLongestWait);
  timer_ = executor_.PostAfter(wait, [this] {
    timer_ = base::kNoTimer;
    if (clock_.WallNow() < renew_at_) {
      Schedule(renew_at_);
    } else {
      RenewWhenDue();
    }
  });
}

void CertificateRenewer::RenewWhenDue() {
  if (clock_.WallNow() < renew_at_ || !connected_ || renewal_.has_value()) {
    return;
  }
  absl::StatusOr<Renewal> renewal = MakeRenewal();
  if (!renewal.ok()) {
    base::LogError("link", "cannot make a key for a new certificate",
                   {{"error", renewal.status()}});
    Schedule(clock_.WallNow() + kRetry);
    return;
  }
  v1::CertificateRequest request;
  request.set_csr_der(renewal->csr_der);
  renewal_.emplace(*std::move(renewal));
  hooks_.send(std::move(request));
}

void CertificateRenewer::OnReply(const v1::CertificateReply& reply) {
  if (!renewal_.has_value()) {
    return;
  }
  absl::StatusOr<MeshIdentity> renewed = FinishRenewal(*renewal_, identity_, reply);
  renewal_.reset();
  const absl::Status saved =
      renewed.ok() ? SaveIdentity(identity_dir_, *renewed) : renewed.status();
  if (!saved.ok()) {
    base::LogError("link", "the certificate was not renewed; asking again later",
                   {{"error", saved}, {"not_after", absl::FormatTime(identity_.not_after)}});
    Schedule(clock_.WallNow() + kRetry);
    return;
  }
  identity_ = *std::move(renewed);
  base::LogInfo(
      "link", "renewed the certificate",
      {{"serial", identity_.serial}, {"not_after", absl::FormatTime(identity_.not_after)}});
  hooks_.on_renewed(identity_);
  Schedule(RenewAt(identity_, hooks_.random()));
}

}  // namespace rolemesh::client
