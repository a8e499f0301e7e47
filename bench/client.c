#include "client.h"

#include "json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  MASK_SIZE = 4,
  /* The identity of a message, eight hex digits at this place in its payload,
     tells connections and messages apart. It lies within EDGE. */
  ID_OFFSET = 7,
  ID_SIZE = 8,
  /* So many bytes at either end of each echo are compared. */
  EDGE = 16,
  /* A connection repeats a JSON text after so many bytes at the earliest: twice
     the window of deflate (RFC 1951, 2), or with context takeover a server
     would find each message in its history. */
  JSON_PERIOD = 2 * 32768,
  /* RFC 7692, 6: the first reserved bit says that a message is compressed. */
  RSV1 = 0x40
};

static const uint8_t mask[MASK_SIZE] = {0x37, 0xfa, 0x21, 0x3d};

void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(EXIT_FAILURE);
}

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) {
    fail("out of memory");
  }
  return memory;
}

/* Writes the header of a masked client frame and returns its length. `first`
   has the opcode and the reserved bits. */
static size_t write_header(uint8_t *out, uint8_t first, size_t size) {
  size_t len = 2;
  out[0] = (uint8_t)(0x80 | first);
  if (size < 126) {
    out[1] = (uint8_t)(0x80 | size);
  } else {
    size_t length_bytes = size <= UINT16_MAX ? 2 : 8;
    out[1] = length_bytes == 2 ? 0x80 | 126 : 0x80 | 127;
    for (size_t i = length_bytes; i-- > 0;) {
      out[len++] = (uint8_t)((uint64_t)size >> (8 * i));
    }
  }
  memcpy(out + len, mask, MASK_SIZE);
  return len + MASK_SIZE;
}

void traffic_init(traffic_t *traffic) {
  uint8_t header[MAX_SERVER_HEADER + MASK_SIZE];
  size_t header_len = write_header(header, traffic->opcode, traffic->size);
  traffic->ring_count = traffic->in_flight;
  if (traffic->is_json) {
    if (traffic->size < JSON_SIZE_MIN) {
      fail("--size: JSON has %d bytes at least", JSON_SIZE_MIN);
    }
    size_t count = (JSON_PERIOD + traffic->size - 1) / traffic->size;
    if (count > traffic->ring_count) {
      traffic->ring_count = (uint32_t)count;
    }
  }
  traffic->ring_size = (header_len + traffic->size) * traffic->ring_count;
}

uint8_t *traffic_payload(const traffic_t *traffic) {
  static const char start[] = "{\"id\":\"........\",\"data\":\"";
  static const char end[] = "\"}";
  uint8_t *payload = allocate(traffic->size + 1, 1);
  uint32_t random = 2463534242;
  for (size_t i = 0; i < traffic->size; i++) {
    size_t left = traffic->size - i;
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    if (traffic->opcode == OPCODE_BINARY) {
      payload[i] = (uint8_t)(random >> 8);
    } else if (i < sizeof start - 1) {
      payload[i] = (uint8_t)start[i];
    } else if (left < sizeof end) {
      payload[i] = (uint8_t)end[sizeof end - 1 - left];
    } else {
      payload[i] = (uint8_t)('a' + (random >> 8) % 26);
    }
  }
  return payload;
}

/* Writes the text or the bytes of one message, unmasked. */
static void write_message(const client_t *client, const traffic_t *traffic,
                          const uint8_t *payload, uint32_t slot, uint8_t *out) {
  char id[ID_SIZE + 1];
  snprintf(id, sizeof id, "%04x%04x", client->index & 0xffff, slot & 0xffff);
  if (traffic->is_json) {
    json_write(out, traffic->size, client->index * traffic->ring_count + slot);
  } else {
    memcpy(out, payload, traffic->size);
  }
  for (size_t i = 0; i < ID_SIZE && ID_OFFSET + i < traffic->size; i++) {
    out[ID_OFFSET + i] = (uint8_t)id[i];
  }
}

/* Writes the frame of a message and returns its length. */
static size_t write_frame(const traffic_t *traffic, uint8_t *frame,
                          const uint8_t *message) {
  size_t size = traffic->size;
  uint8_t first = traffic->opcode;
  uint8_t *payload = NULL;
  if (traffic->deflate != NULL) {
    payload = allocate(size, 1);
    size = traffic->deflate->compress(message, size, payload);
    if (size == 0) {
      fail("a message of %zu bytes cannot be compressed", traffic->size);
    }
    first |= RSV1;
    message = payload;
  }
  size_t len = write_header(frame, first, size);
  for (size_t i = 0; i < size; i++) {
    frame[len + i] = message[i] ^ mask[i % MASK_SIZE];
  }
  free(payload);
  return len + size;
}

void client_encode(client_t *client, const traffic_t *traffic,
                   const uint8_t *payload) {
  uint32_t count = traffic->ring_count;
  size_t size = traffic->size;
  uint8_t *message = allocate(size + 1, 1);
  compressed_t *compressed = &client->compressed;
  client->ring = allocate(2, traffic->ring_size);
  client->offsets = allocate(count + 1, sizeof *client->offsets);
  if (traffic->deflate != NULL) {
    compressed->texts = allocate(count, size);
    compressed->part = allocate(size, 1);
    if (!traffic->deflate->takeover) {
      compressed->known_lens = allocate(count, sizeof(size_t));
      compressed->known = allocate(count, size);
    }
  }
  for (uint32_t slot = 0; slot < count; slot++) {
    size_t offset = client->offsets[slot];
    write_message(client, traffic, payload, slot, message);
    client->offsets[slot + 1] =
        offset + write_frame(traffic, client->ring + offset, message);
    if (traffic->deflate != NULL) {
      memcpy(compressed->texts + slot * size, message, size);
    }
  }
  memcpy(client->ring + client->offsets[count], client->ring,
         client->offsets[count]);
  free(message);
}

/* The length of a frame of the ring. */
static size_t frame_len(const client_t *client, uint32_t slot) {
  return client->offsets[slot + 1] - client->offsets[slot];
}

static uint32_t next_slot(const traffic_t *traffic, uint32_t slot) {
  return slot + 1 == traffic->ring_count ? 0 : slot + 1;
}

void client_queue(client_t *client, const traffic_t *traffic, uint32_t count) {
  size_t len = 0;
  for (uint32_t i = 0; i < count; i++) {
    len += frame_len(client, client->next_queued);
    client->next_queued = next_slot(traffic, client->next_queued);
  }
  client->outstanding += count;
  client->unechoed += len;
  client->unsent += len;
}

const uint8_t *client_unsent(const client_t *client) {
  return client->ring + client->send_offset;
}

void client_sent(client_t *client, const traffic_t *traffic, size_t len) {
  size_t ring_len = client->offsets[traffic->ring_count];
  client->unsent -= len;
  client->send_offset += len;
  if (client->send_offset >= ring_len) {
    client->send_offset -= ring_len;
  }
}

/* Whether bytes equal the part of a payload that starts at `pos`. The payload
   starts at `masked`, as it was sent. */
static bool equals_payload(const uint8_t *masked, size_t pos,
                           const uint8_t *bytes, size_t len) {
  uint8_t rotated[8];
  for (size_t i = 0; i < sizeof rotated; i++) {
    rotated[i] = mask[(pos + i) % MASK_SIZE];
  }
  uint64_t mask_word;
  memcpy(&mask_word, rotated, sizeof mask_word);
  masked += pos;
  uint64_t difference = 0;
  size_t i = 0;
  for (; i + 8 <= len; i += 8) {
    uint64_t sent, received;
    memcpy(&sent, masked + i, sizeof sent);
    memcpy(&received, bytes + i, sizeof received);
    difference |= sent ^ mask_word ^ received;
  }
  for (; i < len; i++) {
    difference |= masked[i] ^ rotated[i % MASK_SIZE] ^ bytes[i];
  }
  return difference == 0;
}

__attribute__((noreturn)) static void fail_difference(const client_t *client,
                                                      size_t from, size_t to) {
  fail("connection %" PRIu32 ": the payload of echo %" PRIu64
       " differs from what was sent (within bytes %zu to %zu)",
       client->index, client->echoes, from, to);
}

/* The first echo of a connection is compared as a whole, later ones at both
   ends: the load must stay cheaper than the server that it measures. */
static void check_payload(const client_t *client, const traffic_t *traffic,
                          const uint8_t *bytes, size_t len) {
  size_t size = traffic->size;
  const uint8_t *masked =
      client->ring + client->offsets[client->next_echo + 1] - size;
  size_t pos = client->payload_pos;
  size_t end = pos + len;
  bool equal = true;
  if (client->echoes == 0 || size <= 2 * EDGE) {
    equal = equals_payload(masked, pos, bytes, len);
  } else {
    if (pos < EDGE) {
      size_t part = len < EDGE - pos ? len : EDGE - pos;
      equal = equals_payload(masked, pos, bytes, part);
    }
    if (end > size - EDGE) {
      size_t from = pos > size - EDGE ? pos : size - EDGE;
      equal = equal &&
              equals_payload(masked, from, bytes + (from - pos), end - from);
    }
  }
  if (!equal) {
    fail_difference(client, pos, end);
  }
}

/* Checks the whole payload of a compressed echo. */
static void check_compressed(client_t *client, const traffic_t *traffic,
                             const uint8_t *payload) {
  const deflate_t *deflate = traffic->deflate;
  compressed_t *compressed = &client->compressed;
  uint32_t slot = client->next_echo;
  size_t size = traffic->size;
  size_t len = client->payload_len;
  if (!deflate->takeover && len > 0 && len == compressed->known_lens[slot] &&
      memcmp(payload, compressed->known + slot * size, len) == 0) {
    return;
  }
  if (!deflate->inflates_to(&compressed->session, payload, len,
                            compressed->texts + slot * size, size)) {
    fail_difference(client, 0, len);
  }
  if (!deflate->takeover) {
    compressed->known_lens[slot] = len;
    memcpy(compressed->known + slot * size, payload, len);
  }
}

/* Takes the next bytes of a compressed payload. It is checked once it has come
   as a whole, which nearly always is at once. */
static void take_compressed(client_t *client, const traffic_t *traffic,
                            const uint8_t *bytes, size_t len) {
  uint8_t *part = client->compressed.part;
  if (len == client->payload_len) {
    check_compressed(client, traffic, bytes);
    return;
  }
  memcpy(part + client->payload_pos, bytes, len);
  if (client->payload_pos + len == client->payload_len) {
    check_compressed(client, traffic, part);
  }
}

/* The length of a server frame's header, which its second byte announces. */
static size_t header_len(uint8_t second) {
  size_t length = second & 0x7f;
  return length < 126 ? 2 : length == 126 ? 4 : MAX_SERVER_HEADER;
}

static uint64_t payload_length(const uint8_t *header) {
  size_t len = header_len(header[1]);
  if (len == 2) {
    return header[1] & 0x7f;
  }
  uint64_t length = 0;
  for (size_t i = 2; i < len; i++) {
    length = length << 8 | header[i];
  }
  return length;
}

static void check_header(const client_t *client, const traffic_t *traffic) {
  const uint8_t *header = client->header;
  uint8_t opcode = header[0] & 0x0f;
  uint64_t length = payload_length(header);
  uint32_t index = client->index;
  uint8_t reserved = traffic->deflate != NULL ? RSV1 : 0;
  if ((header[1] & 0x80) != 0) {
    fail("connection %" PRIu32 ": a masked frame from the server", index);
  }
  if (opcode == OPCODE_CLOSE) {
    fail("connection %" PRIu32 ": the server sent a close frame after %" PRIu64
         " echoes",
         index, client->echoes);
  }
  if (opcode != traffic->opcode || (header[0] & 0x80) == 0) {
    fail("connection %" PRIu32 ": a frame with opcode %u, fin %u instead of "
         "opcode %u, fin 1",
         index, opcode, header[0] >> 7, traffic->opcode);
  }
  if ((header[0] & 0x70) != reserved) {
    fail("connection %" PRIu32 ": a frame with reserved bits %02x, not %02x%s",
         index, header[0] & 0x70, reserved,
         (reserved & ~header[0]) != 0 ? ": the echo is not compressed" : "");
  }
  if (reserved == RSV1 && length >= traffic->size) {
    fail("connection %" PRIu32 ": an echo of %zu bytes grew to %" PRIu64
         " compressed ones",
         index, traffic->size, length);
  }
  if (reserved == 0 && length != traffic->size) {
    fail("connection %" PRIu32 ": an echo of %" PRIu64 " bytes instead of %zu",
         index, length, traffic->size);
  }
  if ((header_len(header[1]) == 4 && length < 126) ||
      (header_len(header[1]) == MAX_SERVER_HEADER && length <= UINT16_MAX)) {
    fail("connection %" PRIu32 ": a length that is not minimally encoded",
         index);
  }
  if (client->unechoed <
      client->unsent + frame_len(client, client->next_echo)) {
    fail("connection %" PRIu32 ": an echo of a message not yet sent", index);
  }
}

uint32_t client_receive(client_t *client, const traffic_t *traffic,
                        const uint8_t *bytes, size_t len) {
  uint32_t completed = 0;
  for (;;) {
    if (!client->in_payload) {
      if (len == 0) {
        return completed;
      }
      client->header[client->header_len++] = *bytes++;
      len--;
      if (client->header_len < 2 ||
          client->header_len < header_len(client->header[1])) {
        continue;
      }
      check_header(client, traffic);
      client->in_payload = true;
      client->header_len = 0;
      client->payload_pos = 0;
      client->payload_len = (size_t)payload_length(client->header);
    }
    size_t missing = client->payload_len - client->payload_pos;
    size_t part = len < missing ? len : missing;
    if (traffic->deflate == NULL) {
      check_payload(client, traffic, bytes, part);
    } else {
      take_compressed(client, traffic, bytes, part);
    }
    client->payload_pos += part;
    bytes += part;
    len -= part;
    if (part < missing) {
      return completed;
    }
    client->in_payload = false;
    client->outstanding--;
    client->unechoed -= frame_len(client, client->next_echo);
    client->echoes++;
    client->next_echo = next_slot(traffic, client->next_echo);
    completed++;
  }
}
