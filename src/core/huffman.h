/* Huffman codes as deflate has them (RFC 1951, 3.2.1 and 3.2.2). */
#ifndef WSU_HUFFMAN_H
#define WSU_HUFFMAN_H

#include <stddef.h>
#include <stdint.h>

/* The largest of deflate's alphabets, and its longest code. */
#define WSU_HUFFMAN_SYMBOLS 288
#define WSU_HUFFMAN_BITS_MAX 15

/*
 * Chooses code lengths of at most `max` bits for `count` symbols that come so
 * often; `max` has to be enough for them. A symbol that does not come gets
 * none, but one length is always set: an alphabet of which nothing is used has
 * one code all the same (RFC 1951, 3.2.7). No sum of frequencies may reach
 * 1 << 23.
 */
void wsu_huffman_choose(uint8_t *lengths, const uint32_t *frequencies,
                        size_t count, uint32_t max);

/* Codes from their lengths, as they are written: the first bit is the lowest.
 */
void wsu_huffman_assign(uint16_t *codes, const uint8_t *lengths, size_t count);

#endif
