/*
 * The server's side of the opening handshake (RFC 6455, 4.2): which requests
 * are refused and how, the accept key, the list of subprotocols, and the 101
 * response. The HTTP request has been parsed by somebody else; nothing here
 * allocates or keeps a pointer.
 */
#ifndef WSU_HANDSHAKE_H
#define WSU_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * name, HTTP status, whether the answer names the versions that would do
 * (RFC 6455, 4.4), the text that is the body of the answer.
 */
#define WSU_REFUSAL_MAP(XX)                                                    \
  XX(METHOD, 405, false, "Invalid HTTP method")                                \
  XX(UPGRADE, 400, false, "Invalid Upgrade header")                            \
  XX(KEY, 400, false, "Missing or invalid Sec-WebSocket-Key header")           \
  XX(VERSION, 400, true, "Missing or invalid Sec-WebSocket-Version header")    \
  XX(PROTOCOL, 400, false, "Invalid Sec-WebSocket-Protocol header")            \
  XX(EXTENSIONS, 400, false,                                                   \
     "Invalid or unacceptable Sec-WebSocket-Extensions header")                \
  XX(BODY, 400, false, "A WebSocket handshake must not have a body")           \
  XX(PIPELINED, 400, false,                                                    \
     "The response to an earlier request is not sent yet")

typedef enum wsu_refusal {
  WSU_REFUSAL_NONE,
#define XX(name, ...) WSU_REFUSAL_##name,
  WSU_REFUSAL_MAP(XX)
#undef XX
} wsu_refusal_t;

typedef struct wsu_refusal_info {
  int status; /* HTTP status code */
  bool names_versions;
  const char *message;
} wsu_refusal_info_t;

/* Bytes of text that are not ended by a zero; NULL: the header is absent. */
typedef struct wsu_text {
  const char *bytes;
  size_t len;
} wsu_text_t;

/* What of a request decides whether it is a handshake. */
typedef struct wsu_handshake_request {
  wsu_text_t method;
  wsu_text_t upgrade;           /* Upgrade */
  wsu_text_t key;               /* Sec-WebSocket-Key */
  wsu_text_t version;           /* Sec-WebSocket-Version */
  wsu_text_t content_length;    /* Content-Length */
  wsu_text_t transfer_encoding; /* Transfer-Encoding */
} wsu_handshake_request_t;

/* Sec-WebSocket-Accept: base64 of 20 bytes. */
#define WSU_ACCEPT_SIZE 28

/* Sec-WebSocket-Key: base64 of 16 bytes. */
#define WSU_KEY_SIZE 24

/*
 * Judges a request (RFC 6455, 4.2.1), in the order of the table up to VERSION,
 * then BODY. Versions 13 and 8 are understood: they differ in nothing that a
 * server sees. A body is refused since its bytes would be read as frames.
 */
wsu_refusal_t wsu_handshake_check(const wsu_handshake_request_t *request);

/* Status and text of a refusal; NULL for WSU_REFUSAL_NONE. */
const wsu_refusal_info_t *wsu_refusal_info(wsu_refusal_t refusal);

/* Whether a token may have `c` (RFC 9110, 5.6.2). */
bool wsu_is_token_char(char c);

/*
 * Takes the next subprotocol from `header`, the value of
 * Sec-WebSocket-Protocol, beginning at `*pos`, which is 0 at first and is
 * moved on. Returns 1 and points `token` at it, 0 when there was none left, or
 * -1 if the header breaks the grammar (1#token: RFC 6455, 4.3; RFC 9110,
 * 5.6.1). Duplicates are for the caller to find.
 */
int wsu_subprotocol_next(wsu_text_t header, size_t *pos, wsu_text_t *token);

/*
 * Computes Sec-WebSocket-Accept (RFC 6455, 4.2.2) of a key of WSU_KEY_SIZE
 * bytes into WSU_ACCEPT_SIZE bytes at `accept`.
 */
void wsu_handshake_accept(char accept[WSU_ACCEPT_SIZE],
                          const char key[WSU_KEY_SIZE]);

/*
 * Writes the 101 response to `dest`, which has room for `size` bytes: with
 * Sec-WebSocket-Protocol if `protocol` has bytes, and with `lines`, header
 * lines that each end in CRLF. Returns the bytes of the whole response;
 * if that is more than `size`, nothing was written.
 */
size_t wsu_handshake_response(char *dest, size_t size,
                              const char key[WSU_KEY_SIZE], wsu_text_t protocol,
                              wsu_text_t lines);

#endif
