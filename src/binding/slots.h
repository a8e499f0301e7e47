/*
 * The table of an environment's connections. JavaScript holds a number, which
 * is a slot and its generation: once the connection is gone the number leads
 * nowhere, and never to somebody else's connection.
 */
#ifndef WSU_SLOTS_H
#define WSU_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../io/transport.h"

/* Connections of one environment at most. */
#define WSU_SLOTS_MAX (1u << 22)

typedef struct wsu_slot {
  wsu_transport_t *transport; /* NULL: no connection */
  uint32_t generation;        /* bumped when the connection goes */
  uint32_t next_free;
  uint64_t received; /* bytes in all of the connection that has gone */
  uint64_t sent;
  bool was_close_sent; /* the close frame has left, as the last of all */
} wsu_slot_t;

typedef struct wsu_slots {
  wsu_slot_t *table;
  uint32_t capacity;
  uint32_t used; /* slots that hold a connection */
  uint32_t free; /* the first slot that may be taken; WSU_NO_SLOT: none */
} wsu_slots_t;

void wsu_slots_init(wsu_slots_t *slots);
void wsu_slots_free(wsu_slots_t *slots);

/* Makes sure that wsu_slots_add() will succeed. False: no memory or no room. */
bool wsu_slots_reserve(wsu_slots_t *slots);

/* Gives `transport` a slot, stores it in transport->slot and returns its
 * handle. */
double wsu_slots_add(wsu_slots_t *slots, wsu_transport_t *transport);

/* The handle of a connection that has a slot. */
double wsu_slots_handle(const wsu_slots_t *slots,
                        const wsu_transport_t *transport);

/* Empties the slot of `transport`; its handle is stale from now on. */
void wsu_slots_remove(wsu_slots_t *slots, wsu_transport_t *transport);

/* Lets an emptied slot be taken again, once nothing speaks of it any more. */
void wsu_slots_recycle(wsu_slots_t *slots, uint32_t slot);

/* The connection of a handle; NULL for a stale one or any other number. */
wsu_transport_t *wsu_slots_find(const wsu_slots_t *slots, double handle);

/* The connection in a slot; NULL if there is none. */
static inline wsu_transport_t *wsu_slots_at(const wsu_slots_t *slots,
                                            uint32_t slot) {
  return slot < slots->capacity ? slots->table[slot].transport : NULL;
}

#endif
