/* The tables of the C side as objects that JavaScript reads. */
#ifndef WSU_TABLES_H
#define WSU_TABLES_H

#include <node_api.h>
#include <stdbool.h>

/* Flags of a connection; lib/native.js gets them by name. */
enum { WSU_AUTO_PONG = 1, WSU_SKIP_UTF8_VALIDATION = 2, WSU_IS_CLIENT = 4 };

/*
 * Adds `errors` (by number), `refusals` and `constants` (by name) to `exports`.
 * Returns false, with an exception pending, if that fails.
 */
bool wsu_tables_add(napi_env napi, napi_value exports);

#endif
