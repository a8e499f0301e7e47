#include "json.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  uint8_t *out;
  size_t len;
  uint32_t random;
} writer_t;

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

static const char *const kinds[] = {"order.created", "order.updated",
                                    "stock.changed", "price.changed"};

static const char *const goods[] = {
    "copper kettle", "garden hose",  "desk lamp",   "wool blanket",
    "bread knife",   "paper screen", "oak shelf",   "bicycle pump",
    "tea strainer",  "wall clock",   "linen shirt", "brass hook"};

static const char *const words[] = {
    "please", "deliver", "before", "noon",    "and",   "leave",  "it",
    "with",   "the",     "next",   "door",    "ring",  "twice",  "call",
    "about",  "parcel",  "from",   "weekend", "green", "gate",   "behind",
    "house",  "thank",   "you",    "fragile", "side",  "window", "second"};

/* xorshift32, with a state that is never 0. */
static uint32_t next_random(writer_t *writer, uint32_t below) {
  writer->random ^= writer->random << 13;
  writer->random ^= writer->random >> 17;
  writer->random ^= writer->random << 5;
  return (uint32_t)((uint64_t)writer->random * below >> 32);
}

static void append(writer_t *writer, const char *text, size_t len) {
  memcpy(writer->out + writer->len, text, len);
  writer->len += len;
}

static size_t make_item(writer_t *writer, char *item, size_t size) {
  char first = (char)('A' + next_random(writer, 26));
  char second = (char)('A' + next_random(writer, 26));
  uint32_t number = next_random(writer, 100000);
  const char *name = goods[next_random(writer, COUNT(goods))];
  uint32_t units = 1 + next_random(writer, 250);
  uint32_t cents = next_random(writer, 100);
  uint32_t count = 1 + next_random(writer, 12);
  uint32_t millis = next_random(writer, 1000000000);
  int len = snprintf(item, size,
                     "{\"sku\":\"%c%c-%05u\",\"name\":\"%s\",\"price\":%u.%02u,"
                     "\"count\":%u,\"at\":1716%09u}",
                     first, second, number, name, units, cents, count, millis);
  return (size_t)len;
}

void json_write(uint8_t *out, size_t size, uint32_t seed) {
  static const char note[] = "],\"note\":\"";
  static const char end[] = "\"}";
  const size_t tail_len = sizeof note - 1 + sizeof end - 1;
  writer_t writer = {.out = out, .random = seed * 2654435761u | 1};
  char text[160];
  const char *kind = kinds[next_random(&writer, COUNT(kinds))];
  int head_len =
      snprintf(text, sizeof text,
               "{\"id\":\"........\",\"type\":\"%s\",\"items\":[", kind);
  append(&writer, text, (size_t)head_len);
  const char *separator = "";
  for (;;) {
    size_t len = make_item(&writer, text, sizeof text);
    if (writer.len + strlen(separator) + len + tail_len > size) {
      break;
    }
    append(&writer, separator, strlen(separator));
    append(&writer, text, len);
    separator = ",";
  }
  append(&writer, note, sizeof note - 1);
  while (writer.len + sizeof end - 1 < size) {
    const char *word = words[next_random(&writer, COUNT(words))];
    int len = snprintf(text, sizeof text, "%s ", word);
    size_t room = size - writer.len - (sizeof end - 1);
    append(&writer, text, (size_t)len < room ? (size_t)len : room);
  }
  append(&writer, end, sizeof end - 1);
}
