#include "utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

static size_t skip_ascii(const uint8_t *bytes, size_t len, size_t i) {
  uint64_t word;

  while (len - i >= 8) {
    memcpy(&word, bytes + i, 8);
    if (word & HIGH_BITS)
      break;
    i += 8;
  }
  while (i < len && bytes[i] < 0x80)
    i++;
  return i;
}

/*
 * Opens the sequence whose first byte is `byte`. The range of the second byte
 * is narrower after E0 and F0 (overlong forms), ED (surrogates) and F4 (beyond
 * U+10FFFF): RFC 3629, 4.
 */
static bool open_sequence(wsu_utf8_t *utf8, uint8_t byte) {
  if (byte < 0xc2 || byte > 0xf4)
    return false;
  utf8->low = 0x80;
  utf8->high = 0xbf;
  if (byte < 0xe0) {
    utf8->missing = 1;
  } else if (byte < 0xf0) {
    utf8->missing = 2;
    if (byte == 0xe0)
      utf8->low = 0xa0;
    else if (byte == 0xed)
      utf8->high = 0x9f;
  } else {
    utf8->missing = 3;
    if (byte == 0xf0)
      utf8->low = 0x90;
    else if (byte == 0xf4)
      utf8->high = 0x8f;
  }
  return true;
}

bool wsu_utf8_feed(wsu_utf8_t *utf8, const uint8_t *bytes, size_t len) {
  size_t i = 0;

  while (i < len) {
    if (utf8->missing == 0) {
      i = skip_ascii(bytes, len, i);
      if (i == len)
        return true;
      if (!open_sequence(utf8, bytes[i++]))
        return false;
    }
    while (utf8->missing > 0 && i < len) {
      if (bytes[i] < utf8->low || bytes[i] > utf8->high)
        return false;
      utf8->low = 0x80;
      utf8->high = 0xbf;
      utf8->missing--;
      i++;
    }
  }
  return true;
}

bool wsu_utf8_is_valid(const uint8_t *bytes, size_t len) {
  wsu_utf8_t utf8 = {0};

  return wsu_utf8_feed(&utf8, bytes, len) && wsu_utf8_is_complete(&utf8);
}
