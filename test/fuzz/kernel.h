/*
 * One connection of a kernel that follows a script: what the system calls of
 * src/io/tcp.c (-Wl,--wrap) return for KERNEL_FD and duplicates of it. It keeps
 * what the peer has sent until it is received, and all that was sent to it.
 */
#ifndef WSU_FUZZ_KERNEL_H
#define WSU_FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_FD 900000

/* Bytes of the peer at most, and what may be sent to it. */
#define KERNEL_INPUT_MAX (1u << 17)
#define KERNEL_OUTPUT_MAX (1u << 20)

typedef struct kernel {
  uint8_t to_us[KERNEL_INPUT_MAX];
  uint8_t to_peer[KERNEL_OUTPUT_MAX];
  size_t sent_to_us;
  size_t received; /* bytes of them */
  size_t sent_to_peer;
  size_t room;  /* bytes that it takes until there is more of it */
  size_t piece; /* what recv() returns at most */
  unsigned duplicates;
  uint8_t interruptions; /* calls that fail with EINTR */
  uint8_t refusals;      /* calls that fail with EAGAIN for no reason */
  bool is_ended;         /* the peer has sent FIN */
  bool is_reset;
  bool is_shut; /* we have */
  bool has_no_descriptors;
} kernel_t;

extern kernel_t kernel;

void kernel_init(void);

/* For uv_poll: see uv_script.h. */
int kernel_ready(int fd, int wanted);

/* The peer sends bytes; those for which there is no room are dropped. */
void kernel_push(const uint8_t *bytes, size_t len);

/* Counts bytes as sent to the peer by another way than a system call. */
void kernel_take(const uint8_t *bytes, size_t len);

#endif
