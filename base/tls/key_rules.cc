#include "base/tls/key_rules.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>

namespace rolemesh::base {
namespace {

constexpr int kMaxRsaBits = 8192;  // verification time grows with the square

}  // namespace

absl::Status CheckKeyRules(const evp_pkey_st* key, int min_rsa_bits, absl::string_view what) {
  const int bits = EVP_PKEY_get_bits(key);
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      return absl::OkStatus();
    case EVP_PKEY_EC: {
      char curve[64] = {};
      size_t size = 0;
      // A curve spelled out in numbers can be made to look like a known one.
      int spelled_out = 0;
      EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelled_out);
      if (spelled_out == 0 && EVP_PKEY_get_group_name(key, curve, sizeof(curve), &size) == 1) {
        const int nid = OBJ_sn2nid(curve);
        if (nid == NID_X9_62_prime256v1 || nid == NID_secp384r1) {
          return absl::OkStatus();
        }
      }
      break;
    }
    case EVP_PKEY_RSA:
      if (bits >= min_rsa_bits && bits <= kMaxRsaBits) {
        return absl::OkStatus();
      }
      break;
    default:
      break;
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": a key of type ", type != nullptr ? type : "unknown", " with ", bits,
                   " bits is not accepted; use EC P-256 or P-384, Ed25519, or RSA of ",
                   min_rsa_bits, " to ", kMaxRsaBits, " bits"));
}

const evp_md_st* SigningDigest(const evp_pkey_st* key) {
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
}

}  // namespace rolemesh::base
