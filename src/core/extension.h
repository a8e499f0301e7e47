/*
 * Sec-WebSocket-Extensions (RFC 6455, 9.1) and the server's side of the
 * negotiation of permessage-deflate (RFC 7692, 5 and 7.1). The caller owns the
 * header's bytes; results point into them; nothing is allocated.
 */
#ifndef WSU_EXTENSION_H
#define WSU_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake.h"

/* Set `header`; the rest is 0 before the first call. */
typedef struct wsu_extension_list {
  wsu_text_t header;
  size_t pos;
  uint8_t state; /* what comes next: see extension.c */
} wsu_extension_list_t;

typedef struct wsu_extension_item {
  wsu_text_t name; /* of the extension or of its parameter */
  /*
   * The value of a parameter, as it stands between the quotes if it has any.
   * NULL if there is none. A value is a token, so that a backslash is never a
   * part of it: it only comes before a quoted character, and can be skipped.
   */
  wsu_text_t value;
  bool is_parameter; /* of the extension that was reported last */
} wsu_extension_item_t;

/*
 * Takes the next item from the list: an extension, then its parameters, then
 * the next extension. Returns 1 with `item` filled in, 0 after the last one,
 * or -1, again and again, if the header breaks the grammar. As in `ws`, blanks
 * may stand around commas and semicolons, but not around the whole header.
 */
int wsu_extension_next(wsu_extension_list_t *list, wsu_extension_item_t *item);

/* What the server wants of a parameter that has no value. */
typedef enum wsu_takeover {
  WSU_TAKEOVER_AS_OFFERED,
  WSU_TAKEOVER_NEVER, /* the parameter is in every answer */
  WSU_TAKEOVER_KEPT,  /* an offer with the parameter is unacceptable */
} wsu_takeover_t;

/* Values of *_max_window_bits beside 8 to 15. */
#define WSU_WINDOW_BITS_AS_OFFERED 0
#define WSU_WINDOW_BITS_NO_LIMIT 255

/* The options of `ws`: all zeros are its defaults. */
typedef struct wsu_deflate_options {
  wsu_takeover_t server_no_context_takeover;
  /* `false` (KEPT) makes no difference: a client may forget what it likes. */
  wsu_takeover_t client_no_context_takeover;
  /* 8 to 15: no more than this; NO_LIMIT: offers that ask are unacceptable. */
  uint8_t server_max_window_bits;
  /*
   * 8 to 15: unacceptable are offers that lack the parameter or whose value is
   * lower; NO_LIMIT: the answer never has the parameter.
   */
  uint8_t client_max_window_bits;
} wsu_deflate_options_t;

/* What both sides agreed on. */
typedef struct wsu_deflate_parameters {
  bool server_no_context_takeover;
  bool client_no_context_takeover;
  uint8_t server_max_window_bits; /* 8 to 15: of what the server sends */
  uint8_t client_max_window_bits; /* 8 to 15: of what the client sends */
} wsu_deflate_parameters_t;

/* Bytes of the longest answer. */
#define WSU_DEFLATE_ANSWER_MAX                                                 \
  (sizeof("permessage-deflate; server_no_context_takeover; "                   \
          "client_no_context_takeover; server_max_window_bits=15; "            \
          "client_max_window_bits=15") -                                       \
   1)

/*
 * Judges the offers in `header`, the value of Sec-WebSocket-Extensions, and
 * takes the first of permessage-deflate that `options` allow. Fills in `agreed`
 * and writes the value of the answer's header, with the parameters in the order
 * of the offer and then what the server adds, as `ws` does. Returns the bytes
 * of the answer, 0 if permessage-deflate was not offered, or -1 if the
 * handshake has to be refused: the grammar is broken, an offer has a parameter
 * that is unknown, is there twice or has a wrong value (RFC 7692, 7.1), or no
 * offer is acceptable.
 *
 * Window bits are "8" to "15", quoted or not. `ws` also takes what JavaScript
 * reads as such a number (010, 0xa, 1e1), which RFC 7692, 7.1.2 forbids.
 */
int wsu_deflate_negotiate(wsu_text_t header,
                          const wsu_deflate_options_t *options,
                          wsu_deflate_parameters_t *agreed,
                          char answer[WSU_DEFLATE_ANSWER_MAX]);

#endif
