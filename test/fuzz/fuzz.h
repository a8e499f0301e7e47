/*
 * What the fuzz targets share: a check that ends the process, a reader of the
 * input's bytes, copies of exact size, and allocations that fail when they are
 * told to. Every allocator call of a target's program goes by way of fuzz.c
 * (-Wl,--wrap), those of the target itself and of zlib included.
 */
#ifndef WSU_FUZZ_H
#define WSU_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, and says where, unless the condition holds. */
#define EXPECT(condition)                                                      \
  ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

_Noreturn void fuzz_fail(const char *file, int line, const char *condition);

/* Which allocator calls are counted. */
typedef enum fuzz_scope {
  FUZZ_CORE, /* realloc(): src/core has no other */
  FUZZ_ALL   /* malloc() and calloc() as well, which src/io uses */
} fuzz_scope_t;

/* Has the `nth` call from now on fail; 0: none. */
void fuzz_fail_alloc(fuzz_scope_t scope, size_t nth);

/* The target's own allocations come between these two. */
void fuzz_pause_failing(void);
void fuzz_resume_failing(void);

/* Whether the call has come that failed. */
bool fuzz_has_failed(void);

/* No call fails any more. Returns whether one did. */
bool fuzz_stop_failing(void);

/*
 * Which call is to fail for an input whose bytes have other meanings: its last
 * byte decides, and adding one changes nothing else much.
 */
static inline size_t fuzz_nth(const uint8_t *data, size_t size) {
  return size == 0 ? 1 : 1 + data[size - 1] % 16u;
}

/* Bytes of the input that are still to be used. */
typedef struct fuzz_input {
  const uint8_t *bytes;
  size_t len;
} fuzz_input_t;

/* The next byte; 0 when there is none. */
static inline uint8_t fuzz_byte(fuzz_input_t *input) {
  if (input->len == 0)
    return 0;
  input->len--;
  return *input->bytes++;
}

static inline uint32_t fuzz_u16(fuzz_input_t *input) {
  uint32_t high = fuzz_byte(input);

  return high << 8 | fuzz_byte(input);
}

/*
 * A length of any magnitude, and those at which the length field of a frame
 * changes its size.
 */
size_t fuzz_length(fuzz_input_t *input, size_t max);

/* Allocates and never fails; memory of no bytes can be told from others. */
void *fuzz_alloc(size_t len);

/* A copy of exactly `len` bytes, so that a sanitizer sees overreads. */
uint8_t *fuzz_copy(const uint8_t *bytes, size_t len);

#endif
