/*
 * Up to three connections on one loop, over a kernel and a libuv that follow a
 * script, or over streams: what the peers send in what pieces, what is taken of
 * what is sent, errors, time, pauses, holds, what is done where JavaScript
 * runs, and an allocation that fails.
 *
 * Whatever the script: what was received is what a connection reports that gets
 * all of it at once; what was sent are whole frames in their order; the loop
 * comes to rest; each connection ends once, in time, and nothing is left of it.
 * The input: the options (see read_options), then one operation after the
 * other (see operate).
 */
#include "fuzz.h"
#include "kernel.h"
#include "owner.h"
#include "uv_script.h"

#define OPERATIONS_MAX 400u

/* Of which a connection does one: see operate(). */
#define OPERATIONS 20u

/* Frames of the peer: any header, a pattern that is text as payload. */
static void send_peer_frame(kernel_socket_t *socket, fuzz_input_t *input) {
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
  kernel_push(socket, bytes, len);
}

static void send_peer_bytes(kernel_socket_t *socket, fuzz_input_t *input) {
  size_t len = fuzz_byte(input) % 64u;

  if (len > input->len)
    len = input->len;
  kernel_push(socket, input->bytes, len);
  input->bytes += len;
  input->len -= len;
}

static void change_kernel(kernel_socket_t *socket, fuzz_input_t *input,
                          uint8_t bits) {
  switch (bits & 7) {
  case 0:
    socket->is_ended = true;
    break;
  case 1:
    socket->is_reset = true;
    break;
  case 2:
    socket->piece = 1u + fuzz_byte(input);
    break;
  case 3:
    socket->piece = SIZE_MAX;
    break;
  case 4:
    socket->room = fuzz_length(input, 70000);
    break;
  case 5:
    socket->room = SIZE_MAX;
    break;
  case 6:
    socket->interruptions = bits >> 3;
    break;
  default:
    socket->refusals = bits >> 3;
  }
}

static void operate(owner_t *owner, fuzz_input_t *input) {
  uint8_t operation = fuzz_byte(input);
  uint8_t bits = fuzz_byte(input);
  conn_t *conn = &owner->conns[operation / OPERATIONS % owner->count];

  operation %= OPERATIONS;
  owner->is_in_call = operation != 11 && operation != 12;
  switch (operation) {
  case 0:
    send_peer_frame(conn->socket, input);
    break;
  case 1:
    send_peer_bytes(conn->socket, input);
    break;
  case 2:
    conn_answer_ping(conn);
    break;
  case 3:
    change_kernel(conn->socket, input, bits);
    break;
  case 4:
    conn_send(conn, input, bits);
    break;
  case 5:
    conn->wishes = bits;
    break;
  case 6:
    conn_close(conn, bits & 1 ? 1000 : 1005);
    break;
  case 7:
    if (bits == 1)
      conn_terminate(conn);
    break;
  case 8:
    conn_pause(conn, (bits & 1) != 0);
    break;
  case 9:
    conn->holds_next = bits & 7;
    break;
  case 10:
    conn_release(conn, 1 + bits % 7);
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
    conn_write(conn, bits & 1 ? SIZE_MAX : fuzz_length(input, 70000));
    break;
  case 15:
    conn->is_stream_slow = (bits & 1) != 0;
    break;
  case 16:
    conn_set_heartbeat(conn, input);
    break;
  case 17:
    fuzz_fail_alloc(FUZZ_ALL, bits);
    break;
  case 18:
    uv_script_fail_poll(bits % 4u);
    break;
  default:
    conn_touch(conn, bits);
  }
  owner->is_in_call = false;
  /* A stream tells what it has read when it has it. */
  conn_pump(conn);
}

static owner_setup_t read_setup(fuzz_input_t *input, uint8_t bits) {
  uint8_t max_pending_pongs = fuzz_byte(input);
  uint32_t time = fuzz_u16(input);
  owner_setup_t setup = {
      .options =
          {
              .is_server = true,
              .auto_pong = (bits & 2) != 0,
              .uses_deflate = (bits & 4) != 0,
              .max_pending_pongs = max_pending_pongs,
              .close_timeout = time % 4096u,
              .limits = {.max_payload = 100000, .max_fragments = 100},
          },
      .count = 1u + (time >> 12) % KERNEL_SOCKETS,
      .is_first_stream = (bits & 1) != 0,
      .has_early = (bits & 8) != 0,
  };

  return setup;
}

static bool is_whole(const owner_t *owner) {
  for (unsigned i = 0; i < owner->count; i++)
    if (owner->conns[i].transport == NULL)
      return false;
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static owner_t owner;
  fuzz_input_t input = {data, size};
  uint8_t bits = fuzz_byte(&input);
  owner_setup_t setup = read_setup(&input, bits);

  kernel_init();
  kernel.has_no_descriptors = (bits & 0x40) != 0 && (bits & 0x20) != 0;
  fuzz_fail_alloc(FUZZ_ALL, fuzz_byte(&input));
  setup.failing_poll = (bits & 0x80) != 0 ? fuzz_byte(&input) % 3u : 0;
  if (!owner_open(&owner, &setup)) {
    EXPECT(fuzz_stop_failing());
    return 0;
  }
  EXPECT(is_whole(&owner) || kernel.has_no_descriptors ||
         setup.failing_poll > 0 || fuzz_has_failed());
  for (size_t i = 0; i < OPERATIONS_MAX && input.len > 0; i++)
    operate(&owner, &input);
  owner.has_failed |= fuzz_stop_failing();
  if ((bits & 0x40) != 0 && (bits & 0x20) == 0)
    owner_tear_down(&owner);
  else
    owner_settle(&owner, (bits & 0x10) != 0);
  owner_end(&owner);
  return 0;
}
