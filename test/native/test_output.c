/*
 * The order in which frames leave: messages and close frames as they were
 * queued, pings and pongs as early as they may.
 */
#include "output.h"

#include "frame.h"
#include "stream.h"

/* The output under test and what has left it so far. */
typedef struct wire {
  wsu_output_t output;
  uint8_t bytes[1 << 16];
  size_t len;
} wire_t;

static wire_t *open_wire(void) {
  wire_t *wire = test_alloc(sizeof(*wire));

  wire->output = (wsu_output_t){0};
  wire->len = 0;
  return wire;
}

static void close_wire(wire_t *wire) {
  wsu_output_free(&wire->output);
}

static void queue(wire_t *wire, const char *bytes) {
  test_bytes_t frames = hex(bytes);

  CHECK_EQ(wsu_output_queue(&wire->output, frames.data, frames.len, false), 0);
}

/* Sends frames of which the transport takes `taken` bytes at once. */
static void send_partly(wire_t *wire, const uint8_t *bytes, size_t len,
                        size_t taken) {
  CHECK_EQ(wsu_output_length(&wire->output), 0);
  memcpy(wire->bytes + wire->len, bytes, taken);
  wire->len += taken;
  wsu_output_pass(&wire->output, bytes, taken);
  CHECK_EQ(wsu_output_queue(&wire->output, bytes + taken, len - taken, false),
           0);
}

static void drain(wire_t *wire, size_t len) {
  size_t all_len;
  uint8_t *all = copy_output(&wire->output, &all_len);

  CHECK(len <= all_len);
  memcpy(wire->bytes + wire->len, all, len);
  wire->len += len;
  wsu_output_sent(&wire->output, len);
  free(all);
}

static void check_wire(wire_t *wire, const char *expected) {
  drain(wire, wsu_output_length(&wire->output));
  CHECK_BYTES(wire->bytes, wire->len, hex(expected));
  CHECK(wire->output.frames.data == NULL && wire->output.urgent.data == NULL);
  close_wire(wire);
}

TEST("pings and pongs overtake messages that have not begun, in their order") {
  wire_t *wire = open_wire();

  queue(wire, "81 01 61 81 01 62");
  queue(wire, "89 01 31 8a 01 32");
  queue(wire, "81 01 63");
  queue(wire, "89 00");
  check_wire(wire, "89 01 31 8a 01 32 89 00 81 01 61 81 01 62 81 01 63");
}

TEST("a ping waits for the end of the frame that has begun, at every byte") {
  const char *message = "82 7e 0080 61*128";

  for (size_t i = 1; i < 132; i++) {
    wire_t *wire = open_wire();

    queue(wire, message);
    queue(wire, "82 01 62");
    drain(wire, i);
    queue(wire, "89 00");
    check_wire(wire, "82 7e 0080 61*128 89 00 82 01 62");
  }
}

TEST("a ping waits for the end of a frame that was never queued as a whole") {
  test_bytes_t frames = hex("02 83 37fa213d 010203 80 7f 0000000000000002 6162"
                            "89 00 81 01 61");

  for (size_t taken = 1; taken < frames.len; taken++) {
    static const struct {
      size_t below;
      const char *bytes;
    } expected[] = {
        {9, "02 83 37fa213d 010203 89 00 8a 00"
            "80 7f 0000000000000002 6162 81 01 61"},
        {10, "02 83 37fa213d 010203 89 00 8a 00"
             "80 7f 0000000000000002 6162 81 01 61"},
        {24, "02 83 37fa213d 010203 80 7f 0000000000000002 6162"
             "89 00 8a 00 81 01 61"},
        {26, "02 83 37fa213d 010203 80 7f 0000000000000002 6162"
             "89 00 81 01 61 8a 00"},
    };
    wire_t *wire = open_wire();
    size_t i = 0;

    while (i < 3 && taken >= expected[i].below)
      i++;
    test_about("bytes that were taken", taken);
    send_partly(wire, frames.data, frames.len, taken);
    queue(wire, "8a 00");
    check_wire(wire, expected[i].bytes);
  }
}

TEST("a ping overtakes no other one, sent or not") {
  wire_t *wire = open_wire();

  queue(wire, "89 01 31");
  queue(wire, "8a 01 32 81 01 61");
  queue(wire, "89 01 33");
  drain(wire, 1);
  queue(wire, "89 01 34");
  check_wire(wire, "89 01 31 8a 01 32 89 01 33 89 01 34 81 01 61");
}

TEST("what is taken soon is not overtaken, unless what is before it is") {
  test_bytes_t soon = hex("81 01 61 89 00");
  wire_t *wire = open_wire();

  CHECK_EQ(wsu_output_queue(&wire->output, soon.data, soon.len, true), 0);
  queue(wire, "81 01 62 8a 00");
  CHECK_EQ(wsu_output_queue(&wire->output, soon.data, soon.len, true), 0);
  check_wire(wire, "81 01 61 89 00 8a 00 89 00 81 01 62 81 01 61");
}

TEST("frames that were adopted are overtaken like others") {
  wire_t *wire = open_wire();
  test_bytes_t frames = hex("81 01 61 81 01 62");
  wsu_buffer_t buffer = {0};

  CHECK_EQ(wsu_buffer_append(&buffer, frames.data, frames.len), 0);
  wsu_output_adopt(&wire->output, &buffer);
  CHECK(buffer.data == NULL);
  drain(wire, 1);
  queue(wire, "89 00 81 01 63");
  check_wire(wire, "81 01 61 89 00 81 01 62 81 01 63");
}

TEST("a close frame overtakes nothing") {
  wire_t *wire = open_wire();

  queue(wire, "81 01 61 89 00 88 02 03e8");
  check_wire(wire, "89 00 81 01 61 88 02 03e8");
}

/* Random frames, numbered in their payload, and the order they have to keep. */
#define KINDS 2

typedef struct model {
  uint32_t queued[KINDS]; /* how many data frames, and pings and pongs */
  uint32_t seen[KINDS];
  uint32_t begun[512]; /* for each ping: data frames that had begun by then */
} model_t;

static size_t random_frame(uint8_t *dest, bool is_control, uint32_t number) {
  size_t max = is_control ? 121 : test_random_below(3) == 0 ? 70 : 300;
  wsu_frame_t frame = {
      .fin = is_control || test_random_below(2) == 0,
      .opcode = is_control ? (uint8_t)(9 + test_random_below(2))
                           : (uint8_t)test_random_below(3),
      .masked = test_random_below(4) == 0,
      .length = 4 + test_random_below(max),
  };
  size_t size = wsu_frame_encode_header(dest, &frame);

  memcpy(dest + size, &number, 4);
  memset(dest + size + 4, 0x89, (size_t)frame.length - 4);
  return size + (size_t)frame.length;
}

/* How many data frames have begun on the wire; all frames that are whole. */
static uint32_t read_wire(const wire_t *wire, model_t *model, bool checks) {
  size_t pos = 0;

  memset(model->seen, 0, sizeof(model->seen));
  while (pos < wire->len) {
    bool is_control = (wire->bytes[pos] & 0x0f) >= 9;
    uint32_t number;
    wsu_frame_t frame;
    size_t size =
        wsu_frame_decode_header(wire->bytes + pos, wire->len - pos, &frame);

    if (size == 0 || frame.length > wire->len - pos - size)
      return model->seen[0] + !is_control;
    memcpy(&number, wire->bytes + pos + size, 4);
    if (checks) {
      CHECK_EQ(number, model->seen[is_control]);
      if (is_control)
        CHECK(model->seen[0] <= model->begun[number]);
    }
    model->seen[is_control]++;
    pos += size + (size_t)frame.length;
  }
  return model->seen[0];
}

static void run_randomly(void) {
  wire_t *wire = open_wire();
  model_t model = {0};
  uint8_t frames[2048];

  for (size_t step = 0; step < 60; step++) {
    size_t len = 0;
    size_t unsent = wsu_output_length(&wire->output);

    if (unsent > 0 && test_random_below(2) == 0) {
      drain(wire, test_random_below(unsent + 1));
      continue;
    }
    for (size_t i = test_random_below(4); i > 0; i--) {
      bool is_control = test_random_below(3) == 0;
      uint32_t number = model.queued[is_control]++;

      if (is_control)
        model.begun[number] = UINT32_MAX;
      len += random_frame(frames + len, is_control, number);
    }
    if (unsent == 0 && len > 0) {
      send_partly(wire, frames, len, test_random_below(len));
    } else {
      uint32_t begun = read_wire(wire, &model, false);

      for (uint32_t i = 0; i < model.queued[1]; i++) {
        if (model.begun[i] == UINT32_MAX)
          model.begun[i] = begun;
      }
      CHECK_EQ(wsu_output_queue(&wire->output, frames, len, false), 0);
    }
  }
  drain(wire, wsu_output_length(&wire->output));
  (void)read_wire(wire, &model, true);
  CHECK_EQ(model.seen[0], model.queued[0]);
  CHECK_EQ(model.seen[1], model.queued[1]);
  close_wire(wire);
}

TEST("whole frames leave in order, pings before the next frame that begins") {
  for (size_t i = 0; i < 3000; i++) {
    test_about("run", i);
    run_randomly();
  }
}

int main(void) {
  return test_run();
}
