/* How the load generator moves bytes: over the socket as it is, or in TLS.
 * Both keep to the contract of send() and recv(), blocking or not as the
 * descriptor is. A transport owns its session, never the descriptor.
 */
#ifndef WSU_BENCH_TRANSPORT_H
#define WSU_BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
  int fd;
  /* What the transport keeps of the connection, until the program ends. */
  void *session;
} channel_t;

typedef struct {
  /* Begins a session on a connected, blocking socket; fails with a message. */
  void (*open)(channel_t *channel);
  /* Returns how many of the bytes, none or more, it has taken. -1 and errno
     else, EAGAIN where the socket takes no more. */
  ssize_t (*send)(channel_t *channel, const uint8_t *bytes, size_t len);
  /* Returns how many bytes it has received, 0 at the end of the connection, -1
     and errno else, EAGAIN where there are none yet. */
  ssize_t (*receive)(channel_t *channel, uint8_t *buf, size_t size);
  /* Whether it holds bytes that were sent and that the socket has not taken:
     send() has to be called when the socket is writable. */
  bool (*has_unsent)(const channel_t *channel);
  /* Whether it holds bytes from the socket. They make no descriptor readable:
     receive() has to be called until there are none or it has EAGAIN. */
  bool (*has_unread)(const channel_t *channel);
} transport_t;

extern const transport_t plain_transport;

/* TLS 1.3 with AES-128-GCM, whoever the server is: certificates are not
   verified. Only in a program that is compiled with WITH_TLS and tls.c. */
extern const transport_t tls_transport;

#endif
