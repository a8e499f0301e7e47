#include "mask.h"

#include "test.h"

#define MAX_LENGTH 130
#define ALIGNMENTS 16

/* Room for every length at every alignment, and for bytes to be left alone. */
#define ROOM (MAX_LENGTH + 2 * ALIGNMENTS)

typedef bool mask_function_t(uint8_t *dest, const uint8_t *src, size_t len,
                             const uint8_t key[4]);

static mask_function_t *const functions[] = {wsu_mask_copy,
                                             wsu_mask_copy_scalar};

static bool reference(uint8_t *dest, const uint8_t *src, size_t len,
                      const uint8_t key[4]) {
  bool is_ascii = true;

  for (size_t i = 0; i < len; i++) {
    dest[i] = src[i] ^ key[i % 4];
    if (dest[i] > 0x7f)
      is_ascii = false;
  }
  return is_ascii;
}

TEST("the masked frame of RFC 6455 5.7 says Hello") {
  test_bytes_t masked = hex("7f9f4d5158");
  test_bytes_t key = hex("37fa213d");
  uint8_t text[5];

  CHECK(wsu_mask_copy(text, masked.data, masked.len, key.data));
  CHECK_BYTES(text, 5, hex("48656c6c6f"));
}

TEST("a key of zeros copies") {
  uint8_t src[MAX_LENGTH];
  uint8_t dest[MAX_LENGTH];
  const uint8_t key[4] = {0, 0, 0, 0};

  test_random_fill(src, sizeof(src));
  wsu_mask_copy(dest, src, sizeof(src), key);
  CHECK(memcmp(dest, src, sizeof(src)) == 0);
}

static void check_alignment(const uint8_t *bytes, size_t len, size_t from,
                            size_t to, const uint8_t key[4]) {
  uint8_t expected[ROOM];
  uint8_t src[ROOM];
  uint8_t dest[ROOM];
  bool is_ascii;

  memcpy(src + from, bytes, len);
  memset(expected, 0xaa, sizeof(expected));
  is_ascii = reference(expected + to, bytes, len, key);
  for (size_t i = 0; i < 2; i++) {
    memset(dest, 0xaa, sizeof(dest));
    CHECK_EQ(functions[i](dest + to, src + from, len, key), is_ascii);
    CHECK(memcmp(dest, expected, sizeof(dest)) == 0);
  }
}

TEST("all lengths and alignments give the bytes of a bytewise loop") {
  uint8_t bytes[MAX_LENGTH];
  uint8_t key[4];

  for (size_t len = 0; len <= MAX_LENGTH; len++) {
    test_about("length", len);
    test_random_fill(bytes, len);
    test_random_fill(key, 4);
    for (size_t i = 0; i < ALIGNMENTS * ALIGNMENTS; i++)
      check_alignment(bytes, len, i / ALIGNMENTS, i % ALIGNMENTS, key);
  }
}

TEST("all lengths and alignments can be masked in place") {
  uint8_t bytes[ROOM];
  uint8_t expected[ROOM];
  uint8_t actual[ROOM];
  uint8_t key[4];

  for (size_t i = 0; i < (MAX_LENGTH + 1) * ALIGNMENTS; i++) {
    size_t len = i / ALIGNMENTS;
    size_t offset = i % ALIGNMENTS;
    bool is_ascii;

    test_about("length", len);
    test_random_fill(bytes, sizeof(bytes));
    test_random_fill(key, 4);
    memcpy(expected, bytes, sizeof(bytes));
    is_ascii = reference(expected + offset, bytes + offset, len, key);
    for (size_t k = 0; k < 2; k++) {
      memcpy(actual, bytes, sizeof(bytes));
      CHECK_EQ(functions[k](actual + offset, actual + offset, len, key),
               is_ascii);
      CHECK(memcmp(actual, expected, sizeof(actual)) == 0);
    }
  }
}

/* What is written is ASCII but for `high`, at every position in turn. */
static void check_finds_high_byte(uint8_t high, size_t len,
                                  const uint8_t key[4]) {
  uint8_t src[MAX_LENGTH];
  uint8_t dest[MAX_LENGTH];

  for (size_t at = 0; at < len; at++) {
    for (size_t i = 0; i < len; i++)
      src[i] = (uint8_t)((i == at ? high : (i * 7) & 0x7f) ^ key[i % 4]);
    CHECK(!wsu_mask_copy(dest, src, len, key));
    CHECK(!wsu_mask_copy_scalar(dest, src, len, key));
    CHECK_EQ(dest[at], high);
  }
}

TEST("one byte that is not ASCII is found at every position") {
  uint8_t key[4];

  for (size_t len = 0; len <= MAX_LENGTH; len++) {
    test_about("length", len);
    test_random_fill(key, 4);
    check_finds_high_byte(0x80, len, key);
    check_finds_high_byte(0xff, len, key);
  }
}

TEST("what counts as ASCII is what is written, not what is read") {
  uint8_t src[MAX_LENGTH];
  uint8_t dest[MAX_LENGTH];
  const uint8_t high_key[4] = {0x80, 0xff, 0xc3, 0x90};

  for (size_t len = 0; len <= MAX_LENGTH; len++) {
    test_about("length", len);
    for (size_t i = 0; i < len; i++)
      src[i] = (uint8_t)((i & 0x7f) ^ high_key[i % 4]);
    CHECK(wsu_mask_copy(dest, src, len, high_key));
    CHECK(wsu_mask_copy_scalar(dest, src, len, high_key));
  }
}

TEST("no byte outside of source and destination is touched") {
  guard_t from = guard_new(MAX_LENGTH);
  guard_t to = guard_new(MAX_LENGTH);
  uint8_t bytes[MAX_LENGTH];
  uint8_t expected[MAX_LENGTH];
  const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

  test_random_fill(bytes, sizeof(bytes));
  for (size_t len = 0; len <= MAX_LENGTH; len++) {
    test_about("length", len);
    reference(expected, bytes, len, key);
    for (size_t i = 0; i < 2; i++) {
      const uint8_t *src = guard_at_end(&from, bytes, len);
      uint8_t *dest = guard_at_end(&to, NULL, len);

      functions[i](dest, src, len, key);
      CHECK(memcmp(dest, expected, len) == 0);
      src = guard_at_start(&from, bytes, len);
      dest = guard_at_start(&to, NULL, len);
      functions[i](dest, src, len, key);
      CHECK(memcmp(dest, expected, len) == 0);
    }
  }
  guard_free(&from);
  guard_free(&to);
}

TEST("a turned key begins with the byte for its offset") {
  static const struct {
    uint64_t offset;
    const char *key;
  } vectors[] = {
      {0, "01020304"},
      {1, "02030401"},
      {2, "03040102"},
      {3, "04010203"},
      {4, "01020304"},
      {5, "02030401"},
      {125, "02030401"},
      {UINT64_C(0x100000002), "03040102"},
      {UINT64_C(0x1fffffffffffff), "04010203"},
      {UINT64_MAX, "04010203"},
  };

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    test_bytes_t key = hex("01020304");

    test_about("offset", (size_t)vectors[i].offset);
    wsu_mask_rotate(key.data, vectors[i].offset);
    CHECK_BYTES(key.data, 4, hex(vectors[i].key));
  }
}

TEST("a payload masked in two pieces equals the payload masked whole") {
  uint8_t bytes[MAX_LENGTH];
  uint8_t expected[MAX_LENGTH];
  uint8_t actual[MAX_LENGTH];
  const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

  test_random_fill(bytes, sizeof(bytes));
  reference(expected, bytes, sizeof(bytes), key);
  for (size_t split = 0; split <= sizeof(bytes); split++) {
    uint8_t turned[4];

    test_about("split", split);
    memcpy(turned, key, 4);
    wsu_mask_rotate(turned, split);
    wsu_mask_copy(actual, bytes, split, key);
    wsu_mask_copy(actual + split, bytes + split, sizeof(bytes) - split, turned);
    CHECK(memcmp(actual, expected, sizeof(actual)) == 0);
  }
}

int main(void) {
  return test_run();
}
