/* The opening handshake of the load generator's connections (RFC 6455, 4.1). */
#ifndef WSU_BENCH_HANDSHAKE_H
#define WSU_BENCH_HANDSHAKE_H

#include "client.h"
#include "options.h"

/* How long a server may take for an answer. The socket has to have it as its
   timeout. */
enum { HANDSHAKE_SECONDS = 5 };

/* Sends the request and checks the answer: that it accepts, with compression
   exactly as it was offered, and that nothing comes behind it. The socket is
   blocking up to here. Fails with a message. */
void handshake(const options_t *options, client_t *client);

#endif
