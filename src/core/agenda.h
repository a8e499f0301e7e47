/*
 * When to look at which connection: one array of times, read from end to end at
 * each sweep, so that a connection that is not due costs 16 bytes of a
 * sequential read and none of its own memory is touched. A time may be earlier
 * than needed: what is put here is not moved by signs of life.
 *
 * It owns the array, not the connections, and knows no clock.
 */
#ifndef WSU_AGENDA_H
#define WSU_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

#include "liveness.h"

/* The place of what is in no agenda. */
#define WSU_NO_PLACE UINT32_MAX

typedef struct wsu_agenda_entry {
  uint64_t due;
  wsu_liveness_t *liveness;
} wsu_agenda_entry_t;

typedef struct wsu_agenda {
  wsu_agenda_entry_t *entries;
  uint32_t count;
  uint32_t capacity;
  uint32_t left; /* entries that the sweep has not come to; 0: there is none */
  uint64_t next; /* nothing outside of them is due earlier */
} wsu_agenda_t;

void wsu_agenda_init(wsu_agenda_t *agenda);

/* Frees the array. What is in it must be gone, or be taken out no more. */
void wsu_agenda_free(wsu_agenda_t *agenda);

static inline bool wsu_agenda_has(const wsu_liveness_t *liveness) {
  return liveness->place != WSU_NO_PLACE;
}

/*
 * Has `liveness` looked at from `due` on, whether it is in the agenda already
 * or not. False: there is no memory, which is only tried to get for a new one.
 */
bool wsu_agenda_put(wsu_agenda_t *agenda, wsu_liveness_t *liveness,
                    uint64_t due);

/* Takes `liveness` out, if it is in. */
void wsu_agenda_remove(wsu_agenda_t *agenda, wsu_liveness_t *liveness);

/* Begins a sweep. */
void wsu_agenda_begin(wsu_agenda_t *agenda);

/*
 * Goes on with the sweep to what is due at `now`, which has to be put or
 * removed then; NULL: there is nothing else, and nothing is due before
 * agenda->next. Between two calls anything may be put or removed.
 */
wsu_liveness_t *wsu_agenda_take(wsu_agenda_t *agenda, uint64_t now);

#endif
