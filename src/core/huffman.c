#include "huffman.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* A symbol below its frequency, to be sorted by both. */
#define SYMBOL_BITS 9

/* Sorts keys, ascending; there are at most 288 (Shell's method). */
static void sort(uint32_t *keys, size_t count) {
  static const size_t gaps[] = {57, 23, 10, 4, 1};

  for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
    size_t gap = gaps[g];

    for (size_t i = gap; i < count; i++) {
      uint32_t key = keys[i];
      size_t k = i;

      for (; k >= gap && keys[k - gap] > key; k -= gap)
        keys[k] = keys[k - gap];
      keys[k] = key;
    }
  }
}

/*
 * Depths of the leaves of a Huffman tree over `count` weights, 2 or more, that
 * ascend. Leaves and inner nodes both come in order of their weights, so that
 * the two lightest are always at the fronts of two queues. Returns the largest
 * depth.
 */
static uint32_t measure_depths(const uint32_t *weights, size_t count,
                               uint32_t *depths) {
  uint32_t sums[WSU_HUFFMAN_SYMBOLS] = {0}; /* of inner nodes */
  uint16_t parents[2 * WSU_HUFFMAN_SYMBOLS] = {0};
  size_t leaf = 0;
  size_t inner = 0;
  uint32_t max = 0;

  for (uint16_t made = 0; made + 1u < count; made++) {
    for (int i = 0; i < 2; i++) {
      bool takes_leaf =
          leaf < count && (inner == made || weights[leaf] <= sums[inner]);

      parents[takes_leaf ? leaf : count + inner] = made;
      sums[made] += takes_leaf ? weights[leaf++] : sums[inner++];
    }
  }
  /* The depth of an inner node takes the place of its sum. */
  sums[count - 2] = 0;
  for (size_t i = count - 2; i-- > 0;)
    sums[i] = sums[parents[count + i]] + 1;
  for (size_t i = 0; i < count; i++) {
    depths[i] = sums[parents[i]] + 1;
    if (depths[i] > max)
      max = depths[i];
  }
  return max;
}

static uint32_t symbol_of(uint32_t key) {
  return key & ((1u << SYMBOL_BITS) - 1);
}

void wsu_huffman_choose(uint8_t *lengths, const uint32_t *frequencies,
                        size_t count, uint32_t max) {
  uint32_t keys[WSU_HUFFMAN_SYMBOLS];
  uint32_t weights[WSU_HUFFMAN_SYMBOLS];
  uint32_t depths[WSU_HUFFMAN_SYMBOLS];
  size_t used = 0;

  assert(count <= WSU_HUFFMAN_SYMBOLS);
  memset(lengths, 0, count);
  for (size_t i = 0; i < count; i++)
    if (frequencies[i] > 0)
      keys[used++] = frequencies[i] << SYMBOL_BITS | (uint32_t)i;
  if (used < 2) {
    /* One code of one bit may stand alone (RFC 1951, 3.2.7). */
    lengths[used == 0 ? 0 : symbol_of(keys[0])] = 1;
    return;
  }
  sort(keys, used);
  for (size_t i = 0; i < used; i++)
    weights[i] = keys[i] >> SYMBOL_BITS;
  /* Weights that differ less make a flatter tree. */
  while (measure_depths(weights, used, depths) > max)
    for (size_t i = 0; i < used; i++)
      weights[i] = weights[i] >> 1 | 1;
  for (size_t i = 0; i < used; i++)
    lengths[symbol_of(keys[i])] = (uint8_t)depths[i];
}

void wsu_huffman_assign(uint16_t *codes, const uint8_t *lengths, size_t count) {
  uint32_t counts[WSU_HUFFMAN_BITS_MAX + 1] = {0};
  uint32_t next[WSU_HUFFMAN_BITS_MAX + 1];
  uint32_t first = 0;

  for (size_t i = 0; i < count; i++)
    counts[lengths[i]]++;
  counts[0] = 0;
  for (size_t bits = 1; bits <= WSU_HUFFMAN_BITS_MAX; bits++) {
    first = (first + counts[bits - 1]) << 1;
    next[bits] = first;
  }
  for (size_t i = 0; i < count; i++) {
    uint32_t value = lengths[i] > 0 ? next[lengths[i]]++ : 0;
    uint32_t reversed = 0;

    for (uint32_t bit = 0; bit < lengths[i]; bit++, value >>= 1)
      reversed = reversed << 1 | (value & 1);
    codes[i] = (uint16_t)reversed;
  }
}
