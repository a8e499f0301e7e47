#include "utf8.h"

#include "test.h"

/* Encodes a code point as RFC 3629, 3 says; returns how many bytes. */
static size_t encode(uint8_t *dest, uint32_t point) {
  if (point < 0x80) {
    dest[0] = (uint8_t)point;
    return 1;
  }
  if (point < 0x800) {
    dest[0] = (uint8_t)(0xc0 | point >> 6);
    dest[1] = (uint8_t)(0x80 | (point & 0x3f));
    return 2;
  }
  if (point < 0x10000) {
    dest[0] = (uint8_t)(0xe0 | point >> 12);
    dest[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    dest[2] = (uint8_t)(0x80 | (point & 0x3f));
    return 3;
  }
  dest[0] = (uint8_t)(0xf0 | point >> 18);
  dest[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
  dest[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
  dest[3] = (uint8_t)(0x80 | (point & 0x3f));
  return 4;
}

/*
 * The length of the character at the start of `bytes`, or 0 if there is none:
 * the bits are taken for a code point, which must be one that exists and be
 * encoded as exactly these bytes.
 */
static size_t reference_character(const uint8_t *bytes, size_t len) {
  static const uint8_t first_bits[] = {0x7f, 0x1f, 0x0f, 0x07};
  size_t size = bytes[0] < 0xc0 ? 1 : bytes[0] < 0xe0 ? 2 : 3;
  uint8_t again[4];
  uint32_t point;

  if (bytes[0] >= 0xf0)
    size = 4;
  if (size > len)
    return 0;
  point = bytes[0] & first_bits[size - 1];
  for (size_t i = 1; i < size; i++)
    point = point << 6 | (bytes[i] & 0x3f);
  if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
    return 0;
  return encode(again, point) == size && memcmp(again, bytes, size) == 0 ? size
                                                                         : 0;
}

static bool reference_is_valid(const uint8_t *bytes, size_t len) {
  while (len > 0) {
    size_t size = reference_character(bytes, len);

    if (size == 0)
      return false;
    bytes += size;
    len -= size;
  }
  return true;
}

static bool is_valid_in_pieces(const uint8_t *bytes, size_t len, size_t split) {
  wsu_utf8_t utf8 = {0};

  return wsu_utf8_feed(&utf8, bytes, split) &&
         wsu_utf8_feed(&utf8, bytes + split, len - split) &&
         wsu_utf8_is_complete(&utf8);
}

static void check_splits(const uint8_t *bytes, size_t len, bool is_valid) {
  for (size_t split = 0; split <= len; split++) {
    test_about("split", split);
    CHECK_EQ(is_valid_in_pieces(bytes, len, split), is_valid);
  }
}

static void check_agrees(const uint8_t *bytes, size_t len) {
  bool is_valid = reference_is_valid(bytes, len);

  if (wsu_utf8_is_valid(bytes, len) != is_valid) {
    test_about("bytes as a number", (size_t)bytes[0] << 24 |
                                        (size_t)(len > 1 ? bytes[1] : 0) << 16 |
                                        (size_t)(len > 2 ? bytes[2] : 0) << 8 |
                                        (size_t)(len > 3 ? bytes[3] : 0));
    CHECK_EQ(!is_valid, is_valid);
  }
}

enum { NONE = -1, OPEN = -2 };

/* `bad` is the first byte that no text can have there, NONE or OPEN. */
static const struct {
  const char *bytes;
  int bad;
} sequences[] = {
    {"", NONE},
    {"00", NONE},
    {"7f", NONE},
    {"41 e289a2 ce91 2e", NONE},    /* RFC 3629, 7 */
    {"ed959c eab5ad ec96b4", NONE}, /* RFC 3629, 7 */
    {"e697a5 e69cac e8aa9e", NONE}, /* RFC 3629, 7 */
    {"efbbbf f0a38eb4", NONE},      /* RFC 3629, 7 */
    {"ceba e1bdb9 cf83 ceb5", NONE},
    {"c280", NONE},     /* U+0080 */
    {"dfbf", NONE},     /* U+07FF */
    {"e0a080", NONE},   /* U+0800 */
    {"e0bfbf", NONE},   /* U+0FFF */
    {"ed9fbf", NONE},   /* U+D7FF */
    {"ee8080", NONE},   /* U+E000 */
    {"efbfbd", NONE},   /* U+FFFD */
    {"efbfbe", NONE},   /* U+FFFE, no character but allowed */
    {"efbfbf", NONE},   /* U+FFFF, the same */
    {"f0908080", NONE}, /* U+10000 */
    {"f3bfbfbf", NONE}, /* U+FFFFF */
    {"f48fbfbf", NONE}, /* U+10FFFF */
    {"c2", OPEN},
    {"df", OPEN},
    {"e0a0", OPEN},
    {"e1", OPEN},
    {"ed9f", OPEN},
    {"efbf", OPEN},
    {"f0", OPEN},
    {"f090", OPEN},
    {"f09080", OPEN},
    {"f48fbf", OPEN},
    {"61626364 65666768 e2", OPEN},
    {"80", 0}, /* a continuation with no start */
    {"bf", 0},
    {"61 80", 1},
    {"c280 80", 2},
    {"c0 80", 0},   /* U+0000, overlong */
    {"c0 af", 0},   /* '/', overlong */
    {"c1 bf", 0},   /* U+007F, overlong */
    {"e080 80", 1}, /* U+0000, overlong */
    {"e080 af", 1},
    {"e09f bf", 1},         /* U+07FF, overlong */
    {"f080 8080", 1},       /* U+0000, overlong */
    {"f08f bfbf", 1},       /* U+FFFF, overlong */
    {"f880 808080", 0},     /* 5 bytes */
    {"fc80 80808080", 0},   /* 6 bytes */
    {"eda0 80", 1},         /* U+D800 */
    {"edaf bf", 1},         /* U+DBFF */
    {"edb0 80", 1},         /* U+DC00 */
    {"edbf bf", 1},         /* U+DFFF */
    {"eda0 80 edb0 80", 1}, /* a pair of surrogates (CESU-8) */
    {"f490 8080", 1},       /* U+110000 */
    {"f580 8080", 0},       /* U+140000 */
    {"f7bf bfbf", 0},
    {"fe", 0},
    {"ff", 0},
    {"c2 41", 1}, /* cut off by ASCII */
    {"c2 c2", 1}, /* cut off by another start */
    {"c2 ff", 1},
    {"e0a0 41", 2},
    {"e1 41", 1},
    {"e282 e2", 2},
    {"f090 80 41", 3},
    {"f090 41", 2},
    {"f0 41", 1},
    {"f48f bf c0", 3},
    {"ceba e1bdb9 cf83 ceb5 eda0 80 656469746564", 10},
    {"6162636465666768 ff", 8},
    {"61626364656667 ff 6162636465666768", 7},
};

#define SEQUENCES (sizeof(sequences) / sizeof(sequences[0]))

TEST("the boundary cases of RFC 3629 are told apart") {
  for (size_t i = 0; i < SEQUENCES; i++) {
    test_bytes_t bytes = hex(sequences[i].bytes);

    test_about(sequences[i].bytes, i);
    CHECK_EQ(wsu_utf8_is_valid(bytes.data, bytes.len),
             sequences[i].bad == NONE);
    check_splits(bytes.data, bytes.len, sequences[i].bad == NONE);
  }
}

TEST("the first byte that cannot be is refused, and none before it") {
  for (size_t i = 0; i < SEQUENCES; i++) {
    test_bytes_t bytes = hex(sequences[i].bytes);
    size_t good = sequences[i].bad >= 0 ? (size_t)sequences[i].bad : bytes.len;
    wsu_utf8_t utf8 = {0};

    test_about(sequences[i].bytes, i);
    for (size_t k = 0; k < good; k++)
      CHECK(wsu_utf8_feed(&utf8, bytes.data + k, 1));
    if (good < bytes.len)
      CHECK(!wsu_utf8_feed(&utf8, bytes.data + good, 1));
    else
      CHECK_EQ(wsu_utf8_is_complete(&utf8), sequences[i].bad == NONE);
  }
}

TEST("no byte behind the end is read") {
  guard_t guard = guard_new(64);

  for (size_t i = 0; i < SEQUENCES; i++) {
    test_bytes_t bytes = hex(sequences[i].bytes);

    for (size_t len = 0; len <= bytes.len; len++) {
      const uint8_t *piece = guard_at_end(&guard, bytes.data, len);

      test_about(sequences[i].bytes, len);
      CHECK_EQ(wsu_utf8_is_valid(piece, len),
               reference_is_valid(bytes.data, len));
    }
  }
  guard_free(&guard);
}

TEST("every code point but the surrogates is valid") {
  uint8_t bytes[4];

  for (uint32_t point = 0; point < 0x200000; point++) {
    size_t len = encode(bytes, point);
    bool exists = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);

    if (wsu_utf8_is_valid(bytes, len) != exists) {
      test_about("code point", point);
      CHECK_EQ(!exists, exists);
    }
  }
}

TEST("all inputs of 1, 2 and 3 bytes are judged as by the reference") {
  for (uint32_t n = 0; n < 1u << 24; n++) {
    uint8_t bytes[] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    check_agrees(bytes, 3);
    if ((n & 0xff) == 0)
      check_agrees(bytes, 2);
    if ((n & 0xffff) == 0)
      check_agrees(bytes, 1);
  }
}

TEST("all inputs of 1 and 2 bytes are judged alike at every split") {
  for (uint32_t n = 0; n < 1u << 16; n++) {
    uint8_t bytes[] = {(uint8_t)(n >> 8), (uint8_t)n};

    check_splits(bytes, 2, reference_is_valid(bytes, 2));
    if (bytes[1] == 0)
      check_splits(bytes, 1, reference_is_valid(bytes, 1));
  }
}

TEST("inputs of 4 bytes on every boundary are judged as by the reference") {
  static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                  0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
                                  0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xff};
  const size_t count = sizeof(edges);

  for (size_t n = 0; n < 256 * count * count * count; n++) {
    uint8_t bytes[] = {(uint8_t)(n / (count * count * count)),
                       edges[n / (count * count) % count],
                       edges[n / count % count], edges[n % count]};

    check_agrees(bytes, 4);
  }
}

/* Mostly valid text, since random bytes hardly ever get far. */
static size_t random_text(uint8_t *dest, size_t characters) {
  static const uint32_t limits[] = {0x80, 0x800, 0x10000, 0x110000};
  size_t len = 0;

  for (size_t i = 0; i < characters; i++) {
    uint32_t point = (uint32_t)test_random_below(limits[test_random_below(4)]);

    if (point < 0xd800 || point > 0xdfff)
      len += encode(dest + len, point);
  }
  return len;
}

TEST("random text, damaged or not, is judged as by the reference") {
  uint8_t bytes[64];

  for (size_t i = 0; i < 20000; i++) {
    size_t len = random_text(bytes, test_random_below(16));

    if (len > 0 && test_random_below(2) == 0)
      bytes[test_random_below(len)] = (uint8_t)test_random();
    check_splits(bytes, len, reference_is_valid(bytes, len));
  }
}

TEST("a character is found at every place in ASCII, whole or damaged") {
  guard_t guard = guard_new(64);
  uint8_t text[40];

  for (size_t len = 4; len <= sizeof(text); len++) {
    for (size_t at = 0; at + 4 <= len; at++) {
      const uint8_t *bytes;

      test_about("position", at);
      memset(text, 'a', len);
      memcpy(text + at, "\xf0\x9f\x98\x80", 4);
      bytes = guard_at_end(&guard, text, len);
      CHECK(wsu_utf8_is_valid(bytes, len));
      text[at + 3] = 'a';
      bytes = guard_at_end(&guard, text, len);
      CHECK(!wsu_utf8_is_valid(bytes, len));
    }
  }
  guard_free(&guard);
}

int main(void) {
  return test_run();
}
