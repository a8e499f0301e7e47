/*
 * SHA-1 (RFC 3174), which the opening handshake needs for one digest of 60
 * bytes (RFC 6455, 4.2.2). Not for anything that has to resist an attacker.
 */
#ifndef WSU_SHA1_H
#define WSU_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define WSU_SHA1_DIGEST_SIZE 20

/* Writes the digest of `len` bytes to `digest`. */
void wsu_sha1(uint8_t digest[WSU_SHA1_DIGEST_SIZE], const uint8_t *bytes,
              size_t len);

#endif
