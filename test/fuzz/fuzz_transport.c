/*
 * A whole connection with its loop, over a kernel and a libuv that follow a
 * script, or over a stream: what the peer sends in what pieces, what is taken
 * of what is sent, errors, time, pauses, holds, and an allocation that fails.
 *
 * Whatever the script: what was received is what a connection reports that gets
 * all of it at once; what was sent are whole frames in their order; the loop
 * comes to rest; the connection ends once, in time, and nothing is left of it.
 * The input: the options (see read_options), then one operation after the
 * other (see operate).
 */
#include "fuzz.h"
#include "kernel.h"
#include "owner.h"
#include "uv_script.h"

#define OPERATIONS_MAX 400u

/* Frames of the peer: any header, a pattern that is text as payload. */
static void send_peer_frame(fuzz_input_t *input) {
  static const char pattern[] = "\xc3\xa9 {\"a\":1}\xe2\x82\xac";
  static uint8_t bytes[70000 + WSU_FRAME_HEADER_MAX];
  uint8_t bits = fuzz_byte(input);
  uint8_t opcode = fuzz_byte(input);
  wsu_frame_t frame = {
      .fin = (bits & 1) == 0,
      .rsv1 = (bits & 2) != 0,
      .opcode = opcode & 15,
      .masked = true,
      .mask_key = {bits, opcode, 0x55, 0xaa},
  };
  size_t len;

  frame.length =
      fuzz_length(input, frame.opcode >= WSU_OPCODE_CLOSE ? 125 : 70000);
  len = wsu_frame_encode_header(bytes, &frame);
  for (size_t i = 0; i < frame.length; i++) {
    uint8_t byte = (uint8_t)pattern[i % (sizeof(pattern) - 1)];

    if (frame.opcode == WSU_OPCODE_CLOSE && i < 2)
      byte = i == 0 ? 0x03 : 0xe8;
    if ((bits & 4) != 0 && i < 32)
      byte = fuzz_byte(input);
    bytes[len++] = byte ^ frame.mask_key[i % 4];
  }
  kernel_push(bytes, len);
}

static void send_peer_bytes(fuzz_input_t *input) {
  size_t len = fuzz_byte(input) % 64u;

  if (len > input->len)
    len = input->len;
  kernel_push(input->bytes, len);
  input->bytes += len;
  input->len -= len;
}

static void change_kernel(fuzz_input_t *input, uint8_t bits) {
  switch (bits & 7) {
  case 0:
    kernel.is_ended = true;
    break;
  case 1:
    kernel.is_reset = true;
    break;
  case 2:
    kernel.piece = 1u + fuzz_byte(input);
    break;
  case 3:
    kernel.piece = SIZE_MAX;
    break;
  case 4:
    kernel.room = fuzz_length(input, 70000);
    break;
  case 5:
    kernel.room = SIZE_MAX;
    break;
  case 6:
    kernel.interruptions = bits >> 3;
    break;
  default:
    kernel.refusals = bits >> 3;
  }
}

static void operate(owner_t *owner, fuzz_input_t *input) {
  uint8_t operation = fuzz_byte(input) % 20u;
  uint8_t bits = fuzz_byte(input);

  switch (operation) {
  case 0:
    send_peer_frame(input);
    break;
  case 1:
    send_peer_bytes(input);
    break;
  case 2:
    owner_answer_ping(owner);
    break;
  case 3:
    change_kernel(input, bits);
    break;
  case 4:
    owner_send(owner, input, bits);
    break;
  case 5:
    owner->sends_in_turn = bits & 3;
    break;
  case 6:
    owner_close(owner, bits & 1 ? 1000 : 1005);
    break;
  case 7:
    if (bits == 1)
      owner_terminate(owner);
    break;
  case 8:
    owner_pause(owner, (bits & 1) != 0);
    break;
  case 9:
    owner->holds_next = bits & 3;
    break;
  case 10:
    owner_release(owner, 1 + bits % 3);
    break;
  case 11:
    uv_script_run(bits);
    break;
  case 12:
    uv_script_run(fuzz_u16(input) % 8192u);
    break;
  case 13:
    owner->stall = bits * 4u;
    break;
  case 14:
    owner_write(owner, bits & 1 ? SIZE_MAX : fuzz_length(input, 70000));
    break;
  case 15:
    owner->is_stream_slow = (bits & 1) != 0;
    break;
  case 16:
    owner_set_heartbeat(owner, input);
    break;
  case 17:
    fuzz_fail_alloc(FUZZ_ALL, bits);
    break;
  case 18:
    uv_script_fail_poll(bits % 4u);
    break;
  default:
    owner_touch(owner, bits);
  }
  /* A stream tells what it has read when it has it. */
  owner_pump(owner);
}

static wsu_connection_options_t read_options(fuzz_input_t *input,
                                             uint8_t bits) {
  return (wsu_connection_options_t){
      .is_server = true,
      .auto_pong = (bits & 2) != 0,
      .uses_deflate = (bits & 4) != 0,
      .max_pending_pongs = fuzz_byte(input),
      .close_timeout = fuzz_u16(input) % 4096u,
      .limits = {.max_payload = 100000, .max_fragments = 100},
  };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static owner_t owner;
  fuzz_input_t input = {data, size};
  uint8_t bits = fuzz_byte(&input);
  wsu_connection_options_t options = read_options(&input, bits);
  unsigned failing_poll;

  kernel_init();
  kernel.has_no_descriptors = (bits & 0x40) != 0 && (bits & 0x20) != 0;
  fuzz_fail_alloc(FUZZ_ALL, fuzz_byte(&input));
  failing_poll = (bits & 0x80) != 0 ? fuzz_byte(&input) % 3u : 0;
  if (!owner_open(&owner, &options, (bits & 1) != 0, (bits & 8) != 0,
                  failing_poll)) {
    EXPECT(fuzz_stop_failing() || kernel.has_no_descriptors ||
           failing_poll > 0);
    return 0;
  }
  for (size_t i = 0; i < OPERATIONS_MAX && input.len > 0; i++)
    operate(&owner, &input);
  owner.has_failed |= fuzz_stop_failing();
  owner_settle(&owner, (bits & 0x10) != 0);
  owner_end(&owner);
  return 0;
}
