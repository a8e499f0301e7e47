#include "extension.h"

#include <string.h>

#define WINDOW_BITS_MIN 8
#define WINDOW_BITS_MAX 15

/* What the list has next. */
enum { AT_START, AT_EXTENSION, AT_PARAMETER, AT_END, BROKEN };

/* In the order in which `ws` adds to an answer. */
enum {
  SERVER_NO_CONTEXT_TAKEOVER,
  CLIENT_NO_CONTEXT_TAKEOVER,
  SERVER_MAX_WINDOW_BITS,
  CLIENT_MAX_WINDOW_BITS,
  PARAMETERS
};

/* `value` of a parameter that stands alone. */
#define NO_VALUE 0

static const char NAME[] = "permessage-deflate";

static const char *const parameter_names[PARAMETERS] = {
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
};

/* An offer or an answer: a set of parameters that keeps their order. */
typedef struct parameter_set {
  uint8_t count;
  uint8_t order[PARAMETERS];
  uint8_t value[PARAMETERS]; /* window bits or NO_VALUE */
  bool has[PARAMETERS];
} parameter_set_t;

static bool equals(wsu_text_t text, const char *expected) {
  return text.len == strlen(expected) &&
         memcmp(text.bytes, expected, text.len) == 0;
}

static void skip_blanks(wsu_extension_list_t *list) {
  wsu_text_t header = list->header;

  while (list->pos < header.len &&
         (header.bytes[list->pos] == ' ' || header.bytes[list->pos] == '\t'))
    list->pos++;
}

static bool skip_char(wsu_extension_list_t *list, char c) {
  if (list->pos == list->header.len || list->header.bytes[list->pos] != c)
    return false;
  list->pos++;
  return true;
}

/* Takes a token, of which there must be one. */
static bool take_token(wsu_extension_list_t *list, wsu_text_t *token) {
  size_t start = list->pos;

  while (list->pos < list->header.len &&
         wsu_is_token_char(list->header.bytes[list->pos]))
    list->pos++;
  *token = (wsu_text_t){list->header.bytes + start, list->pos - start};
  return token->len > 0;
}

/*
 * Takes the rest of a quoted string. What it stands for must be a token
 * (RFC 6455, 9.1).
 */
static bool take_quoted(wsu_extension_list_t *list, wsu_text_t *value) {
  size_t start = list->pos;

  while (!skip_char(list, '"')) {
    skip_char(list, '\\');
    if (list->pos == list->header.len ||
        !wsu_is_token_char(list->header.bytes[list->pos]))
      return false;
    list->pos++;
  }
  *value = (wsu_text_t){list->header.bytes + start, list->pos - 1 - start};
  return value->len > 0;
}

static bool take_item(wsu_extension_list_t *list, wsu_extension_item_t *item) {
  item->is_parameter = list->state == AT_PARAMETER;
  item->value = (wsu_text_t){NULL, 0};
  if (!take_token(list, &item->name))
    return false;
  if (!item->is_parameter || !skip_char(list, '='))
    return true;
  if (skip_char(list, '"'))
    return take_quoted(list, &item->value);
  return take_token(list, &item->value);
}

/* Takes what stands between two items and says what comes next. */
static uint8_t take_separator(wsu_extension_list_t *list) {
  uint8_t next = BROKEN;

  if (list->pos == list->header.len)
    return AT_END;
  skip_blanks(list);
  if (skip_char(list, ','))
    next = AT_EXTENSION;
  else if (skip_char(list, ';'))
    next = AT_PARAMETER;
  skip_blanks(list);
  return next;
}

int wsu_extension_next(wsu_extension_list_t *list, wsu_extension_item_t *item) {
  if (list->state == AT_END)
    return 0;
  if (list->state == BROKEN || !take_item(list, item)) {
    list->state = BROKEN;
    return -1;
  }
  list->state = take_separator(list);
  return 1;
}

/* The number of a window size, or NO_VALUE if it is none. */
static uint8_t parse_window_bits(wsu_text_t text) {
  unsigned number = 0;

  for (size_t i = 0; i < text.len; i++) {
    char c = text.bytes[i];

    if (c == '\\')
      continue;
    if (c < '0' || c > '9' || (number == 0 && c == '0'))
      return NO_VALUE;
    number = number * 10 + (unsigned)(c - '0');
    if (number > WINDOW_BITS_MAX)
      return NO_VALUE;
  }
  return number >= WINDOW_BITS_MIN ? (uint8_t)number : NO_VALUE;
}

static void put(parameter_set_t *set, uint8_t parameter, uint8_t value) {
  if (!set->has[parameter])
    set->order[set->count++] = parameter;
  set->has[parameter] = true;
  set->value[parameter] = value;
}

static void leave_out(parameter_set_t *set, uint8_t parameter) {
  uint8_t kept = 0;

  for (uint8_t i = 0; i < set->count; i++)
    if (set->order[i] != parameter)
      set->order[kept++] = set->order[i];
  set->count = kept;
  set->has[parameter] = false;
}

/* Adds a parameter of an offer; false if RFC 7692, 7.1 makes it invalid. */
static bool add_parameter(parameter_set_t *offer,
                          const wsu_extension_item_t *item) {
  uint8_t value = NO_VALUE;
  uint8_t parameter = 0;

  while (parameter < PARAMETERS &&
         !equals(item->name, parameter_names[parameter]))
    parameter++;
  if (parameter == PARAMETERS || offer->has[parameter])
    return false;

  if (item->value.bytes == NULL) {
    /* Only the server's window needs a number (RFC 7692, 7.1.2.1). */
    if (parameter == SERVER_MAX_WINDOW_BITS)
      return false;
  } else {
    if (parameter < SERVER_MAX_WINDOW_BITS)
      return false;
    value = parse_window_bits(item->value);
    if (value == NO_VALUE)
      return false;
  }
  put(offer, parameter, value);
  return true;
}

static bool is_number(uint8_t window_bits) {
  return window_bits != WSU_WINDOW_BITS_AS_OFFERED &&
         window_bits != WSU_WINDOW_BITS_NO_LIMIT;
}

static bool is_acceptable(const parameter_set_t *offer,
                          const wsu_deflate_options_t *options) {
  uint8_t server_bits = options->server_max_window_bits;
  uint8_t client_bits = options->client_max_window_bits;

  if (offer->has[SERVER_NO_CONTEXT_TAKEOVER] &&
      options->server_no_context_takeover == WSU_TAKEOVER_KEPT)
    return false;
  if (offer->has[SERVER_MAX_WINDOW_BITS] &&
      (server_bits == WSU_WINDOW_BITS_NO_LIMIT ||
       (is_number(server_bits) &&
        server_bits > offer->value[SERVER_MAX_WINDOW_BITS])))
    return false;
  if (is_number(client_bits)) {
    uint8_t offered = offer->value[CLIENT_MAX_WINDOW_BITS];

    return offer->has[CLIENT_MAX_WINDOW_BITS] &&
           (offered == NO_VALUE || offered >= client_bits);
  }
  return true;
}

/* Turns an acceptable offer into the answer. */
static void accept_offer(parameter_set_t *set,
                         const wsu_deflate_options_t *options) {
  if (options->server_no_context_takeover == WSU_TAKEOVER_NEVER)
    put(set, SERVER_NO_CONTEXT_TAKEOVER, NO_VALUE);
  if (options->client_no_context_takeover == WSU_TAKEOVER_NEVER)
    put(set, CLIENT_NO_CONTEXT_TAKEOVER, NO_VALUE);
  if (is_number(options->server_max_window_bits))
    put(set, SERVER_MAX_WINDOW_BITS, options->server_max_window_bits);
  if (is_number(options->client_max_window_bits))
    put(set, CLIENT_MAX_WINDOW_BITS, options->client_max_window_bits);
  else if (options->client_max_window_bits == WSU_WINDOW_BITS_NO_LIMIT ||
           set->value[CLIENT_MAX_WINDOW_BITS] == NO_VALUE)
    leave_out(set, CLIENT_MAX_WINDOW_BITS);
}

/*
 * Reads all offers, since an invalid one spoils the others, and keeps the first
 * acceptable one. Returns 1 if there is one, 0 if permessage-deflate was not
 * offered, or -1.
 */
static int choose_offer(wsu_text_t header, const wsu_deflate_options_t *options,
                        parameter_set_t *chosen) {
  wsu_extension_list_t list = {.header = header};
  wsu_extension_item_t item;
  parameter_set_t offer = {0};
  bool is_offer = false; /* the items are of permessage-deflate */
  bool was_offered = false;
  bool is_chosen = false;
  int result;

  do {
    result = wsu_extension_next(&list, &item);
    if (result < 0)
      return -1;
    if (result == 1 && item.is_parameter) {
      if (is_offer && !add_parameter(&offer, &item))
        return -1;
      continue;
    }
    if (is_offer && !is_chosen && is_acceptable(&offer, options)) {
      *chosen = offer;
      is_chosen = true;
    }
    is_offer = result == 1 && equals(item.name, NAME);
    was_offered = was_offered || is_offer;
    offer = (parameter_set_t){0};
  } while (result == 1);

  if (is_chosen)
    return 1;
  return was_offered ? -1 : 0;
}

static char *write_text(char *dest, const char *text) {
  size_t len = strlen(text);

  memcpy(dest, text, len);
  return dest + len;
}

static int write_answer(char *dest, const parameter_set_t *set) {
  char *end = write_text(dest, NAME);

  for (uint8_t i = 0; i < set->count; i++) {
    uint8_t parameter = set->order[i];
    uint8_t value = set->value[parameter];

    end = write_text(end, "; ");
    end = write_text(end, parameter_names[parameter]);
    if (value == NO_VALUE)
      continue;
    *end++ = '=';
    if (value >= 10)
      *end++ = '1';
    *end++ = (char)('0' + value % 10);
  }
  return (int)(end - dest);
}

static uint8_t window_bits_of(const parameter_set_t *set, uint8_t parameter) {
  return set->has[parameter] ? set->value[parameter] : WINDOW_BITS_MAX;
}

int wsu_deflate_negotiate(wsu_text_t header,
                          const wsu_deflate_options_t *options,
                          wsu_deflate_parameters_t *agreed,
                          char answer[WSU_DEFLATE_ANSWER_MAX]) {
  parameter_set_t set;
  int result = header.bytes == NULL ? 0 : choose_offer(header, options, &set);

  if (result != 1)
    return result;
  accept_offer(&set, options);
  *agreed = (wsu_deflate_parameters_t){
      .server_no_context_takeover = set.has[SERVER_NO_CONTEXT_TAKEOVER],
      .client_no_context_takeover = set.has[CLIENT_NO_CONTEXT_TAKEOVER],
      .server_max_window_bits = window_bits_of(&set, SERVER_MAX_WINDOW_BITS),
      .client_max_window_bits = window_bits_of(&set, CLIENT_MAX_WINDOW_BITS),
  };
  return write_answer(answer, &set);
}
