/* The command line of the load generator. */
#ifndef WSU_BENCH_OPTIONS_H
#define WSU_BENCH_OPTIONS_H

#include "client.h"
#include "transport.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct {
  const char *host;
  const char *port;
  const char *path;
  const transport_t *transport;
  traffic_t traffic;
  uint32_t connections;
  double warmup;
  double duration;
  /* Not 0: send so many on each connection whenever a line is read. */
  uint32_t messages;
  /* The server's process. */
  pid_t pid;
} options_t;

/* Sets what the arguments say. The other members keep what they have. Fails
   with a message. */
void parse_options(options_t *options, int argc, char **argv);

#endif
