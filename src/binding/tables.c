#include "tables.h"

#include "../core/error.h"
#include "../core/handshake.h"
#include "../io/stats.h"
#include "../io/stream.h"
#include "call.h"
#include "cork.h"
#include "env.h"

static napi_status set_number(napi_env napi, napi_value object,
                              const char *name, double number) {
  napi_value value;
  napi_status status = napi_create_double(napi, number, &value);

  return status == napi_ok ? napi_set_named_property(napi, object, name, value)
                           : status;
}

static napi_status set_boolean(napi_env napi, napi_value object,
                               const char *name, bool is_true) {
  napi_value value;
  napi_status status = napi_get_boolean(napi, is_true, &value);

  return status == napi_ok ? napi_set_named_property(napi, object, name, value)
                           : status;
}

static napi_status set_text(napi_env napi, napi_value object, const char *name,
                            const char *text) {
  napi_value value;
  napi_status status =
      napi_create_string_utf8(napi, text, NAPI_AUTO_LENGTH, &value);

  return status == napi_ok ? napi_set_named_property(napi, object, name, value)
                           : status;
}

/* errors: the rows of WSU_ERROR_MAP by number. */
static napi_value make_errors(napi_env napi) {
  int count;
  const wsu_error_info_t *row = wsu_error_table(&count);
  napi_value errors;
  napi_value error;
  napi_value key;

  WSU_TRY(napi, napi_create_object(napi, &errors));
  for (; count > 0; row++, count--) {
    WSU_TRY(napi, napi_create_object(napi, &error));
    WSU_TRY(napi, set_number(napi, error, "closeCode", row->close_code));
    WSU_TRY(napi,
            set_boolean(napi, error, "isRangeError", row->is_range_error));
    WSU_TRY(napi, set_boolean(napi, error, "hasDetail", row->has_detail));
    WSU_TRY(napi, set_text(napi, error, "code", row->code));
    WSU_TRY(napi, set_text(napi, error, "message", row->message));
    WSU_TRY(napi, napi_create_int32(napi, row->err, &key));
    WSU_TRY(napi, napi_set_property(napi, errors, key, error));
  }
  return errors;
}

/* refusals: the rows of WSU_REFUSAL_MAP by name, with their number. */
static napi_value make_refusals(napi_env napi) {
  static const char *const names[] = {
#define XX(name, ...) #name,
      WSU_REFUSAL_MAP(XX)
#undef XX
  };
  napi_value refusals;
  napi_value refusal;

  WSU_TRY(napi, napi_create_object(napi, &refusals));
  for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++) {
    const wsu_refusal_info_t *row = wsu_refusal_info((wsu_refusal_t)(i + 1));

    WSU_TRY(napi, napi_create_object(napi, &refusal));
    WSU_TRY(napi, set_number(napi, refusal, "number", i + 1));
    WSU_TRY(napi, set_number(napi, refusal, "status", row->status));
    WSU_TRY(napi,
            set_boolean(napi, refusal, "namesVersions", row->names_versions));
    WSU_TRY(napi, set_text(napi, refusal, "message", row->message));
    WSU_TRY(napi, napi_set_named_property(napi, refusals, names[i], refusal));
  }
  return refusals;
}

static napi_value make_list(napi_env napi, const char *const *texts,
                            uint32_t count) {
  napi_value list;
  napi_value text;

  WSU_TRY(napi, napi_create_array_with_length(napi, count, &list));
  for (uint32_t i = 0; i < count; i++) {
    WSU_TRY(napi,
            napi_create_string_utf8(napi, texts[i], NAPI_AUTO_LENGTH, &text));
    WSU_TRY(napi, napi_set_element(napi, list, i, text));
  }
  return list;
}

/* counters: the names of WSU_STAT_MAP. */
static napi_value make_counters(napi_env napi) {
  static const char *const names[] = {
#define XX(name) #name,
      WSU_STAT_MAP(XX)
#undef XX
  };

  return make_list(napi, names, WSU_STAT_COUNT);
}

/* causes: the texts of WSU_CAUSE_MAP. */
static napi_value make_causes(napi_env napi) {
  static const char *const texts[] = {
#define XX(name, text) text,
      WSU_CAUSE_MAP(XX)
#undef XX
  };

  return make_list(napi, texts, WSU_CAUSE_COUNT);
}

static napi_value make_constants(napi_env napi) {
  napi_value constants;

  WSU_TRY(napi, napi_create_object(napi, &constants));
#define XX(name, value)                                                        \
  WSU_TRY(napi, set_number(napi, constants, #name, value));
  WSU_RING_MAP(XX)
#undef XX
  WSU_TRY(napi, set_number(napi, constants, "STATS_SIZE", sizeof(wsu_stats_t)));
  WSU_TRY(napi, set_number(napi, constants, "RING_EVENTS", WSU_RING_EVENTS));
  WSU_TRY(napi, set_number(napi, constants, "RING_LENGTH", WSU_RING_LENGTH));
  WSU_TRY(napi, set_number(napi, constants, "RING_CURSOR", WSU_RING_CURSOR));
  WSU_TRY(napi, set_number(napi, constants, "RING_FIELDS", WSU_RING_FIELDS));
  WSU_TRY(napi, set_number(napi, constants, "STREAM_WRITE_MAX",
                           WSU_STREAM_WRITE_MAX));
  WSU_TRY(napi, set_number(napi, constants, "DIRECTORY_ENTRIES",
                           WSU_DIRECTORY_ENTRIES));
  WSU_TRY(napi, set_number(napi, constants, "DIRECTORY_HEADER",
                           WSU_DIRECTORY_HEADER));
  WSU_TRY(napi, set_number(napi, constants, "SLOTS", WSU_SLOTS_MAX));
  WSU_TRY(napi, set_number(napi, constants, "PROGRESS", WSU_NOTICE_PROGRESS));
  WSU_TRY(napi, set_number(napi, constants, "DRAIN", WSU_NOTICE_DRAIN));
  WSU_TRY(napi, set_number(napi, constants, "OUTPUT", WSU_NOTICE_OUTPUT));
  WSU_TRY(napi, set_number(napi, constants, "FINISH", WSU_NOTICE_FINISH));
  WSU_TRY(napi, set_number(napi, constants, "ROOM", WSU_NOTICE_ROOM));
  WSU_TRY(napi, set_number(napi, constants, "DEFLATED", WSU_NOTICE_DEFLATED));
  WSU_TRY(napi, set_number(napi, constants, "EXPIRED", WSU_NOTICE_EXPIRED));
  WSU_TRY(napi, set_number(napi, constants, "SWEPT", WSU_NOTICE_SWEPT));
  WSU_TRY(napi, set_number(napi, constants, "AUTO_PONG", WSU_AUTO_PONG));
  WSU_TRY(napi, set_number(napi, constants, "IS_CLIENT", WSU_IS_CLIENT));
  WSU_TRY(napi, set_number(napi, constants, "SKIP_UTF8_VALIDATION",
                           WSU_SKIP_UTF8_VALIDATION));
  return constants;
}

bool wsu_tables_add(napi_env napi, napi_value exports) {
  napi_value errors = make_errors(napi);
  napi_value refusals = make_refusals(napi);
  napi_value constants = make_constants(napi);
  napi_value counters = make_counters(napi);
  napi_value causes = make_causes(napi);

  return errors != NULL && refusals != NULL && constants != NULL &&
         counters != NULL && causes != NULL &&
         napi_set_named_property(napi, exports, "errors", errors) == napi_ok &&
         napi_set_named_property(napi, exports, "refusals", refusals) ==
             napi_ok &&
         napi_set_named_property(napi, exports, "constants", constants) ==
             napi_ok &&
         napi_set_named_property(napi, exports, "counters", counters) ==
             napi_ok &&
         napi_set_named_property(napi, exports, "causes", causes) == napi_ok;
}
