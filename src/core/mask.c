#include "mask.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define HIGH_BITS UINT64_C(0x8080808080808080)

bool wsu_mask_copy_scalar(uint8_t *dest, const uint8_t *src, size_t len,
                          const uint8_t key[4]) {
  uint64_t seen = 0;
  uint64_t wide_key;
  uint64_t word;
  size_t i = 0;

  memcpy(&wide_key, key, 4);
  memcpy((uint8_t *)&wide_key + 4, key, 4);
  for (; len - i >= 8; i += 8) {
    memcpy(&word, src + i, 8);
    word ^= wide_key;
    seen |= word;
    memcpy(dest + i, &word, 8);
  }
  for (; i < len; i++) {
    dest[i] = src[i] ^ key[i & 3];
    seen |= dest[i];
  }
  return (seen & HIGH_BITS) == 0;
}

#if defined(__SSE2__)

bool wsu_mask_copy(uint8_t *dest, const uint8_t *src, size_t len,
                   const uint8_t key[4]) {
  __m128i seen = _mm_setzero_si128();
  size_t i = 0;
  bool tail_is_ascii;

  if (len >= 16) {
    int32_t key_word;
    __m128i wide_key;

    memcpy(&key_word, key, 4);
    wide_key = _mm_set1_epi32(key_word);
    for (; len - i >= 64; i += 64) {
      const __m128i *in = (const __m128i *)(const void *)(src + i);
      __m128i *out = (__m128i *)(void *)(dest + i);
      __m128i a = _mm_xor_si128(_mm_loadu_si128(in), wide_key);
      __m128i b = _mm_xor_si128(_mm_loadu_si128(in + 1), wide_key);
      __m128i c = _mm_xor_si128(_mm_loadu_si128(in + 2), wide_key);
      __m128i d = _mm_xor_si128(_mm_loadu_si128(in + 3), wide_key);

      _mm_storeu_si128(out, a);
      _mm_storeu_si128(out + 1, b);
      _mm_storeu_si128(out + 2, c);
      _mm_storeu_si128(out + 3, d);
      seen = _mm_or_si128(seen,
                          _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
    }
    for (; len - i >= 16; i += 16) {
      __m128i a = _mm_xor_si128(
          _mm_loadu_si128((const __m128i *)(const void *)(src + i)), wide_key);

      _mm_storeu_si128((__m128i *)(void *)(dest + i), a);
      seen = _mm_or_si128(seen, a);
    }
  }
  /* The vector part is a multiple of 4 bytes, so the key is in phase. */
  tail_is_ascii = wsu_mask_copy_scalar(dest + i, src + i, len - i, key);
  return tail_is_ascii && _mm_movemask_epi8(seen) == 0;
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

bool wsu_mask_copy(uint8_t *dest, const uint8_t *src, size_t len,
                   const uint8_t key[4]) {
  uint8x16_t seen = vdupq_n_u8(0);
  size_t i = 0;
  bool tail_is_ascii;

  if (len >= 16) {
    uint32_t key_word;
    uint8x16_t wide_key;

    memcpy(&key_word, key, 4);
    wide_key = vreinterpretq_u8_u32(vdupq_n_u32(key_word));
    for (; len - i >= 16; i += 16) {
      uint8x16_t a = veorq_u8(vld1q_u8(src + i), wide_key);

      vst1q_u8(dest + i, a);
      seen = vorrq_u8(seen, a);
    }
  }
  /* The vector part is a multiple of 4 bytes, so the key is in phase. */
  tail_is_ascii = wsu_mask_copy_scalar(dest + i, src + i, len - i, key);
  return tail_is_ascii && vmaxvq_u8(seen) < 0x80;
}

#else

bool wsu_mask_copy(uint8_t *dest, const uint8_t *src, size_t len,
                   const uint8_t key[4]) {
  return wsu_mask_copy_scalar(dest, src, len, key);
}

#endif

void wsu_mask_rotate(uint8_t key[4], uint64_t offset) {
  uint8_t turned[4];

  for (unsigned i = 0; i < 4; i++)
    turned[i] = key[(offset + i) & 3];
  memcpy(key, turned, 4);
}
