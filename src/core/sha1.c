#include "sha1.h"

#include <string.h>

#define BLOCK_SIZE 64

static uint32_t rotate(uint32_t word, unsigned bits) {
  return word << bits | word >> (32 - bits);
}

static void add_block(uint32_t state[5], const uint8_t block[BLOCK_SIZE]) {
  uint32_t w[80];
  uint32_t a = state[0];
  uint32_t b = state[1];
  uint32_t c = state[2];
  uint32_t d = state[3];
  uint32_t e = state[4];

  for (size_t t = 0; t < 16; t++)
    w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
           (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
  for (size_t t = 16; t < 80; t++)
    w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

  for (size_t t = 0; t < 80; t++) {
    uint32_t f;
    uint32_t k;
    uint32_t next;

    if (t < 20) {
      f = (b & c) | (~b & d);
      k = 0x5a827999;
    } else if (t < 40) {
      f = b ^ c ^ d;
      k = 0x6ed9eba1;
    } else if (t < 60) {
      f = (b & c) | (b & d) | (c & d);
      k = 0x8f1bbcdc;
    } else {
      f = b ^ c ^ d;
      k = 0xca62c1d6;
    }
    next = rotate(a, 5) + f + e + w[t] + k;
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }

  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

void wsu_sha1(uint8_t digest[WSU_SHA1_DIGEST_SIZE], const uint8_t *bytes,
              size_t len) {
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                       0xc3d2e1f0};
  uint8_t block[BLOCK_SIZE] = {0};
  uint64_t bits = (uint64_t)len * 8;

  for (; len >= BLOCK_SIZE; bytes += BLOCK_SIZE, len -= BLOCK_SIZE)
    add_block(state, bytes);

  if (len > 0)
    memcpy(block, bytes, len);
  block[len] = 0x80;
  /* The length takes the last 8 bytes: if they are used, one block more. */
  if (len + 1 > BLOCK_SIZE - 8) {
    add_block(state, block);
    memset(block, 0, sizeof(block));
  }
  for (unsigned i = 0; i < 8; i++)
    block[BLOCK_SIZE - 1 - i] = (uint8_t)(bits >> (8 * i));
  add_block(state, block);

  for (unsigned i = 0; i < WSU_SHA1_DIGEST_SIZE; i++)
    digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}
