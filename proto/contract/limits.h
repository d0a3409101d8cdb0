// Numbers that both ends of a conversation hold each other to.
#pragma once

#include <cstddef>

namespace rolemesh::contract {

inline constexpr int kMaxRoles = 1'000;                   ///< Roles in one mesh.
inline constexpr int kMaxAliasesPerRole = 32;             ///< Other names of one role.
inline constexpr int kMaxUpstreamsPerRole = 64;           ///< Servers without an agent.
inline constexpr int kMaxRolesPerInstance = 64;           ///< Roles that one instance advertises.
inline constexpr int kMaxInstancesPerNode = 256;          ///< Instances of one agent.
inline constexpr int kMaxSlots = 1'000;                   ///< Requests one endpoint runs at once.
inline constexpr int kMaxTableParts = 4'096;              ///< Parts of one table update.
inline constexpr size_t kMaxTablePartBytes = 1 << 20;     ///< Entries in one part.
inline constexpr size_t kMaxEntryIdBytes = 512;           ///< Id of a table entry.
inline constexpr size_t kMaxEntryBytes = 256 << 10;       ///< Payload of a table entry.
inline constexpr size_t kMaxMessageBytes = 4 << 20;       ///< One gRPC message.
inline constexpr size_t kMaxCsrBytes = 16 << 10;          ///< A certificate request in DER.
inline constexpr size_t kMaxCertificateBytes = 64 << 10;  ///< A PEM chain or root bundle.
inline constexpr size_t kMaxReasonBytes = 512;            ///< One line for people.
inline constexpr size_t kMaxLogChunkBytes = 64 << 10;     ///< One LogChunk.
inline constexpr int kMaxLogLines = 10'000;               ///< Lines asked for at once.

}  // namespace rolemesh::contract
