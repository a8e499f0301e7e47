#include "agenda.h"

#include <stdlib.h>

#define MIN_CAPACITY 64u

void wsu_agenda_init(wsu_agenda_t *agenda) {
  *agenda = (wsu_agenda_t){.next = WSU_NEVER};
}

void wsu_agenda_free(wsu_agenda_t *agenda) {
  free(agenda->entries);
  wsu_agenda_init(agenda);
}

static bool grow(wsu_agenda_t *agenda) {
  uint32_t capacity =
      agenda->capacity == 0 ? MIN_CAPACITY : agenda->capacity * 2;
  wsu_agenda_entry_t *entries;

  if (capacity <= agenda->capacity)
    return false;
  entries = realloc(agenda->entries, capacity * sizeof(*entries));
  if (entries == NULL)
    return false;
  agenda->entries = entries;
  agenda->capacity = capacity;
  return true;
}

bool wsu_agenda_put(wsu_agenda_t *agenda, wsu_liveness_t *liveness,
                    uint64_t due) {
  if (!wsu_agenda_has(liveness)) {
    if (agenda->count == agenda->capacity && !grow(agenda))
      return false;
    liveness->place = agenda->count++;
    agenda->entries[liveness->place].liveness = liveness;
  }
  agenda->entries[liveness->place].due = due;
  if (due < agenda->next)
    agenda->next = due;
  return true;
}

void wsu_agenda_remove(wsu_agenda_t *agenda, wsu_liveness_t *liveness) {
  const wsu_agenda_entry_t *last;

  if (!wsu_agenda_has(liveness))
    return;
  /*
   * A sweep goes from the end to the start, so that the last entry was looked
   * at already, or is still to be looked at in its new place, too.
   */
  last = &agenda->entries[--agenda->count];
  agenda->entries[liveness->place] = *last;
  last->liveness->place = liveness->place;
  liveness->place = WSU_NO_PLACE;
  if (agenda->left > agenda->count)
    agenda->left = agenda->count;
}

void wsu_agenda_begin(wsu_agenda_t *agenda) {
  agenda->left = agenda->count;
  agenda->next = WSU_NEVER;
}

wsu_liveness_t *wsu_agenda_take(wsu_agenda_t *agenda, uint64_t now) {
  while (agenda->left > 0) {
    const wsu_agenda_entry_t *entry = &agenda->entries[--agenda->left];

    if (entry->due <= now)
      return entry->liveness;
    if (entry->due < agenda->next)
      agenda->next = entry->due;
  }
  return NULL;
}
