/*
 * The file by which a test tells preload.c what is to fail, and learns what was
 * called. script.js has the same, by number.
 */
#ifndef WSU_TEST_SCRIPT_H
#define WSU_TEST_SCRIPT_H

#include <stdint.h>

typedef enum kind {
  KIND_RECV,
  KIND_SEND,
  KIND_SENDMSG,
  KIND_DUP,
  KIND_SETSOCKOPT,
  KIND_SHUTDOWN,
  KIND_CLOSE,
  KIND_EPOLL_CTL,
  KIND_ACCEPT,
  KIND_MEMORY, /* any of the next three */
  KIND_MALLOC,
  KIND_CALLOC,
  KIND_REALLOC,
  KIND_COUNT
} kind_t;

typedef struct script {
  /* Written by the test. */
  uint32_t is_armed;
  uint32_t kind;  /* which calls */
  uint32_t nth;   /* the first one that fails; 0: none */
  uint32_t lasts; /* so do those behind it */
  int32_t err;    /* its errno; 0: it is short */
  int32_t amount; /* bytes of a short one; below zero: so many are missing */
  /* Written by the library, and reset by the test. */
  uint32_t is_found;
  int32_t fd; /* the descriptor that is watched; -1: it was closed */
  uint32_t faults;
  uint32_t counts[KIND_COUNT];
  /* What the addon has allocated and not freed. */
  int64_t blocks;
  int64_t bytes;
} script_t;

_Static_assert(sizeof(script_t) == 104, "script.js knows the layout");

#endif
