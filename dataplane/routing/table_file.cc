#include "dataplane/routing/table_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "base/ids/crc32.h"
#include "base/log/logger.h"
#include "base/status/annotate.h"
#include "base/status/status_macros.h"
#include "base/tls/secret_file.h"
#include "proto/contract/limits.h"

namespace rolemesh::dataplane {
namespace {

constexpr absl::string_view kMagic = "RMTABLE1";
constexpr size_t kMaxFileBytes = size_t{512} << 20;

void AppendNumber(std::string* out, uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) {
    out->push_back(static_cast<char>(number >> shift));
  }
}

// False when `rest` is too short.
bool ConsumeNumber(absl::string_view* rest, uint32_t* number) {
  if (rest->size() < 4) return false;
  *number = 0;
  for (int i = 0; i < 4; ++i) {
    *number |= static_cast<uint32_t>(static_cast<unsigned char>((*rest)[i])) << (8 * i);
  }
  rest->remove_prefix(4);
  return true;
}

}  // namespace

absl::Status WriteTableFile(absl::string_view path, const TableReplica::Contents& contents) {
  std::string body;
  for (const v1::TableUpdate& part : ToSnapshot(contents)) {
    AppendNumber(&body, static_cast<uint32_t>(part.ByteSizeLong()));
    part.AppendToString(&body);
  }
  std::string file(kMagic);
  AppendNumber(&file, base::Crc32(body));
  file.append(body);
  return base::WriteFileAtomically(path, file, 0600);
}

absl::StatusOr<std::shared_ptr<const RouteTable>> ReadTableFile(absl::string_view path,
                                                                TableReplica* replica) {
  RM_ASSIGN_OR_RETURN(const base::Secret file, base::ReadSecretFile(path, kMaxFileBytes));
  absl::string_view rest = file.reveal();
  uint32_t checksum = 0;
  if (!absl::ConsumePrefix(&rest, kMagic) || !ConsumeNumber(&rest, &checksum)) {
    return absl::DataLossError(absl::StrCat(path, ": is no route table"));
  }
  if (base::Crc32(rest) != checksum) {
    return absl::DataLossError(absl::StrCat(path, ": its checksum is wrong"));
  }
  std::shared_ptr<const RouteTable> table;
  while (table == nullptr) {
    uint32_t size = 0;
    v1::TableUpdate part;
    if (!ConsumeNumber(&rest, &size) || size > rest.size() || size > contract::kMaxMessageBytes ||
        !part.ParseFromArray(rest.data(), static_cast<int>(size))) {
      return absl::DataLossError(absl::StrCat(path, ": ends early"));
    }
    rest.remove_prefix(size);
    absl::StatusOr<std::shared_ptr<const RouteTable>> applied = replica->Apply(std::move(part));
    RM_RETURN_IF_ERROR(base::Annotate(applied.status(), path));
    table = *std::move(applied);
  }
  return table;
}

TableSaver::TableSaver(std::string path, absl::Duration interval, base::Executor& executor)
    : path_(std::move(path)), interval_(interval), executor_(executor) {}

void TableSaver::Save(TableReplica::Contents contents) {
  executor_.Post([this, contents = std::move(contents)]() mutable {
    waiting_ = std::move(contents);
    if (!paused_) {
      Write();
    }
  });
}

void TableSaver::Write() {
  if (!waiting_.has_value()) {
    paused_ = false;
    return;
  }
  const TableReplica::Contents contents = *std::exchange(waiting_, absl::nullopt);
  const absl::Status status = WriteTableFile(path_, contents);
  if (!status.ok() && !failed_) {
    base::LogError("link",
                   "cannot keep the route table on disk; a restart without a control plane "
                   "would serve an older one",
                   {{"error", status}});
  } else if (status.ok() && failed_) {
    base::LogInfo("link", "the route table is kept on disk again");
  }
  failed_ = !status.ok();
  paused_ = true;
  executor_.PostAfter(interval_, [this] { Write(); });
}

}  // namespace rolemesh::dataplane
