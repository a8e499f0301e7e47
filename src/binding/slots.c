#include "slots.h"

#include <assert.h>
#include <stdlib.h>

/* Handles are integers below 2^53: 22 bits of slot, 31 of generation. */
#define GENERATION_UNIT ((double)WSU_SLOTS_MAX)
#define GENERATION_MASK UINT32_C(0x7fffffff)

#define FIRST_CAPACITY 64u

void wsu_slots_init(wsu_slots_t *slots) {
  *slots = (wsu_slots_t){.free = WSU_NO_SLOT};
}

void wsu_slots_free(wsu_slots_t *slots) {
  free(slots->table);
  wsu_slots_init(slots);
}

bool wsu_slots_reserve(wsu_slots_t *slots) {
  uint32_t capacity =
      slots->capacity == 0 ? FIRST_CAPACITY : slots->capacity * 2;
  wsu_slot_t *table;

  if (slots->free != WSU_NO_SLOT)
    return true;
  if (capacity > WSU_SLOTS_MAX)
    return false;
  table = realloc(slots->table, capacity * sizeof(*table));
  if (table == NULL)
    return false;
  for (uint32_t i = slots->capacity; i < capacity; i++)
    table[i] = (wsu_slot_t){
        .next_free = i + 1 < capacity ? i + 1 : WSU_NO_SLOT,
    };
  slots->free = slots->capacity;
  slots->table = table;
  slots->capacity = capacity;
  return true;
}

double wsu_slots_add(wsu_slots_t *slots, wsu_transport_t *transport) {
  uint32_t index = slots->free;
  wsu_slot_t *slot = &slots->table[index];

  assert(index != WSU_NO_SLOT);
  slots->free = slot->next_free;
  slots->used++;
  slot->transport = transport;
  transport->slot = index;
  return slot->generation * GENERATION_UNIT + index;
}

double wsu_slots_handle(const wsu_slots_t *slots,
                        const wsu_transport_t *transport) {
  return slots->table[transport->slot].generation * GENERATION_UNIT +
         transport->slot;
}

void wsu_slots_remove(wsu_slots_t *slots, wsu_transport_t *transport) {
  wsu_slot_t *slot = &slots->table[transport->slot];

  assert(slot->transport == transport);
  slot->transport = NULL;
  slot->received = transport->received;
  slot->sent = transport->sent;
  slot->was_close_sent =
      transport->connection.close_sent && wsu_transport_unsent(transport) == 0;
  slot->generation = (slot->generation + 1) & GENERATION_MASK;
  slots->used--;
}

void wsu_slots_recycle(wsu_slots_t *slots, uint32_t slot) {
  slots->table[slot].next_free = slots->free;
  slots->free = slot;
}

wsu_transport_t *wsu_slots_find(const wsu_slots_t *slots, double handle) {
  uint64_t number;
  uint32_t index;

  if (!(handle >= 0 && handle < 9007199254740992.0))
    return NULL;
  number = (uint64_t)handle;
  index = (uint32_t)(number % WSU_SLOTS_MAX);
  if (index >= slots->capacity ||
      slots->table[index].generation != number / WSU_SLOTS_MAX)
    return NULL;
  return slots->table[index].transport;
}
