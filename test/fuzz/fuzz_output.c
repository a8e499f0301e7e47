/*
 * Queues frames, sends the output in parts and reads what has left: messages
 * and close frames in their order, pings and pongs in theirs, and before any
 * message that had not begun when they were queued. An allocation fails if the
 * input says so. The input: 1 byte, the allocation that fails (0: none), then
 * one operation after the other: see run().
 */
#include "output.h"

#include "error.h"
#include "frame.h"
#include "fuzz.h"

#define FRAMES_MAX 512u
#define FRAME_MAX (300u + WSU_FRAME_HEADER_MAX)
#define WIRE_MAX (FRAMES_MAX * FRAME_MAX)

/* Bytes of a frame's payload that have its number. */
#define NUMBER 4u

/* What is numbered by itself: what overtakes, and what is overtaken. */
enum { IN_ORDER, URGENT, KINDS };

typedef struct wire {
  wsu_output_t output;
  uint8_t bytes[WIRE_MAX];
  size_t len;
  uint32_t queued[KINDS];
  uint32_t seen[KINDS];
  /* For each urgent frame: how many others may be before it. */
  uint32_t before[FRAMES_MAX];
  uint32_t front; /* of those in order: begun, or taken soon */
  bool has_failed;
} wire_t;

static size_t write_frame(wire_t *wire, fuzz_input_t *input, bool is_message,
                          uint8_t *dest, int *kind) {
  static const uint8_t opcodes[] = {
      WSU_OPCODE_TEXT, WSU_OPCODE_BINARY, WSU_OPCODE_CONTINUATION,
      WSU_OPCODE_PING, WSU_OPCODE_PONG,   WSU_OPCODE_CLOSE,
  };
  uint8_t bits = fuzz_byte(input);
  uint8_t opcode = opcodes[bits % (is_message ? 3 : sizeof(opcodes))];
  bool is_control = opcode >= WSU_OPCODE_CLOSE;
  wsu_frame_t frame = {
      .fin = is_control || (bits & 0x40) != 0,
      .opcode = opcode,
      .masked = (bits & 0x80) != 0,
      .length = NUMBER + fuzz_byte(input) % (is_control ? 122u : 255u),
  };
  size_t size = wsu_frame_encode_header(dest, &frame);

  *kind = opcode == WSU_OPCODE_PING || opcode == WSU_OPCODE_PONG ? URGENT
                                                                 : IN_ORDER;
  memset(dest + size, 0x89, (size_t)frame.length);
  memcpy(dest + size, &wire->queued[*kind], NUMBER);
  return size + (size_t)frame.length;
}

/* Reads the wire. Returns how many frames that keep their order have begun. */
static uint32_t read_wire(wire_t *wire) {
  size_t pos = 0;

  wire->seen[IN_ORDER] = wire->seen[URGENT] = 0;
  while (pos < wire->len) {
    bool is_urgent = (wire->bytes[pos] & 15) >= WSU_OPCODE_PING;
    uint32_t number;
    wsu_frame_t frame;
    size_t size =
        wsu_frame_decode_header(wire->bytes + pos, wire->len - pos, &frame);

    if (size == 0 || frame.length > wire->len - pos - size)
      return wire->seen[IN_ORDER] + !is_urgent;
    memcpy(&number, wire->bytes + pos + size, NUMBER);
    EXPECT(number == wire->seen[is_urgent]);
    EXPECT(!is_urgent || wire->seen[IN_ORDER] <= wire->before[number]);
    wire->seen[is_urgent]++;
    pos += size + (size_t)frame.length;
  }
  return wire->seen[IN_ORDER];
}

/* Notes a frame that is about to be queued. */
static void note(wire_t *wire, int kind, bool is_taken_soon) {
  uint32_t begun = read_wire(wire);

  if (wire->front < begun)
    wire->front = begun;
  if (kind == URGENT)
    wire->before[wire->queued[URGENT]] = wire->front;
  else if (is_taken_soon && wire->front == wire->queued[IN_ORDER])
    wire->front++;
  wire->queued[kind]++;
}

static void queue(wire_t *wire, const uint8_t *bytes, size_t len,
                  bool is_taken_soon) {
  uint8_t *copy = fuzz_copy(bytes, len);
  size_t before = wsu_output_length(&wire->output);
  int err = wsu_output_queue(&wire->output, copy, len, is_taken_soon);

  free(copy);
  if (fuzz_stop_failing()) {
    EXPECT(err == WSU_ERR_OUT_OF_MEMORY);
    EXPECT(wsu_output_length(&wire->output) < before + len);
    wire->has_failed = true;
  } else {
    EXPECT(err == 0 && wsu_output_length(&wire->output) == before + len);
  }
}

static void drain(wire_t *wire, size_t len) {
  wsu_span_t spans[WSU_OUTPUT_SPANS];
  int count = wsu_output_spans(&wire->output, spans);
  size_t all = wsu_output_length(&wire->output);
  size_t left;

  if (len > all)
    len = all;
  left = len;
  for (int i = 0; i < count; i++) {
    size_t n = left < spans[i].len ? left : spans[i].len;

    EXPECT(spans[i].len > 0);
    memcpy(wire->bytes + wire->len, spans[i].bytes, n);
    wire->len += n;
    left -= n;
  }
  EXPECT(left == 0);
  wsu_output_sent(&wire->output, len);
  EXPECT(wsu_output_length(&wire->output) == all - len);
}

/* One frame, of which the transport takes a part at once if it can. */
static void send_frame(wire_t *wire, fuzz_input_t *input, uint8_t bits) {
  uint8_t frame[FRAME_MAX];
  bool is_soon = (bits & 0x10) != 0;
  int kind;
  size_t len = write_frame(wire, input, false, frame, &kind);
  size_t taken = 0;

  note(wire, kind, is_soon);
  if ((bits & 0x20) != 0 && wsu_output_length(&wire->output) == 0) {
    taken = fuzz_u16(input) % (len + 1);
    memcpy(wire->bytes + wire->len, frame, taken);
    wire->len += taken;
    wsu_output_pass(&wire->output, frame, taken);
  }
  /* Header and payload may come one after the other. */
  if ((bits & 0x40) != 0 && taken == 0) {
    queue(wire, frame, 2, is_soon);
    taken = 2;
  }
  if (!wire->has_failed)
    queue(wire, frame + taken, len - taken, is_soon);
}

/* Up to four frames in one piece. */
static void send_frames(wire_t *wire, fuzz_input_t *input, uint8_t bits,
                        bool adopts) {
  uint8_t frames[4 * FRAME_MAX];
  bool is_soon = !adopts && (bits & 0x10) != 0;
  wsu_buffer_t buffer = {0};
  size_t len = 0;

  for (int i = 0; i <= (bits >> 5 & 3); i++) {
    int kind;

    len += write_frame(wire, input, adopts, frames + len, &kind);
    note(wire, kind, is_soon);
  }
  if (!adopts) {
    queue(wire, frames, len, is_soon);
    return;
  }
  if (wsu_buffer_append(&buffer, frames, len) != 0) {
    EXPECT(fuzz_stop_failing());
    wire->has_failed = true;
    return;
  }
  wsu_output_adopt(&wire->output, &buffer);
  EXPECT(buffer.data == NULL);
}

static void run(wire_t *wire, fuzz_input_t *input) {
  while (input->len > 0 && !wire->has_failed) {
    uint8_t bits = fuzz_byte(input);
    bool is_full =
        wire->queued[IN_ORDER] + wire->queued[URGENT] + 4 > FRAMES_MAX;

    switch (is_full ? 0 : bits & 3) {
    case 0:
      drain(wire, fuzz_u16(input) % 1024u);
      break;
    case 1:
      send_frame(wire, input, bits);
      break;
    case 2:
      send_frames(wire, input, bits, false);
      break;
    default:
      if (wsu_output_length(&wire->output) == 0)
        send_frames(wire, input, bits, true);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static wire_t wire;
  fuzz_input_t input = {data, size};

  memset(&wire, 0, offsetof(wire_t, bytes));
  memset(&wire.len, 0, sizeof(wire) - offsetof(wire_t, len));
  fuzz_fail_alloc(FUZZ_CORE, fuzz_byte(&input));
  run(&wire, &input);
  (void)fuzz_stop_failing();
  drain(&wire, SIZE_MAX);
  EXPECT(wire.output.frames.data == NULL && wire.output.urgent.data == NULL);
  /* A frame of which a part is missing is followed by nothing that counts. */
  if (!wire.has_failed) {
    (void)read_wire(&wire);
    EXPECT(wire.seen[IN_ORDER] == wire.queued[IN_ORDER]);
    EXPECT(wire.seen[URGENT] == wire.queued[URGENT]);
  }
  wsu_output_free(&wire.output);
  return 0;
}
