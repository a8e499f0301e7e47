/* Text as applications send it: JSON that varies from message to message, and
 * is the same in every run. It owns nothing and allocates nothing.
 */
#ifndef WSU_BENCH_JSON_H
#define WSU_BENCH_JSON_H

#include <stddef.h>
#include <stdint.h>

/* The shortest text that json_write() can write. */
enum { JSON_SIZE_MIN = 64 };

/* Writes an object in ASCII of exactly `size` bytes, without a terminating
   zero. `seed`, any number, says which one. Its first member is an "id" of
   eight characters that begin at byte 7. */
void json_write(uint8_t *out, size_t size, uint32_t seed);

#endif
