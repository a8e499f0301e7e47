/*
 * A kernel that follows a script, for a few connections: what the system calls
 * of src/io/tcp.c (-Wl,--wrap) return for their descriptors and duplicates of
 * these. It keeps what a peer has sent until it is received, and all that was
 * sent to it.
 */
#ifndef WSU_FUZZ_KERNEL_H
#define WSU_FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_SOCKETS 3u

/* Bytes of the peer at most, and what may be sent to it. */
#define KERNEL_INPUT_MAX (1u << 20)
#define KERNEL_OUTPUT_MAX (1u << 20)

typedef struct kernel_socket {
  uint8_t to_us[KERNEL_INPUT_MAX];
  uint8_t to_peer[KERNEL_OUTPUT_MAX];
  size_t sent_to_us;
  size_t received; /* bytes of them */
  size_t sent_to_peer;
  size_t room;  /* bytes that it takes until there is more of it */
  size_t piece; /* what recv() returns at most, if not much waits */
  unsigned duplicates;
  uint8_t interruptions; /* calls that fail with EINTR */
  uint8_t refusals;      /* calls that fail with EAGAIN for no reason */
  bool is_ended;         /* the peer has sent FIN */
  bool is_reset;
  bool is_shut; /* we have */
} kernel_socket_t;

typedef struct kernel {
  kernel_socket_t sockets[KERNEL_SOCKETS];
  bool has_no_descriptors; /* for duplicates */
} kernel_t;

extern kernel_t kernel;

void kernel_init(void);

/* The descriptor that the connection has from its HTTP server. */
int kernel_descriptor(const kernel_socket_t *socket);

/* For uv_poll: see uv_script.h. */
int kernel_ready(int fd, int wanted);

/* The peer sends bytes; those for which there is no room are dropped. */
void kernel_push(kernel_socket_t *socket, const uint8_t *bytes, size_t len);

/* Counts bytes as sent to the peer by another way than a system call. */
void kernel_take(kernel_socket_t *socket, const uint8_t *bytes, size_t len);

/* Moves bytes of the peer, at most `len`, to `dest`; how many these are. */
size_t kernel_receive(kernel_socket_t *socket, uint8_t *dest, size_t len);

#endif
