#include "controlplane/store/transaction.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rolemesh::controlplane {
namespace {

absl::Status CheckKey(absl::string_view key, absl::string_view path) {
  if (key.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": empty key"));
  }
  if (key.size() > kMaxKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": key of ", key.size(), " bytes, at most ", kMaxKeyBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckOps(const std::vector<Op>& ops, absl::string_view name) {
  std::vector<absl::string_view> puts;
  for (size_t i = 0; i < ops.size(); ++i) {
    const std::string path = absl::StrCat(name, "[", i, "]");
    if (absl::Status status = CheckKey(ops[i].key, path); !status.ok()) {
      return status;
    }
    if (ops[i].value.size() > kMaxValueBytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": value of ", ops[i].value.size(),
                                                     " bytes, at most ", kMaxValueBytes));
    }
    if (ops[i].kind == Op::Kind::kPut) {
      puts.push_back(ops[i].key);
    }
  }
  std::sort(puts.begin(), puts.end());
  if (auto twice = std::adjacent_find(puts.begin(), puts.end()); twice != puts.end()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": key put twice: ", *twice));
  }
  for (const Op& op : ops) {
    if (op.kind == Op::Kind::kPut) {
      continue;
    }
    const auto put = std::lower_bound(puts.begin(), puts.end(), absl::string_view(op.key));
    if (put != puts.end() &&
        (op.kind == Op::Kind::kDelete ? *put == op.key : absl::StartsWith(*put, op.key))) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": key put and deleted: ", *put));
    }
  }
  return absl::OkStatus();
}

template <class T>
bool Related(const T& stored, Compare::Relation relation, const T& given) {
  switch (relation) {
    case Compare::Relation::kEqual:
      return stored == given;
    case Compare::Relation::kGreater:
      return stored > given;
    case Compare::Relation::kLess:
      return stored < given;
  }
  return false;
}

}  // namespace

absl::Status ValidateTransaction(const Transaction& transaction) {
  size_t bytes = 0;
  for (const auto& [size, name] : {std::pair(transaction.compares.size(), "compares"),
                                   std::pair(transaction.then.size(), "then"),
                                   std::pair(transaction.otherwise.size(), "otherwise")}) {
    if (size > kMaxTransactionOps) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": ", size, " entries, at most ", kMaxTransactionOps));
    }
  }
  for (size_t i = 0; i < transaction.compares.size(); ++i) {
    const Compare& compare = transaction.compares[i];
    absl::Status status = CheckKey(compare.key, absl::StrCat("compares[", i, "]"));
    if (!status.ok()) {
      return status;
    }
    bytes += compare.key.size() + compare.value.size();
  }
  for (const auto& [ops, name] :
       {std::pair(&transaction.then, "then"), std::pair(&transaction.otherwise, "otherwise")}) {
    if (absl::Status status = CheckOps(*ops, name); !status.ok()) {
      return status;
    }
    for (const Op& op : *ops) {
      bytes += op.key.size() + op.value.size();
    }
  }
  if (bytes > kMaxTransactionBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("transaction of ", bytes, " bytes, at most ", kMaxTransactionBytes));
  }
  return absl::OkStatus();
}

bool Holds(const Compare& compare, const KeyValue* found) {
  switch (compare.target) {
    case Compare::Target::kModRevision:
      return Related(found ? found->mod_revision : 0, compare.relation, compare.revision);
    case Compare::Target::kCreateRevision:
      return Related(found ? found->create_revision : 0, compare.relation, compare.revision);
    case Compare::Target::kValue:
      return found != nullptr && Related(found->value, compare.relation, compare.value);
  }
  return false;
}

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) {
    end.pop_back();
  }
  if (!end.empty()) {
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  }
  return end;
}

}  // namespace rolemesh::controlplane
