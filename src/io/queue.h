/*
 * A doubly linked list through a member of its elements, so that joining and
 * leaving cost nothing and cannot fail. A node is in one list at most; one
 * that is alone points at itself.
 */
#ifndef WSU_QUEUE_H
#define WSU_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct wsu_queue {
  struct wsu_queue *next;
  struct wsu_queue *prev;
} wsu_queue_t;

#define wsu_queue_element(node, type, member)                                  \
  ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void wsu_queue_init(wsu_queue_t *node) {
  node->next = node;
  node->prev = node;
}

/* Whether a list has no elements, or a node is in no list. */
static inline bool wsu_queue_is_empty(const wsu_queue_t *queue) {
  return queue->next == queue;
}

/* Appends `node`, unless it is in a list already. */
static inline void wsu_queue_push(wsu_queue_t *queue, wsu_queue_t *node) {
  if (!wsu_queue_is_empty(node))
    return;
  node->prev = queue->prev;
  node->next = queue;
  queue->prev->next = node;
  queue->prev = node;
}

static inline void wsu_queue_remove(wsu_queue_t *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  wsu_queue_init(node);
}

/* Moves all elements of `from` to `to`, which is initialised by that. */
static inline void wsu_queue_move(wsu_queue_t *from, wsu_queue_t *to) {
  wsu_queue_init(to);
  if (wsu_queue_is_empty(from))
    return;
  *to = *from;
  to->next->prev = to;
  to->prev->next = to;
  wsu_queue_init(from);
}

#endif
