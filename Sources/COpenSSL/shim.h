// OpenSSL, with functions in place of the macros and the typed stacks that Swift cannot call.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

// MARK: Macros

static inline int contextMinimumVersion(SSL_CTX *context) { return (int)SSL_CTX_get_min_proto_version(context); }

static inline int contextSetMinimumVersion(SSL_CTX *context, int version) {
  return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline int contextSetMaximumVersion(SSL_CTX *context, int version) {
  return (int)SSL_CTX_set_max_proto_version(context, version);
}

static inline int contextMaximumVersion(SSL_CTX *context) { return (int)SSL_CTX_get_max_proto_version(context); }

static inline void contextForbidRenegotiation(SSL_CTX *context) { SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION); }

// Sessions are handed to the callback and kept nowhere else.
static inline void contextHandOutSessions(SSL_CTX *context, int (*callback)(SSL *, SSL_SESSION *)) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, callback);
}

static inline int connectionSetServerName(SSL *connection, const char *name) {
  return (int)SSL_set_tlsext_host_name(connection, name);
}

static inline void connectionSetOwner(SSL *connection, void *owner) { SSL_set_app_data(connection, owner); }

static inline void *connectionOwner(const SSL *connection) { return SSL_get_app_data(connection); }

static inline void *verificationOwner(X509_STORE_CTX *verification) {
  return connectionOwner(X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
}

static inline const char *connectionGroup(SSL *connection) {
  return SSL_group_to_name(connection, (int)SSL_get_negotiated_group(connection));
}

// The bytes in a memory BIO, where they are.
static inline long memoryBytes(BIO *memory, char **bytes) { return BIO_get_mem_data(memory, bytes); }

static inline void memoryClear(BIO *memory) { (void)BIO_reset(memory); }

static inline int errorIsOfSystem(unsigned long error) { return ERR_SYSTEM_ERROR(error); }

// MARK: Certificates

static inline EVP_PKEY *newEllipticKey(void) { return EVP_EC_gen("P-256"); }

static inline EVP_PKEY *newRSAKey(void) { return EVP_RSA_gen(2048); }

// Uses the key, which is freed, and a certificate of it for localhost that it signs itself, good for a month; 0 when that fails.
static inline int contextSignForItself(SSL_CTX *context, EVP_PKEY *key) {
  X509 *certificate = X509_new();
  X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
  const unsigned char *host = (const unsigned char *)"localhost";
  int isUsed = key && name && X509_set_version(certificate, X509_VERSION_3) == 1
    && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1
    && X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L) && X509_gmtime_adj(X509_getm_notAfter(certificate), 30 * 86400L)
    && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, host, -1, -1, 0) == 1
    && X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1
    && X509_sign(certificate, key, EVP_sha256()) > 0 && SSL_CTX_use_certificate(context, certificate) == 1
    && SSL_CTX_use_PrivateKey(context, key) == 1;
  X509_free(certificate);
  EVP_PKEY_free(key);
  return isUsed;
}

static inline int chainCount(const STACK_OF(X509) *chain) { return chain ? sk_X509_num(chain) : 0; }

static inline X509 *chainCertificate(const STACK_OF(X509) *chain, int index) { return sk_X509_value(chain, index); }

// The certificate of the chain that is the one and only thing in a PEM file; NULL where it is not there, or not alone.
static inline X509 *chainCertificateOfFile(const STACK_OF(X509) *chain, const char *path) {
  X509 *found = NULL;
  char *name = NULL, *header = NULL;
  unsigned char *bytes = NULL;
  long count = 0;
  BIO *file = BIO_new_file(path, "r");
  if (file && PEM_read_bio(file, &name, &header, &bytes, &count) && strcmp(name, PEM_STRING_X509) == 0 && !*header) {
    for (int index = 0; index < chainCount(chain) && !found; index++) {
      unsigned char *sent = NULL;
      X509 *certificate = chainCertificate(chain, index);
      if (i2d_X509(certificate, &sent) == count && memcmp(sent, bytes, (size_t)count) == 0) found = certificate;
      OPENSSL_free(sent);
    }
    char *nextName = NULL, *nextHeader = NULL;
    unsigned char *nextBytes = NULL;
    if (found && PEM_read_bio(file, &nextName, &nextHeader, &nextBytes, &count)) found = NULL;
    OPENSSL_free(nextName);
    OPENSSL_free(nextHeader);
    OPENSSL_free(nextBytes);
  }
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(bytes);
  BIO_free(file);
  ERR_clear_error();
  return found;
}

// The subject alternative names; NULL without any.
static inline GENERAL_NAMES *certificateNames(const X509 *certificate) {
  return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

static inline int namesCount(const GENERAL_NAMES *names) { return names ? sk_GENERAL_NAME_num(names) : 0; }

// The bytes of a host name (type GEN_DNS) or an address (GEN_IPADD); NULL for names of other types.
static inline const unsigned char *namesBytes(const GENERAL_NAMES *names, int index, int *type, int *count) {
  const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
  *type = name->type;
  if (name->type != GEN_DNS && name->type != GEN_IPADD) return NULL;
  const ASN1_STRING *string = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
  *count = ASN1_STRING_length(string);
  return ASN1_STRING_get0_data(string);
}

static inline void namesFree(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }

// CN first, as `CN=localhost,O=Example`, in UTF-8, control characters escaped.
static inline int namePrint(BIO *memory, const X509_NAME *name) {
  return X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
}

// The time in UTC; 0 where it is none.
static inline int timeFields(const ASN1_TIME *time, struct tm *fields) { return ASN1_TIME_to_tm(time, fields); }

// Seconds from the beginning of 1970 to the end of the certificate's life; 0 where that is not to be read.
static inline int64_t certificateEnd(const X509 *certificate) {
  int days = 0, seconds = 0;
  ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
  int isRead = epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate));
  ASN1_TIME_free(epoch);
  return isRead ? (int64_t)days * 86400 + seconds : 0;
}

// SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo).
static inline int certificateKeyDigest(const X509 *certificate, unsigned char digest[32]) {
  unsigned char *bytes = NULL;
  int count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
  if (count <= 0) return 0;
  SHA256(bytes, (size_t)count, digest);
  OPENSSL_free(bytes);
  return 1;
}
