#include "client.h"

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
  EDGE = 16
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

/* Writes the header of a masked client frame and returns its length. */
static size_t write_header(uint8_t *out, uint8_t opcode, size_t size) {
  size_t len = 2;
  out[0] = (uint8_t)(0x80 | opcode);
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
  traffic->header_len = write_header(header, traffic->opcode, traffic->size);
  traffic->frame_len = traffic->header_len + traffic->size;
  traffic->ring_len = traffic->frame_len * traffic->in_flight;
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

void client_encode(client_t *client, const traffic_t *traffic,
                   const uint8_t *payload) {
  client->ring = allocate(2, traffic->ring_len);
  for (uint32_t slot = 0; slot < traffic->in_flight; slot++) {
    char id[ID_SIZE + 1];
    snprintf(id, sizeof id, "%04x%04x", client->index & 0xffff, slot & 0xffff);
    uint8_t *frame = client->ring + slot * traffic->frame_len;
    size_t len = write_header(frame, traffic->opcode, traffic->size);
    for (size_t i = 0; i < traffic->size; i++) {
      bool is_id = i >= ID_OFFSET && i < ID_OFFSET + ID_SIZE;
      uint8_t byte = is_id ? (uint8_t)id[i - ID_OFFSET] : payload[i];
      frame[len + i] = byte ^ mask[i % MASK_SIZE];
    }
  }
  memcpy(client->ring + traffic->ring_len, client->ring, traffic->ring_len);
}

void client_queue(client_t *client, const traffic_t *traffic, uint32_t count) {
  client->outstanding += count;
  client->unsent += count * traffic->frame_len;
}

const uint8_t *client_unsent(const client_t *client) {
  return client->ring + client->send_offset;
}

void client_sent(client_t *client, const traffic_t *traffic, size_t len) {
  client->unsent -= len;
  client->send_offset += len;
  if (client->send_offset >= traffic->ring_len) {
    client->send_offset -= traffic->ring_len;
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

/* The first echo of a connection is compared as a whole, later ones at both
   ends: the load must stay cheaper than the server that it measures. */
static void check_payload(const client_t *client, const traffic_t *traffic,
                          const uint8_t *bytes, size_t len) {
  const uint8_t *masked = client->ring +
                          client->next_echo * traffic->frame_len +
                          traffic->header_len;
  size_t size = traffic->size;
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
    fail("connection %" PRIu32 ": the payload of echo %" PRIu64
         " differs from what was sent (within bytes %zu to %zu)",
         client->index, client->echoes, pos, end);
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
  if ((header[0] & 0x70) != 0) {
    fail("connection %" PRIu32 ": a frame with reserved bits: %02x", index,
         header[0]);
  }
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
  if (length != traffic->size) {
    fail("connection %" PRIu32 ": an echo of %" PRIu64 " bytes instead of %zu",
         index, length, traffic->size);
  }
  if ((header_len(header[1]) == 4 && length < 126) ||
      (header_len(header[1]) == MAX_SERVER_HEADER && length <= UINT16_MAX)) {
    fail("connection %" PRIu32 ": a length that is not minimally encoded",
         index);
  }
  if (client->outstanding * traffic->frame_len <
      client->unsent + traffic->frame_len) {
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
    }
    size_t missing = traffic->size - client->payload_pos;
    size_t part = len < missing ? len : missing;
    check_payload(client, traffic, bytes, part);
    client->payload_pos += part;
    bytes += part;
    len -= part;
    if (part < missing) {
      return completed;
    }
    client->in_payload = false;
    client->outstanding--;
    client->echoes++;
    if (++client->next_echo == traffic->in_flight) {
      client->next_echo = 0;
    }
    completed++;
  }
}
