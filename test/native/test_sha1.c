#include "sha1.h"

#include "test.h"

static void check_digest(const void *bytes, size_t len, const char *expected) {
  uint8_t digest[WSU_SHA1_DIGEST_SIZE];

  wsu_sha1(digest, bytes, len);
  CHECK_BYTES(digest, sizeof(digest), hex(expected));
}

TEST("the vectors of RFC 3174 7.3 have their digests") {
  static const char two_blocks[] =
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  test_bytes_t million = hex("61*1000000");
  char digits[640];

  for (size_t i = 0; i < sizeof(digits); i++)
    digits[i] = (char)('0' + i % 8);
  check_digest("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
  check_digest(two_blocks, sizeof(two_blocks) - 1,
               "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  check_digest(million.data, million.len,
               "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  check_digest(digits, sizeof(digits),
               "dea356a2cddd90c7a7ecedc5ebb563934f460452");
}

TEST("no bytes have a digest too") {
  check_digest("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  check_digest(NULL, 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* Bytes that depend on their place and on how many they are. */
static const uint8_t *fill(const guard_t *guard, size_t len) {
  uint8_t *bytes = guard_at_end(guard, NULL, len);

  for (size_t i = 0; i < len; i++)
    bytes[i] = (uint8_t)(i * 7 + len);
  return bytes;
}

TEST("lengths around the end of a block have their digests") {
  static const struct {
    size_t len;
    const char *digest;
  } vectors[] = {
      {1, "bf8b4530d8d246dd74ac53a13471bba17941dff7"},
      {54, "7fe50979b12cf9232dda5ca196ac5d968090bc2c"},
      {55, "63ac9708fb581dd150d3647549f9e0cb51dcf1df"},
      {56, "5a0c4d0eb2f15e05bbbff6b8dada9ae767fc03f0"},
      {63, "d94ff3ad53f9b9327704b812ee9c1f3abbba3d48"},
      {64, "5f55a35e13f1865e7ffc22dca1275b1a49b0ff56"},
      {65, "d7f8931010f8342a97383e1410a58c47d057708b"},
      {119, "774001b5ad1f46b40c48e1b94cb092c593ead25b"},
      {120, "6ebf3111dc761f11b13f29df0484848785385973"},
      {127, "82d007f6e7e5672722c0717b6bea2ba6f17cd35c"},
      {128, "0a44ac02432f6ead67d86fcb70a4d8ce589e50ec"},
      {200, "bafd66c677716439f129c10ff429fa9d431408ec"},
  };
  guard_t guard = guard_new(200);

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    test_about("length", vectors[i].len);
    check_digest(fill(&guard, vectors[i].len), vectors[i].len,
                 vectors[i].digest);
  }
  guard_free(&guard);
}

TEST("the digests of all lengths from 0 to 200 have one digest") {
  uint8_t digests[201][WSU_SHA1_DIGEST_SIZE];
  guard_t guard = guard_new(200);

  for (size_t len = 0; len <= 200; len++)
    wsu_sha1(digests[len], fill(&guard, len), len);
  check_digest(digests, sizeof(digests),
               "d0de06f4c5cb01efe13d538b17bbc0bd8144a1c2");
  guard_free(&guard);
}

int main(void) {
  return test_run();
}
