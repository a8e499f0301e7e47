/*
 * Masking (RFC 6455, 5.3) as one pass: copy, XOR with the key, and find out
 * whether all of it is ASCII, so that most text needs no UTF-8 validation.
 */
#ifndef WSU_MASK_H
#define WSU_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes `len` bytes of `src`, XORed with the repeated `key`, to `dest`.
 * `src[0]` meets `key[0]`: a caller in the middle of a payload passes a
 * rotated key. A key of zeros copies. `dest` may be `src` itself, but must not
 * overlap it otherwise. Returns true if every byte written is below 0x80.
 */
bool wsu_mask_copy(uint8_t *dest, const uint8_t *src, size_t len,
                   const uint8_t key[4]);

/* The same without SIMD: what tests hold wsu_mask_copy() against. */
bool wsu_mask_copy_scalar(uint8_t *dest, const uint8_t *src, size_t len,
                          const uint8_t key[4]);

/* Turns `key` so that its first byte is the one for payload byte `offset`. */
void wsu_mask_rotate(uint8_t key[4], uint64_t offset);

#endif
