#include "cork.h"

enum { ENTRY_COUNT, USED, LAST_SLOT, WANTS_SETTLE };

/* Where the count of unsent bytes ends, with room for what is corked. */
#define UNSENT_MAX (1 << 30)

/* The cork and its directory while no JavaScript can run. */
typedef struct view {
  uint8_t *cork;
  size_t cork_size;
  int32_t *directory;
  uint32_t count;
  int32_t *unsent;
  size_t unsent_count;
} view_t;

static bool get_array(wsu_env_t *env, napi_ref ref, void **data,
                      size_t *length) {
  napi_value array;

  return napi_get_reference_value(env->napi, ref, &array) == napi_ok &&
         napi_get_typedarray_info(env->napi, array, NULL, length, data, NULL,
                                  NULL) == napi_ok &&
         *data != NULL;
}

static bool open_view(wsu_env_t *env, view_t *view) {
  napi_handle_scope scope;
  void *cork = NULL;
  void *directory = NULL;
  void *unsent = NULL;
  size_t length = 0;
  bool ok;

  if (napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return false;
  ok = get_array(env, env->cork, &cork, &view->cork_size) &&
       get_array(env, env->directory, &directory, &length) &&
       length >= WSU_DIRECTORY_HEADER + 2 * WSU_DIRECTORY_ENTRIES &&
       get_array(env, env->unsent, &unsent, &view->unsent_count);
  (void)napi_close_handle_scope(env->napi, scope);
  if (!ok)
    return false;
  view->cork = cork;
  view->directory = directory;
  view->unsent = unsent;
  view->count = (uint32_t)view->directory[ENTRY_COUNT];
  return view->count <= WSU_DIRECTORY_ENTRIES;
}

/*
 * Chains the entries that came since the last call to those of the same
 * connection; none of them may grow any more. Entries that do not fit the cork
 * end the list.
 */
static void link_entries(wsu_env_t *env, const view_t *view) {
  wsu_cork_entry_t *entries = env->cork_entries;
  size_t offset = 0;

  view->directory[LAST_SLOT] = -1;
  if (env->cork_linked > 0)
    offset = (size_t)entries[env->cork_linked - 1].offset +
             entries[env->cork_linked - 1].len;
  while (env->cork_linked < view->count) {
    uint32_t i = env->cork_linked;
    const int32_t *entry =
        view->directory + WSU_DIRECTORY_HEADER + 2 * (size_t)i;
    uint32_t len = (uint32_t)entry[1];
    wsu_transport_t *transport = wsu_slots_at(&env->slots, (uint32_t)entry[0]);

    if (len > view->cork_size - offset)
      return;
    entries[i] =
        (wsu_cork_entry_t){(uint32_t)offset, len, (uint32_t)entry[0], -1};
    offset += len;
    env->cork_linked++;
    if (transport == NULL)
      continue;
    if (transport->corked_first < 0)
      transport->corked_first = (int32_t)i;
    else
      entries[transport->corked_last].next = (int32_t)i;
    transport->corked_last = (int32_t)i;
    transport->corked_len += len;
    wsu_stats_count_frames(transport->stats, view->cork + entries[i].offset,
                           len);
  }
}

static void report_unsent(const wsu_transport_t *transport,
                          const view_t *view) {
  size_t unsent = wsu_transport_unsent(transport);

  if (transport->slot < view->unsent_count)
    view->unsent[transport->slot] =
        unsent < UNSENT_MAX ? (int32_t)unsent : UNSENT_MAX;
}

static void send_chain(wsu_env_t *env, wsu_transport_t *transport,
                       const view_t *view, const struct iovec *pieces,
                       int count) {
  struct iovec all[WSU_SEND_PIECES];
  int32_t i = transport->corked_first;
  int n = 0;

  while (i >= 0) {
    const wsu_cork_entry_t *entry = &env->cork_entries[i];

    all[n++] = (struct iovec){view->cork + entry->offset, entry->len};
    i = entry->next;
    if (n == WSU_SEND_PIECES - 3 && i >= 0) {
      wsu_transport_send(transport, all, n);
      n = 0;
    }
  }
  for (int p = 0; p < count; p++)
    all[n++] = pieces[p];
  transport->corked_first = -1;
  transport->corked_len = 0;
  wsu_transport_send(transport, all, n);
  report_unsent(transport, view);
}

void wsu_cork_flush(wsu_env_t *env) {
  view_t view;

  env->is_corked = false;
  if (!open_view(env, &view))
    return;
  link_entries(env, &view);
  for (uint32_t i = 0; i < env->cork_linked; i++) {
    wsu_transport_t *transport =
        wsu_slots_at(&env->slots, env->cork_entries[i].slot);

    if (transport != NULL && transport->corked_first == (int32_t)i)
      send_chain(env, transport, &view, NULL, 0);
  }
  env->cork_linked = 0;
  if (view.directory[WANTS_SETTLE] != 0) {
    env->wants_settle = true;
    wsu_loop_request_turn(&env->loop);
  }
  view.directory[ENTRY_COUNT] = 0;
  view.directory[USED] = 0;
  view.directory[WANTS_SETTLE] = 0;
}

uint8_t *wsu_cork_at(wsu_env_t *env, size_t offset, size_t size) {
  view_t view;

  if (!open_view(env, &view) || offset > view.cork_size ||
      size > view.cork_size - offset)
    return NULL;
  return view.cork + offset;
}

void wsu_cork_send(wsu_env_t *env, wsu_transport_t *transport,
                   const struct iovec *pieces, int count) {
  view_t view;

  if (!open_view(env, &view))
    return;
  link_entries(env, &view);
  if (transport->corked_first >= 0 || count > 0)
    send_chain(env, transport, &view, pieces, count);
}

size_t wsu_cork_pending(wsu_env_t *env, wsu_transport_t *transport) {
  view_t view;

  if (open_view(env, &view)) {
    link_entries(env, &view);
  }
  return wsu_transport_unsent(transport) + transport->corked_len;
}
