// YamlDocument: each mistake is one line that names file, line and key.
#include "base/config/yaml_reader.h"

#include <cstdint>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace rolemesh::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

enum class Engine { kLlama, kOpenai };

struct Config {
  std::string name;
  std::string address;
  int64_t port = 0;
  bool tls = false;
  absl::Duration drain;
  int64_t max_body_bytes = 0;
  Engine engine = Engine::kLlama;
  std::vector<std::string> tags;
  std::vector<std::string> roles;
};

Config ReadConfig(YamlMap root) {
  Config config;
  config.name = root.GetString("name");
  YamlMap listen = root.GetMap("listen");
  config.address = listen.GetString("address", "127.0.0.1");
  config.port = listen.GetInt("port", 8080, {1, 65535});
  listen.GetMap("tls").GetString("cert", "");
  config.tls = root.GetBool("tls", false);
  config.drain =
      root.GetDuration("drain", absl::Seconds(5), {absl::ZeroDuration(), absl::Hours(1)});
  config.max_body_bytes = root.GetBytes("max_body", 16 << 20, {1024, int64_t{1} << 30});
  config.engine = root.GetEnum<Engine>("engine", Engine::kLlama,
                                       {{"llama", Engine::kLlama}, {"openai", Engine::kOpenai}});
  config.tags = root.GetStringList("tags");
  for (YamlMap& role : root.GetMapList("roles")) {
    config.roles.push_back(role.GetString("name"));
    role.GetInt("slots", {1, 8});
  }
  return config;
}

// The one line about `text`, or "OK".
std::string Mistake(absl::string_view text) {
  absl::StatusOr<YamlDocument> file = ParseYaml(text, "edge.yaml");
  if (file.ok()) {
    ReadConfig(file->root());
  }
  const absl::Status status = file.ok() ? file->Finish() : file.status();
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_FALSE(absl::StrContains(status.message(), "\n")) << status;
  }
  return status.ok() ? "OK" : std::string(status.message());
}

TEST(YamlReaderTest, ReadsEveryType) {
  absl::StatusOr<YamlDocument> file = ParseYaml(R"(
name: 42          # é; plain scalars are text when text is asked for
listen: {address: "10.0.0.1", port: 9000}
tls: true
drain: 1m30s
max_body: 64MiB
engine: openai
tags: [a, "b\"c", 'it''s']
roles:
  - name: coder
    slots: 4
  - {name: writer, slots: 1}
)",
                                                "edge.yaml");
  ASSERT_TRUE(file.ok()) << file.status();
  const Config config = ReadConfig(file->root());
  EXPECT_TRUE(file->Finish().ok()) << file->Finish();
  EXPECT_EQ(config.name, "42");
  EXPECT_EQ(config.address, "10.0.0.1");
  EXPECT_EQ(config.port, 9000);
  EXPECT_TRUE(config.tls);
  EXPECT_EQ(config.drain, absl::Seconds(90));
  EXPECT_EQ(config.max_body_bytes, 64 << 20);
  EXPECT_EQ(config.engine, Engine::kOpenai);
  EXPECT_THAT(config.tags, ElementsAre("a", "b\"c", "it's"));
  EXPECT_THAT(config.roles, ElementsAre("coder", "writer"));
}

TEST(YamlReaderTest, AbsentKeysHaveTheirDefaults) {
  absl::StatusOr<YamlDocument> file = ParseYaml("name: a\n", "edge.yaml");
  ASSERT_TRUE(file.ok());
  const Config config = ReadConfig(file->root());
  EXPECT_TRUE(file->Finish().ok()) << file->Finish();
  EXPECT_EQ(config.address, "127.0.0.1");
  EXPECT_EQ(config.port, 8080);
  EXPECT_EQ(config.drain, absl::Seconds(5));
  EXPECT_EQ(config.max_body_bytes, 16 << 20);
}

TEST(YamlReaderTest, EachMistakeIsOneLineWithFileLineKeyAndRemedy) {
  const struct {
    std::string text;
    std::string mistake;  // how the message begins
  } kCases[] = {
      {"name: a\nlisten:\n  adress: x\n",
       "edge.yaml:3: listen.adress: unknown key; did you mean \"address\"?"},
      {"nme: a\n", "edge.yaml:1: nme: unknown key; did you mean \"name\"?"},
      {"name: a\nzzzzzz: 1\n", "edge.yaml:2: zzzzzz: unknown key; known here: drain, engine,"},
      {"name: a\nroles:\n- name: x\n  slots: 1\n- name: y\n  slots: 1\n  sluts: 2\n",
       "edge.yaml:7: roles[1].sluts: unknown key; did you mean \"slots\"?"},
      {"tls: true\n", "edge.yaml:1: name: missing; add this key"},
      {"", "edge.yaml:1: name: missing; add this key"},
      {"# only a comment\n", "edge.yaml:1: name: missing"},
      {"name: a\nroles:\n- name: x\n", "edge.yaml:3: roles[0].slots: missing"},
      {"name:\n", "edge.yaml:1: name: has no value; write one or remove the key"},
      {"name: ''\n", "edge.yaml:1: name: is empty"},
      {"name: [a]\n", "edge.yaml:1: name: found a list; use text"},
      {"name: a\nlisten: 8080\n", "edge.yaml:2: listen: expected a map, found a single value"},
      {"name: a\nlisten:\n  port: http\n",
       "edge.yaml:3: listen.port: is \"http\"; use a whole number from 1 to 65535"},
      {"name: a\nlisten: {port: 70000}\n", "edge.yaml:2: listen.port: is \"70000\"; use a whole"},
      {"name: a\nlisten: {port: \"80\"}\n",
       "edge.yaml:2: listen.port: is \"80\"; use a whole number from 1 to 65535, without quotes"},
      {"name: a\nlisten: {port: 0x50}\n", "edge.yaml:2: listen.port: is \"0x50\""},
      {"name: a\ntls: yes\n", "edge.yaml:2: tls: is \"yes\"; use true or false"},
      {"name: a\ndrain: 5\n", "edge.yaml:2: drain: is \"5\"; use a duration from 0 to 1h"},
      {"name: a\ndrain: -5s\n", "edge.yaml:2: drain: is \"-5s\""},
      {"name: a\ndrain: inf\n", "edge.yaml:2: drain: is \"inf\""},
      {"name: a\nmax_body: 16MB2\n", "edge.yaml:2: max_body: is \"16MB2\"; use a size"},
      {"name: a\nmax_body: 99999999TiB\n", "edge.yaml:2: max_body: is"},
      {"name: a\nmax_body: 1\n", "edge.yaml:2: max_body: is \"1\"; use a size from 1024"},
      {"name: a\nengine: vllm\n", "edge.yaml:2: engine: is \"vllm\"; use one of llama, openai"},
      {"name: a\ntags: a\n", "edge.yaml:2: tags: expected a list"},
      {"name: a\ntags: [a, {b: c}]\n", "edge.yaml:2: tags[1]: expected text, found a map"},
      {"name: a\nroles: {b: c}\n", "edge.yaml:2: roles: expected a list of maps"},
      {"name: a\nroles: [b]\n", "edge.yaml:2: roles[0]: expected a map"},
      {"name: a\nname: b\n", "edge.yaml:2: name: given twice, first in line 1"},
      {"name: a\nlisten: {port: 1, port: 2}\n", "edge.yaml:2: listen.port: given twice"},
      {"name: &x a\n", "edge.yaml:1: name: anchors and aliases are not supported"},
      {"name: a\nlisten: &x {y: *x}\n", "edge.yaml:2: listen: anchors and aliases"},
      {"name: !!str a\n", "edge.yaml:1: name: tag"},
      {"? [a]\n: b\n", "edge.yaml:1: a key must be a plain word"},
      {"name: a\n\tport: 1\n", "edge.yaml:2: tab in the indentation; use spaces"},
      {"\xef\xbb\xbfname: a\n", "edge.yaml:1: begins with a byte order mark"},
      {"name: a\nengine: \xff\n", "edge.yaml:2: not valid UTF-8"},
      {std::string("name: a\0b\n", 10), "edge.yaml:1: control character"},
      {"- a\n- b\n", "edge.yaml:1: expected \"key: value\" lines"},
      {"just text\n", "edge.yaml:1: expected \"key: value\" lines"},
      {"name: a\n---\nname: b\n", "edge.yaml:3: a second document"},
      {"name: [a\n", "edge.yaml:"},
      {"name: \"a\n", "edge.yaml:1: name: the quote is not closed in its line"},
      {"name: \"a\\\"\ntls: true\n", "edge.yaml:1: name: the quote is not closed"},
      {"# \u00e9\r\nname: 'it''s\n", "edge.yaml:2: name: the quote is not closed"},
      {"name: a\n  listen: b\n", "edge.yaml:2: "},
      {absl::StrCat("name: ", std::string(40, '['), std::string(40, ']')), "edge.yaml:1: nested"},
      {std::string(100000, '['), "edge.yaml:1: "},
      {absl::StrCat("name: ", std::string(kMaxYamlBytes, 'a')), "edge.yaml:1: larger than 1 MiB"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(Mistake(c.text), StartsWith(c.mistake)) << c.text.substr(0, 100);
  }
}

TEST(YamlReaderTest, AMistypedKeyIsReportedBeforeTheMissingOne) {
  EXPECT_THAT(Mistake("nmae: a\n"), HasSubstr("did you mean \"name\"?"));
}

TEST(YamlReaderTest, TheFirstWrongValueStays) {
  EXPECT_THAT(Mistake("name: a\nlisten: {port: x}\ntls: y\n"), HasSubstr("listen.port"));
}

TEST(YamlReaderTest, CallersAddTheirOwnObjections) {
  absl::StatusOr<YamlDocument> file = ParseYaml("a:\n  b: c\n", "f");
  ASSERT_TRUE(file.ok());
  YamlMap a = file->root().GetMap("a");
  a.GetString("b");
  EXPECT_EQ(a.Where("b"), "f:2: a.b");
  EXPECT_EQ(a.line(), 2);
  a.Fail("b", "no such host; name another");
  EXPECT_EQ(file->Finish().message(), "f:2: a.b: no such host; name another");
}

TEST(YamlReaderTest, KeysThatAreDataComeInOrder) {
  absl::StatusOr<YamlDocument> file = ParseYaml("z: {n: 1}\na: {n: 2}\n", "f");
  ASSERT_TRUE(file.ok());
  YamlMap root = file->root();
  EXPECT_THAT(root.Keys(), ElementsAre("z", "a"));
  EXPECT_TRUE(root.Has("a"));
  EXPECT_EQ(root.GetMap("a").GetInt("n", {0, 9}), 2);
  EXPECT_THAT(file->Finish().message(), HasSubstr("f:1: z: unknown key"));
}

TEST(YamlReaderTest, MessagesNeverCarryControlCharacters) {
  EXPECT_EQ(Mistake("name: a\n\"x\\ny\\e[1m\": 1\n").find_first_of("\n\x1b"), std::string::npos);
  EXPECT_EQ(Mistake("name: a\ntls: \"x\\ny\\e[1m\"\n").find_first_of("\n\x1b"), std::string::npos);
}

TEST(YamlReaderTest, OnlyRegularFilesAreRead) {
  const std::string folder = ::testing::TempDir();
  EXPECT_EQ(ParseYamlFile("/nonexistent/edge.yaml").status(),
            absl::NotFoundError("/nonexistent/edge.yaml: No such file or directory; create it or "
                                "name another file"));
  EXPECT_EQ(ParseYamlFile(folder).status().code(), absl::StatusCode::kInvalidArgument);
  const std::string fifo = folder + "/yaml_reader_test.fifo";
  mkfifo(fifo.c_str(), 0600);
  EXPECT_EQ(ParseYamlFile(fifo).status().code(), absl::StatusCode::kInvalidArgument);
  unlink(fifo.c_str());
  EXPECT_EQ(ParseYamlFile("/dev/zero").status().code(), absl::StatusCode::kInvalidArgument);
  const std::string file = folder + "/yaml_reader_test.yaml";
  std::ofstream(file) << "name: a\r\ntls: true\r\n";
  absl::StatusOr<YamlDocument> document = ParseYamlFile(file);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(ReadConfig(document->root()).name, "a");
  EXPECT_TRUE(document->Finish().ok()) << document->Finish();
  unlink(file.c_str());
}

}  // namespace
}  // namespace rolemesh::base
