#include "fuzz.h"

void *real_malloc(size_t size) __asm__("__real_malloc");
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *real_realloc(void *memory, size_t size) __asm__("__real_realloc");
void *wrapped_malloc(size_t size) __asm__("__wrap_malloc");
void *wrapped_calloc(size_t count, size_t size) __asm__("__wrap_calloc");
void *wrapped_realloc(void *memory, size_t size) __asm__("__wrap_realloc");

static struct {
  size_t left; /* calls until the one that fails; 0: none does */
  fuzz_scope_t scope;
  bool is_paused;
  bool has_failed;
} failing;

static bool fails(fuzz_scope_t scope) {
  if (failing.left == 0 || failing.is_paused || scope > failing.scope ||
      --failing.left > 0)
    return false;
  failing.has_failed = true;
  return true;
}

void *wrapped_malloc(size_t size) {
  return fails(FUZZ_ALL) ? NULL : real_malloc(size);
}

void *wrapped_calloc(size_t count, size_t size) {
  return fails(FUZZ_ALL) ? NULL : real_calloc(count, size);
}

void *wrapped_realloc(void *memory, size_t size) {
  return fails(FUZZ_CORE) ? NULL : real_realloc(memory, size);
}

void fuzz_fail_alloc(fuzz_scope_t scope, size_t nth) {
  failing.scope = scope;
  failing.left = nth;
  failing.is_paused = false;
  failing.has_failed = false;
}

void fuzz_pause_failing(void) {
  failing.is_paused = true;
}

void fuzz_resume_failing(void) {
  failing.is_paused = false;
}

bool fuzz_has_failed(void) {
  return failing.has_failed;
}

bool fuzz_stop_failing(void) {
  bool has_failed = failing.has_failed;

  failing.left = 0;
  failing.has_failed = false;
  return has_failed;
}

void fuzz_fail(const char *file, int line, const char *condition) {
  fprintf(stderr, "%s:%d: expected %s\n", file, line, condition);
  abort();
}

size_t fuzz_length(fuzz_input_t *input, size_t max) {
  static const size_t edges[] = {0, 1, 2, 125, 126, 127, 65535, 65536};
  uint8_t first = fuzz_byte(input);
  size_t len;

  if (first < 128)
    len = first % 64u;
  else if (first < 192)
    len = edges[first % 8u];
  else
    len = fuzz_u16(input);
  return len < max ? len : max;
}

void *fuzz_alloc(size_t len) {
  void *memory = real_malloc(len + (len == 0));

  EXPECT(memory != NULL);
  return memory;
}

uint8_t *fuzz_copy(const uint8_t *bytes, size_t len) {
  uint8_t *copy = fuzz_alloc(len);

  if (len > 0)
    memcpy(copy, bytes, len);
  return copy;
}
