#include "base/config/settings.h"

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rolemesh::base {
namespace {

std::string Absolute(YamlMap& map, absl::string_view key, std::string path) {
  if (!path.empty() && path[0] != '/') map.Fail(key, "is not absolute; begin it with \"/\"");
  return path;
}

SocketAddress ParseListen(YamlMap& map, absl::string_view key, absl::string_view text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text, PortZero::kAllowed);
  if (!address.ok()) {
    map.Fail(key, absl::StrCat(address.status().message(), "; write ADDRESS:PORT"));
    return {};
  }
  return *address;
}

// The host may be a name.
bool IsHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && colon > 0 &&
         absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= 1 && port <= 65535 &&
         text.find_first_of("/ \t@,") == absl::string_view::npos;
}

}  // namespace

std::string ReadPath(YamlMap& map, absl::string_view key, absl::string_view fallback) {
  return Absolute(map, key, map.GetString(key, fallback));
}

std::string ReadPath(YamlMap& map, absl::string_view key) {
  return Absolute(map, key, map.GetString(key));
}

SocketAddress ReadListen(YamlMap& map, absl::string_view key, absl::string_view fallback) {
  return ParseListen(map, key, map.GetString(key, fallback));
}

absl::optional<SocketAddress> ReadAdminListen(YamlMap& map, absl::string_view fallback) {
  constexpr absl::string_view kKey = "admin_listen";
  const std::string text = map.GetStringOrEmpty(kKey, fallback);
  if (text.empty() || text == "off") {
    return absl::nullopt;
  }
  const SocketAddress address = ParseListen(map, kKey, text);
  if (!address.IsLoopback()) {
    map.Fail(kKey, "is not loopback; use 127.0.0.1:PORT or off");
  }
  return address;
}

std::vector<std::string> ReadControlPlanes(YamlMap& map) {
  constexpr absl::string_view kKey = "control_planes";
  std::vector<std::string> addresses = map.GetStringList(kKey, 16);
  if (addresses.empty()) {
    map.Fail(kKey, "names no control plane; list at least one HOST:PORT");
  }
  for (const std::string& address : addresses) {
    if (!IsHostPort(address)) {
      map.Fail(kKey, absl::StrCat("\"", address, "\" is not HOST:PORT; write it so"));
    }
  }
  return addresses;
}

LogConfig ReadLog(YamlMap& map) {
  YamlMap settings = map.GetMap("log");
  LogConfig log;
  log.level = settings.GetEnum<LogLevel>("level", LogLevel::kInfo,
                                         {{"debug", LogLevel::kDebug},
                                          {"info", LogLevel::kInfo},
                                          {"warn", LogLevel::kWarn},
                                          {"error", LogLevel::kError}});
  log.format = settings.GetEnum<LogFormat>(
      "format", LogFormat::kText, {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
  log.file = settings.GetStringOrEmpty("file", "");
  return log;
}

}  // namespace rolemesh::base
