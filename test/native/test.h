/*
 * The harness of the C tests: named tests, checks that say what they expected,
 * bytes from hex literals, memory that ends where an unreadable page begins,
 * and reproducible random numbers. A test program includes this once, defines
 * its tests with TEST() and returns test_run() from main().
 */
#ifndef WSU_TEST_H
#define WSU_TEST_H

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* A test in a loop may fail very often; the first failures say enough. */
#define TEST_FAILURES_SHOWN 5

typedef struct test_bytes {
  uint8_t *data;
  size_t len;
} test_bytes_t;

typedef struct test_entry {
  const char *name;
  void (*run)(void);
  struct test_entry *next;
} test_entry_t;

/* Memory that lives until the end of the test that asked for it. */
typedef struct test_block {
  struct test_block *next;
  max_align_t bytes[];
} test_block_t;

static struct {
  test_entry_t *first;
  test_entry_t **last;
  const test_entry_t *current;
  test_block_t *blocks;
  unsigned failures; /* failed checks of the current test */
  const char *subject;
  size_t position;
  uint64_t seed;
  uint64_t random;
  bool is_seeded;
  struct sigaction old_actions[2];
} test_state;

static inline void test_register(test_entry_t *entry) {
  if (test_state.last == NULL)
    test_state.last = &test_state.first;
  *test_state.last = entry;
  test_state.last = &entry->next;
}

/* Defines a test; `sentence` says what holds if it passes. */
#define TEST(sentence) TEST_AT_LINE_(sentence, __LINE__)
#define TEST_AT_LINE_(sentence, line) TEST_DEFINE_(sentence, line)
#define TEST_DEFINE_(sentence, line)                                           \
  static void test_run_##line(void);                                           \
  __attribute__((constructor)) static void test_register_##line(void) {        \
    static test_entry_t entry = {sentence, test_run_##line, NULL};             \
    test_register(&entry);                                                     \
  }                                                                            \
  static void test_run_##line(void)

/*
 * Each of these is an expression that is true if the check passed, and goes on
 * if it did not. Integers of any type can be compared.
 */
#define CHECK(condition) test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQ(actual, expected)                                             \
  test_check_eq((intmax_t)(actual), (intmax_t)(expected), __FILE__, __LINE__,  \
                #actual)
#define CHECK_TEXT(actual, expected)                                           \
  test_check_text((actual), (expected), __FILE__, __LINE__)
#define CHECK_BYTES(actual, len, expected)                                     \
  test_check_bytes((actual), (len), (expected), __FILE__, __LINE__)

/* Names what the checks that follow are about; a failure repeats it. */
static inline void test_about(const char *subject, size_t position) {
  test_state.subject = subject;
  test_state.position = position;
}

/* Counts a failed check; returns whether the caller should describe it. */
static inline bool test_fail(const char *file, int line) {
  test_state.failures++;
  if (test_state.failures > TEST_FAILURES_SHOWN)
    return false;
  printf("%s:%d: %s\n", file, line, test_state.current->name);
  if (test_state.subject != NULL)
    printf("  about: %s, %zu\n", test_state.subject, test_state.position);
  return true;
}

static inline bool test_check(bool condition, const char *file, int line,
                              const char *expression) {
  if (!condition && test_fail(file, line))
    printf("  expected to be true: %s\n", expression);
  return condition;
}

static inline bool test_check_eq(intmax_t actual, intmax_t expected,
                                 const char *file, int line,
                                 const char *expression) {
  if (actual == expected)
    return true;
  if (test_fail(file, line))
    printf("  expected %" PRIdMAX " (0x%" PRIxMAX "), not %" PRIdMAX
           " (0x%" PRIxMAX "): %s\n",
           expected, (uintmax_t)expected, actual, (uintmax_t)actual,
           expression);
  return false;
}

static inline bool test_check_text(const char *actual, const char *expected,
                                   const char *file, int line) {
  if (strcmp(actual, expected) == 0)
    return true;
  if (test_fail(file, line))
    printf("  expected: %s\n  actual:   %s\n", expected, actual);
  return false;
}

static inline void test_print_bytes(const char *label, const uint8_t *bytes,
                                    size_t len) {
  printf("  %s (%zu bytes):", label, len);
  for (size_t i = 0; i < len && i < 64; i++)
    printf(" %02x", bytes[i]);
  printf(len > 64 ? " ...\n" : "\n");
}

static inline bool test_check_bytes(const void *actual, size_t len,
                                    test_bytes_t expected, const char *file,
                                    int line) {
  if (len == expected.len &&
      (len == 0 || memcmp(actual, expected.data, len) == 0))
    return true;
  if (test_fail(file, line)) {
    test_print_bytes("expected", expected.data, expected.len);
    test_print_bytes("actual  ", actual, len);
  }
  return false;
}

/* Memory that is freed after the test; sanitizers see its exact end. */
static inline void *test_alloc(size_t size) {
  test_block_t *block = malloc(sizeof(*block) + size);

  if (block == NULL)
    abort();
  block->next = test_state.blocks;
  test_state.blocks = block;
  return block->bytes;
}

static inline void test_free_all(void) {
  while (test_state.blocks != NULL) {
    test_block_t *next = test_state.blocks->next;

    free(test_state.blocks);
    test_state.blocks = next;
  }
}

static inline unsigned test_hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return (unsigned)(c - '0');
  if (c >= 'a' && c <= 'f')
    return (unsigned)(c - 'a' + 10);
  abort();
}

/* Decodes `text` to `dest`, or only counts if that is NULL. */
static inline size_t test_hex_decode(uint8_t *dest, const char *text) {
  size_t len = 0;

  while (*text != '\0') {
    unsigned long count = 1;
    unsigned byte;

    if (*text == ' ') {
      text++;
      continue;
    }
    byte = test_hex_digit(text[0]) << 4 | test_hex_digit(text[1]);
    text += 2;
    if (*text == '*') {
      char *end;

      count = strtoul(text + 1, &end, 10);
      text = end;
    }
    if (dest != NULL)
      memset(dest + len, (int)byte, count);
    len += count;
  }
  return len;
}

/* Bytes of a literal as "81 05 48656c6c6f"; "61*126" repeats a byte. */
static inline test_bytes_t hex(const char *text) {
  test_bytes_t bytes;

  bytes.len = test_hex_decode(NULL, text);
  bytes.data = test_alloc(bytes.len);
  test_hex_decode(bytes.data, text);
  return bytes;
}

static inline test_bytes_t join(test_bytes_t first, test_bytes_t second) {
  test_bytes_t bytes = {test_alloc(first.len + second.len),
                        first.len + second.len};

  if (first.len > 0)
    memcpy(bytes.data, first.data, first.len);
  if (second.len > 0)
    memcpy(bytes.data + first.len, second.data, second.len);
  return bytes;
}

/* Memory between two pages that fault when they are touched. */
typedef struct guard {
  uint8_t *map;
  size_t page;
  size_t capacity; /* whole pages */
} guard_t;

static inline guard_t guard_new(size_t capacity) {
  guard_t guard = {.page = (size_t)sysconf(_SC_PAGESIZE)};

  guard.capacity = (capacity + guard.page) / guard.page * guard.page;
  guard.map = mmap(NULL, guard.capacity + 2 * guard.page, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guard.map == MAP_FAILED ||
      mprotect(guard.map + guard.page, guard.capacity, PROT_READ | PROT_WRITE))
    abort();
  return guard;
}

static inline void guard_free(guard_t *guard) {
  munmap(guard->map, guard->capacity + 2 * guard->page);
  *guard = (guard_t){0};
}

static inline uint8_t *guard_copy(uint8_t *dest, const void *bytes,
                                  size_t len) {
  if (bytes != NULL && len > 0)
    memcpy(dest, bytes, len);
  return dest;
}

/*
 * Room for `len` bytes that end where an unreadable page begins, filled with a
 * copy of `bytes` if that is not NULL.
 */
static inline uint8_t *guard_at_end(const guard_t *guard, const void *bytes,
                                    size_t len) {
  if (len > guard->capacity)
    abort();
  return guard_copy(guard->map + guard->page + guard->capacity - len, bytes,
                    len);
}

/* The same, beginning where an unreadable page ends. */
static inline uint8_t *guard_at_start(const guard_t *guard, const void *bytes,
                                      size_t len) {
  if (len > guard->capacity)
    abort();
  return guard_copy(guard->map + guard->page, bytes, len);
}

/*
 * The next random number (splitmix64). The seed is printed when the first one
 * is asked for; TEST_SEED in the environment repeats it. Every test begins at
 * the seed, whichever tests ran before.
 */
static inline uint64_t test_random(void) {
  uint64_t z;

  if (!test_state.is_seeded) {
    const char *text = getenv("TEST_SEED");
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    test_state.seed =
        text != NULL ? strtoull(text, NULL, 10)
                     : (uint64_t)now.tv_sec * 1000003u ^ (uint64_t)now.tv_nsec;
    test_state.random = test_state.seed;
    test_state.is_seeded = true;
    printf("TEST_SEED=%" PRIu64 "\n", test_state.seed);
  }
  test_state.random += UINT64_C(0x9e3779b97f4a7c15);
  z = test_state.random;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* A number from 0 to `limit` - 1. */
static inline size_t test_random_below(size_t limit) {
  return (size_t)(test_random() % limit);
}

/* A size from 0 to `max`, as likely to be of few digits as of many. */
static inline size_t test_random_size(size_t max) {
  unsigned bits = 0;
  size_t size;

  while (max >> bits != 0)
    bits++;
  size = test_random_below((size_t)1 << test_random_below(bits + 1));
  return size < max ? size : max;
}

static inline void test_random_fill(uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++)
    bytes[i] = (uint8_t)(test_random() >> 32);
}

static const int test_signals[] = {SIGSEGV, SIGBUS};

/*
 * Says which test touched memory that it must not, and leaves the rest to the
 * handler before this one, since the access happens again.
 */
static inline void test_on_fault(int signum) {
  const char *name = test_state.current->name;

  for (size_t i = 0; i < 2; i++)
    sigaction(test_signals[i], &test_state.old_actions[i], NULL);
  if (write(STDERR_FILENO, name, strlen(name)) < 0 ||
      write(STDERR_FILENO, ": memory fault\n", 15) < 0)
    raise(signum);
}

/* Runs all tests, ends with `N passed, N failed`; the result of main(). */
static inline int test_run(void) {
  unsigned passed = 0;
  unsigned failed = 0;

  const struct sigaction action = {.sa_handler = test_on_fault};

  /* What was printed must not be lost in a crash. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; i < 2; i++)
    sigaction(test_signals[i], &action, &test_state.old_actions[i]);
  for (test_entry_t *entry = test_state.first; entry; entry = entry->next) {
    test_state.current = entry;
    test_state.failures = 0;
    test_state.random = test_state.seed;
    test_about(NULL, 0);
    entry->run();
    test_free_all();
    if (test_state.failures == 0)
      passed++;
    else
      failed++;
    if (test_state.failures > TEST_FAILURES_SHOWN)
      printf("  and %u more\n", test_state.failures - TEST_FAILURES_SHOWN);
  }
  printf("%u passed, %u failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

#endif
