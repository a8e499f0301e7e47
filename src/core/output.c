#include "output.h"

#include "error.h"
#include "frame.h"

static void read_header_byte(wsu_frame_cursor_t *cursor, uint8_t byte) {
  switch (cursor->seen) {
  case 0:
    *cursor = (wsu_frame_cursor_t){.size = 2};
    break;
  case 1:
    cursor->size = (uint8_t)wsu_frame_header_size(byte & 0x7f);
    cursor->key = byte & 0x80 ? 4 : 0;
    cursor->length = cursor->size == 2 ? byte & 0x7f : 0;
    break;
  default:
    cursor->length = cursor->length << 8 | byte;
  }
  cursor->seen++;
  if (cursor->seen == cursor->size)
    cursor->length += cursor->key;
}

/* Goes on to the end of the frame, or of the bytes. Returns how many it took.
 */
static size_t advance(wsu_frame_cursor_t *cursor, const uint8_t *bytes,
                      size_t len) {
  size_t pos = 0;
  size_t rest;

  while (pos < len && (cursor->seen == 0 || cursor->seen < cursor->size))
    read_header_byte(cursor, bytes[pos++]);
  if (cursor->seen < cursor->size)
    return pos;
  rest = len - pos < cursor->length ? len - pos : (size_t)cursor->length;
  cursor->length -= rest;
  if (cursor->length == 0)
    cursor->seen = 0;
  return pos + rest;
}

static void advance_all(wsu_frame_cursor_t *cursor, const uint8_t *bytes,
                        size_t len) {
  while (len > 0) {
    size_t n = advance(cursor, bytes, len);

    bytes += n;
    len -= n;
  }
}

static bool is_ping_or_pong(uint8_t first) {
  uint8_t opcode = first & 0x0f;

  return opcode == WSU_OPCODE_PING || opcode == WSU_OPCODE_PONG;
}

static int append(wsu_output_t *output, const uint8_t *bytes, size_t len,
                  bool is_taken_soon) {
  bool starts = output->queued.seen == 0;
  bool is_front = output->front == wsu_buffer_length(&output->frames) &&
                  (!starts || is_taken_soon || is_ping_or_pong(*bytes));
  int err;

  if (starts)
    output->is_urgent = is_ping_or_pong(*bytes) && !is_front;
  err = wsu_buffer_append(output->is_urgent ? &output->urgent : &output->frames,
                          bytes, len);
  if (err == 0 && is_front)
    output->front += len;
  return err;
}

int wsu_output_queue(wsu_output_t *output, const uint8_t *bytes, size_t len,
                     bool is_taken_soon) {
  while (len > 0) {
    wsu_frame_cursor_t cursor = output->queued;
    size_t n = advance(&cursor, bytes, len);
    int err = append(output, bytes, n, is_taken_soon);

    if (err)
      return err;
    output->queued = cursor;
    bytes += n;
    len -= n;
  }
  return 0;
}

void wsu_output_adopt(wsu_output_t *output, wsu_buffer_t *frames) {
  output->frames = *frames;
  *frames = (wsu_buffer_t){0};
}

void wsu_output_pass(wsu_output_t *output, const uint8_t *bytes, size_t len) {
  advance_all(&output->sent, bytes, len);
  output->queued = output->sent;
  output->is_urgent = false;
}

int wsu_output_spans(const wsu_output_t *output,
                     wsu_span_t spans[WSU_OUTPUT_SPANS]) {
  const uint8_t *frames = wsu_buffer_bytes(&output->frames);
  size_t len = wsu_buffer_length(&output->frames);
  size_t urgent_len = wsu_buffer_length(&output->urgent);
  int count = 0;

  if (urgent_len > 0) {
    if (output->front > 0)
      spans[count++] = (wsu_span_t){frames, output->front};
    spans[count++] =
        (wsu_span_t){wsu_buffer_bytes(&output->urgent), urgent_len};
    frames += output->front;
    len -= output->front;
  }
  if (len > 0)
    spans[count++] = (wsu_span_t){frames, len};
  return count;
}

static void frames_sent(wsu_output_t *output, size_t len) {
  wsu_frame_cursor_t cursor;

  advance_all(&output->sent, wsu_buffer_bytes(&output->frames), len);
  wsu_buffer_consume(&output->frames, len);
  if (len <= output->front) {
    output->front -= len;
    return;
  }
  cursor = output->sent;
  output->front = cursor.seen == 0
                      ? 0
                      : advance(&cursor, wsu_buffer_bytes(&output->frames),
                                wsu_buffer_length(&output->frames));
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

void wsu_output_sent(wsu_output_t *output, size_t len) {
  size_t urgent_len = wsu_buffer_length(&output->urgent);

  if (urgent_len > 0) {
    size_t of_front = least(len, output->front);
    size_t of_urgent = least(len - of_front, urgent_len);

    frames_sent(output, of_front);
    wsu_buffer_consume(&output->urgent, of_urgent);
    output->overtaken += of_urgent;
    len -= of_front + of_urgent;
  }
  frames_sent(output, len);
  /* Whoever has queued half a frame has to live with that, others not. */
  if (wsu_output_length(output) == 0)
    output->sent = output->queued = (wsu_frame_cursor_t){0};
}

void wsu_output_free(wsu_output_t *output) {
  wsu_buffer_free(&output->frames);
  wsu_buffer_free(&output->urgent);
}
