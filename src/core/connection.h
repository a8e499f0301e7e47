/*
 * One WebSocket connection after its handshake, in either role: bytes of the
 * peer to events, frames of our own to bytes, the closing handshake, automatic
 * pongs and deadlines. It owns the message that is being received and the
 * output that is not sent yet. It never reads or writes a socket, never looks
 * at a clock (times come in as milliseconds of any monotonic clock) and calls
 * nobody back.
 */
#ifndef WSU_CONNECTION_H
#define WSU_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "decoder.h"
#include "deflate.h"
#include "message.h"
#include "output.h"

typedef struct wsu_connection_options {
  wsu_message_limits_t limits;
  uint32_t max_pending_pongs; /* see WSU_EVENT_TERMINATE; 0: no limit */
  uint32_t close_timeout;     /* ms from our close frame to the end */
  bool is_server;
  bool uses_deflate; /* permessage-deflate was agreed on (RFC 7692) */
  bool auto_pong;    /* answer pings with pongs (RFC 6455, 5.5.2) */
  /*
   * Client role only: fills in 4 bytes that the peer cannot predict (RFC 6455,
   * 10.3), for the masking keys of control frames.
   */
  void (*random_key)(uint8_t key[4]);
} wsu_connection_options_t;

typedef enum wsu_event_kind {
  WSU_EVENT_NONE,      /* all input is consumed */
  WSU_EVENT_MESSAGE,   /* payload waits in wsu_connection_read() */
  WSU_EVENT_PING,      /* payload waits; the pong is in the output already */
  WSU_EVENT_PONG,      /* payload waits */
  WSU_EVENT_CLOSE,     /* close frame; the reason waits as payload */
  WSU_EVENT_ERROR,     /* the peer broke the protocol: `err` and `detail` */
  WSU_EVENT_TERMINATE, /* more than max_pending_pongs: drop the connection */
} wsu_event_kind_t;

typedef struct wsu_event {
  wsu_event_kind_t kind;
  int err;             /* WSU_EVENT_ERROR: a wsu_err_t */
  uint32_t detail;     /* WSU_EVENT_ERROR: the number in its message */
  uint16_t close_code; /* WSU_EVENT_CLOSE: 1005 if the frame had none */
  bool is_binary;      /* WSU_EVENT_MESSAGE */
  bool is_compressed;  /* WSU_EVENT_MESSAGE: see wsu_connection_inflate() */
  size_t length;       /* payload bytes that wait */
} wsu_event_t;

typedef struct wsu_connection {
  wsu_connection_options_t options;
  wsu_decoder_t decoder;
  wsu_message_t message;
  wsu_output_t output;    /* what the transport has not taken yet */
  uint64_t close_by;      /* ms: the end must have come by then; 0: no limit */
  uint32_t pending_pongs; /* automatic pongs in `output`, at most */
  uint8_t control_len;
  uint8_t control[WSU_CONTROL_PAYLOAD_MAX];
  bool reads_control;  /* wsu_connection_read() is about `control` */
  bool close_sent;     /* our close frame is in `output` or beyond */
  bool close_received; /* the peer's close frame was decoded */
  bool failed;         /* the peer broke the protocol */
  bool ended;          /* the peer's bytes have ended */
} wsu_connection_t;

/* A budget, not a measurement: what an idle connection costs the core. */
_Static_assert(sizeof(wsu_connection_t) <= 512, "connections grew too large");

/* `options` is copied. */
void wsu_connection_init(wsu_connection_t *connection,
                         const wsu_connection_options_t *options);

/* Frees what the connection owns, not the struct itself. */
void wsu_connection_free(wsu_connection_t *connection);

/*
 * Takes bytes of the peer until something has happened and says so in `event`.
 * Returns how many of the `len` bytes were consumed; call again with the rest,
 * with `len` 0 too (`buf` is never NULL), until the event is WSU_EVENT_NONE:
 * then all of them are. After WSU_EVENT_MESSAGE, even of an empty one,
 * wsu_connection_read() comes before the next call, and `buf` must not change
 * until then. The payload of a control frame may be left unread. After
 * WSU_EVENT_CLOSE, WSU_EVENT_ERROR and WSU_EVENT_TERMINATE the peer's bytes are
 * consumed and ignored.
 */
size_t wsu_connection_receive(wsu_connection_t *connection, const uint8_t *buf,
                              size_t len, wsu_event_t *event);

/*
 * Writes the payload of the last event, unmasked, to `dest`, which has room
 * for `event.length` bytes. Returns 0, or WSU_ERR_INVALID_UTF8 for a text
 * message that is none: drop it, the next wsu_connection_receive() reports the
 * error.
 */
int wsu_connection_read(wsu_connection_t *connection, uint8_t *dest);

/*
 * The same for a message, into `buffer`, whose contents are lost: without a
 * copy if it did not come in one piece. WSU_ERR_OUT_OF_MEMORY is possible, too.
 */
int wsu_connection_take(wsu_connection_t *connection, wsu_buffer_t *buffer);

/*
 * Inflates a message that wsu_connection_read() has written with
 * `is_compressed` set in its event: `len` bytes at `bytes`, appended to
 * `output`, to no more than max_payload bytes, and validates it if it is text.
 * `decompressor` is the connection's own, or a shared one if the client takes
 * no context over. Returns 0 or a negative wsu_err_t: drop the message then,
 * the next wsu_connection_receive() reports the error.
 */
int wsu_connection_inflate(wsu_connection_t *connection,
                           wsu_decompressor_t *decompressor, bool is_binary,
                           const uint8_t *bytes, size_t len,
                           wsu_buffer_t *output);

/*
 * Gives up on the peer with `err`, for a reason that the caller has found (no
 * memory for a message, say): the next wsu_connection_receive() reports it.
 */
void wsu_connection_fail(wsu_connection_t *connection, int err);

/*
 * Puts a close frame (RFC 6455, 5.5.1) into the output, once: later calls do
 * nothing. `code` 1005 stands for a frame without payload, otherwise `reason`
 * are `len` bytes of UTF-8, at most 123. The closing handshake has to be over
 * by `now` + close_timeout, or sooner if that was set already. Returns 0 or
 * WSU_ERR_OUT_OF_MEMORY.
 */
int wsu_connection_close(wsu_connection_t *connection, uint16_t code,
                         const uint8_t *reason, size_t len, uint64_t now);

/* The peer's bytes have ended (a TCP FIN): nothing more will be received. */
void wsu_connection_end(wsu_connection_t *connection);

/*
 * The connection has to be over by `now` + close_timeout, unless a close frame
 * has set that time already.
 */
void wsu_connection_limit_closing(wsu_connection_t *connection, uint64_t now);

/*
 * Puts a ping (RFC 6455, 5.5.2) of our own into the output; `len` is at most
 * 125. Returns 0 or WSU_ERR_OUT_OF_MEMORY.
 */
int wsu_connection_ping(wsu_connection_t *connection, const uint8_t *payload,
                        size_t len);

/* Whether the last bytes that came belong to a message that goes on. */
bool wsu_connection_is_in_message(const wsu_connection_t *connection);

/*
 * Whether one more automatic pong would end in WSU_EVENT_TERMINATE. A transport
 * tries to send the output then, so that only pongs count that the peer does
 * not read.
 */
bool wsu_connection_is_pong_limit_near(const wsu_connection_t *connection);

/* The transport has taken the first `len` bytes of the output's spans. */
void wsu_connection_sent(wsu_connection_t *connection, size_t len);

/*
 * Whether we have nothing more to say: close frames went both ways, or ours
 * answered an error, or the peer's bytes have ended. The transport then ends
 * its direction once the output is empty.
 */
bool wsu_connection_is_done(const wsu_connection_t *connection);

/* Whether the closing handshake has taken longer than it may. */
bool wsu_connection_is_overdue(const wsu_connection_t *connection,
                               uint64_t now);

#endif
