// A private directory for one test's store.
#pragma once

#include <filesystem>
#include <stdlib.h>
#include <string>

namespace rolemesh::controlplane {

/// Made with mode 0700, removed with all it holds.
class StoreDirectory {
 public:
  StoreDirectory() : path_((std::filesystem::temp_directory_path() / "store.XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) {
      abort();
    }
  }
  ~StoreDirectory() { std::filesystem::remove_all(path_); }
  StoreDirectory(const StoreDirectory&) = delete;
  StoreDirectory& operator=(const StoreDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string file() const { return path_ + "/store.db"; }

 private:
  std::string path_;
};

}  // namespace rolemesh::controlplane
