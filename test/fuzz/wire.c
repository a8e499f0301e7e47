#include "error.h"
#include "frame.h"
#include "fuzz.h"
#include "owner.h"

uint64_t owner_hash(uint64_t hash, const void *bytes, size_t len) {
  const uint8_t *byte = bytes;

  for (size_t i = 0; i < len; i++)
    hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
  return hash;
}

bool owner_is_heartbeat(const uint8_t *payload, size_t len) {
  return len == WSU_LIVENESS_PAYLOAD && memcmp(payload, "wsu\x9d", 4) == 0;
}

static uint64_t digest_message(wsu_connection_t *connection,
                               const wsu_event_t *event, uint64_t hash,
                               wsu_decompressor_t *decompressor) {
  wsu_buffer_t message = {0};
  wsu_buffer_t inflated = {0};
  wsu_buffer_t *result = &message;
  int err = wsu_connection_take(connection, &message);

  EXPECT(err != 0 || wsu_buffer_length(&message) == event->length);
  if (err == 0 && event->is_compressed) {
    err = wsu_connection_inflate(connection, decompressor, event->is_binary,
                                 wsu_buffer_bytes(&message),
                                 wsu_buffer_length(&message), &inflated);
    result = &inflated;
  }
  hash = owner_hash(hash, wsu_buffer_bytes(result), wsu_buffer_length(result));
  wsu_buffer_free(&message);
  wsu_buffer_free(&inflated);
  return err == 0 ? hash : 0;
}

uint64_t owner_digest(wsu_connection_t *connection, const wsu_event_t *event,
                      wsu_decompressor_t *decompressor) {
  uint8_t payload[WSU_CONTROL_PAYLOAD_MAX];
  uint64_t hash = owner_hash(UINT64_C(0xcbf29ce484222325), &event->kind,
                             sizeof(event->kind));

  switch (event->kind) {
  case WSU_EVENT_MESSAGE:
    hash = owner_hash(hash, &event->is_binary, 1);
    return digest_message(connection, event, hash, decompressor);
  case WSU_EVENT_ERROR:
    /* Which allocation fails is no matter of the bytes. */
    if (event->err == WSU_ERR_OUT_OF_MEMORY)
      return 0;
    hash = owner_hash(hash, &event->err, sizeof(event->err));
    return owner_hash(hash, &event->detail, sizeof(event->detail));
  case WSU_EVENT_TERMINATE:
    return 0;
  default:
    EXPECT(wsu_connection_read(connection, payload) == 0);
    if (event->kind == WSU_EVENT_PONG &&
        owner_is_heartbeat(payload, event->length))
      return 0;
    if (event->kind == WSU_EVENT_CLOSE)
      hash = owner_hash(hash, &event->close_code, sizeof(event->close_code));
    return owner_hash(hash, payload, event->length);
  }
}

void conn_check_events(const conn_t *conn, bool is_through) {
  wsu_connection_options_t options = conn->owner->options;
  const kernel_socket_t *socket = conn->socket;
  const uint8_t *bytes = socket->to_us;
  size_t left = is_through ? socket->sent_to_us : socket->received;
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);
  wsu_connection_t connection;
  wsu_event_t event;
  size_t count = 0;

  options.auto_pong = false;
  wsu_connection_init(&connection, &options);
  do {
    size_t consumed = wsu_connection_receive(&connection, bytes, left, &event);
    uint64_t hash = 0;

    bytes += consumed;
    left -= consumed;
    if (event.kind != WSU_EVENT_NONE)
      hash = owner_digest(&connection, &event, decompressor);
    if (hash != 0) {
      if (count < conn->events_count)
        EXPECT(hash == conn->events[count]);
      count++;
    }
  } while (event.kind != WSU_EVENT_NONE);
  EXPECT(conn->events_count <= count);
  EXPECT(!is_through || conn->events_count == count);
  wsu_connection_free(&connection);
  wsu_decompressor_free(decompressor);
}

/* What was read of the frames that were sent. */
typedef struct seen {
  uint32_t messages;
  uint32_t pings;
  uint32_t beats; /* the serial of the last one */
  size_t pongs;
  bool is_over; /* a close frame was the last one */
} seen_t;

static uint32_t number_of(const uint8_t *payload, size_t len) {
  uint32_t number;

  EXPECT(len >= sizeof(number));
  memcpy(&number, payload, sizeof(number));
  return number;
}

static void check_frame(const conn_t *conn, seen_t *seen, uint8_t opcode,
                        const uint8_t *payload, size_t len) {
  EXPECT(!seen->is_over);
  switch (opcode) {
  case WSU_OPCODE_BINARY:
    EXPECT(number_of(payload, len) == seen->messages++);
    break;
  case WSU_OPCODE_PING:
    if (owner_is_heartbeat(payload, len)) {
      uint32_t serial = (uint32_t)payload[4] << 24 |
                        (uint32_t)payload[5] << 16 | (uint32_t)payload[6] << 8 |
                        payload[7];

      EXPECT(serial == ++seen->beats);
    } else {
      EXPECT(number_of(payload, len) == seen->pings++);
    }
    break;
  case WSU_OPCODE_PONG:
    EXPECT(seen->pongs < conn->pongs_count);
    EXPECT(conn->pongs[seen->pongs++] == owner_hash(0, payload, len));
    break;
  default:
    EXPECT(opcode == WSU_OPCODE_CLOSE);
    seen->is_over = true;
  }
}

void conn_check_wire(const conn_t *conn, bool is_through) {
  const kernel_socket_t *socket = conn->socket;
  seen_t seen = {0};
  size_t pos = 0;

  while (pos < socket->sent_to_peer) {
    const uint8_t *bytes = socket->to_peer + pos;
    size_t left = socket->sent_to_peer - pos;
    wsu_frame_t frame;
    size_t size = wsu_frame_decode_header(bytes, left, &frame);

    if (size == 0)
      break;
    EXPECT(!frame.masked && frame.fin);
    if (frame.length > left - size)
      break;
    check_frame(conn, &seen, frame.opcode, bytes + size, (size_t)frame.length);
    pos += size + (size_t)frame.length;
  }
  EXPECT(seen.messages <= conn->messages && seen.pings <= conn->pings);
  if (!is_through)
    return;
  EXPECT(pos == socket->sent_to_peer);
  EXPECT(seen.messages == conn->messages && seen.pings == conn->pings);
  EXPECT(seen.pongs == conn->pongs_count);
}
