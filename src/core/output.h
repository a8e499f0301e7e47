/*
 * The frames of a connection that its transport has not taken yet. They leave
 * in the order in which they were queued, except that pings and pongs overtake
 * whole frames of which nothing was sent (RFC 6455, 5.4 lets them come between
 * any two frames): they tell whether a peer lives, so they must not wait behind
 * bulk data. A close frame stays behind the messages that were sent before it.
 */
#ifndef WSU_OUTPUT_H
#define WSU_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* Spans that the output consists of at most. */
#define WSU_OUTPUT_SPANS 3

typedef struct wsu_span {
  const uint8_t *bytes;
  size_t len;
} wsu_span_t;

/* How far a run of frames has got within one of them. */
typedef struct wsu_frame_cursor {
  uint64_t length; /* of what follows the header, as far as that tells */
  uint8_t seen;    /* bytes of the header; 0: between two frames */
  uint8_t size;    /* of the header, without the masking key */
  uint8_t key;     /* bytes of the masking key */
} wsu_frame_cursor_t;

typedef struct wsu_output {
  wsu_buffer_t frames;
  wsu_buffer_t urgent;     /* pings and pongs that overtake some of them */
  size_t front;            /* bytes of frames that come before the urgent ones:
                              what was begun, pings, pongs, what goes soon */
  uint64_t overtaken;      /* bytes of urgent ones that were sent */
  wsu_frame_cursor_t sent; /* in the frame that was sent last */
  wsu_frame_cursor_t queued;
  bool is_urgent; /* where the frame goes that is being queued */
} wsu_output_t;

static inline size_t wsu_output_length(const wsu_output_t *output) {
  return wsu_buffer_length(&output->frames) +
         wsu_buffer_length(&output->urgent);
}

/*
 * Queues bytes of frames that begin where the last ones have ended. Those that
 * the transport takes soon, since nothing holds it up, are not overtaken unless
 * others before them are. Returns 0 or WSU_ERR_OUT_OF_MEMORY: a frame is
 * missing then, unless it was the first.
 */
int wsu_output_queue(wsu_output_t *output, const uint8_t *bytes, size_t len,
                     bool is_taken_soon);

/*
 * Queues whole frames of messages, no pings or pongs, without a copy. The
 * output has to be empty.
 */
void wsu_output_adopt(wsu_output_t *output, wsu_buffer_t *frames);

/* Counts bytes of frames as queued and sent. The output has to be empty. */
void wsu_output_pass(wsu_output_t *output, const uint8_t *bytes, size_t len);

/* What is to be sent, in this order. Returns the number of spans. */
int wsu_output_spans(const wsu_output_t *output,
                     wsu_span_t spans[WSU_OUTPUT_SPANS]);

/* The first `len` bytes of the spans, which must be there, were sent. */
void wsu_output_sent(wsu_output_t *output, size_t len);

void wsu_output_free(wsu_output_t *output);

#endif
