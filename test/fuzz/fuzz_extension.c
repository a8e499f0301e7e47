/*
 * Lists the items of a Sec-WebSocket-Extensions header, writes them in another
 * way and lists them again: they must be the same, and so must be the answer to
 * both. An answer must be a header that says what was agreed on. The input:
 *
 *   1 byte   low 2 bits: server_no_context_takeover, the next: that of the
 *            client (3 stands for 0)
 *   2 bytes  the server's and the client's max_window_bits, of which the low 4
 *            bits count: 8 to 15, 7 is no limit, less is as offered
 *   rest     the header
 */
#include "extension.h"

#include "fuzz.h"

static wsu_text_t copy_of(const char *bytes, size_t len) {
  return (wsu_text_t){(char *)fuzz_copy((const uint8_t *)bytes, len), len};
}

/* Writes a value without the backslashes before quoted characters. */
static size_t write_value(char *dest, wsu_text_t value) {
  size_t len = 0;

  for (size_t i = 0; i < value.len; i++)
    if (value.bytes[i] != '\\')
      dest[len++] = value.bytes[i];
  EXPECT(len > 0);
  return len;
}

/*
 * Writes the header with each value as a token, and with other blanks. Returns
 * its length, or 0 if the header breaks the grammar.
 */
static size_t rewrite(char *dest, wsu_text_t header) {
  wsu_extension_list_t list = {.header = header};
  wsu_extension_item_t item;
  size_t len = 0;
  int result;

  while ((result = wsu_extension_next(&list, &item)) == 1) {
    EXPECT(item.name.len > 0 && item.name.bytes >= header.bytes &&
           item.name.bytes + item.name.len <= header.bytes + header.len);
    EXPECT(len > 0 || !item.is_parameter);
    EXPECT(item.value.bytes == NULL || item.is_parameter);
    if (len > 0)
      dest[len++] = item.is_parameter ? ';' : ',';
    memcpy(dest + len, item.name.bytes, item.name.len);
    len += item.name.len;
    if (item.value.bytes != NULL) {
      dest[len++] = '=';
      len += write_value(dest + len, item.value);
    }
  }
  EXPECT(wsu_extension_next(&list, &item) == result);
  return result == 0 ? len : 0;
}

static uint8_t window_bits_of(uint8_t byte) {
  byte &= 15;
  if (byte >= 8)
    return byte;
  return byte == 7 ? WSU_WINDOW_BITS_NO_LIMIT : WSU_WINDOW_BITS_AS_OFFERED;
}

static wsu_deflate_options_t options_of(const uint8_t *data) {
  return (wsu_deflate_options_t){
      .server_no_context_takeover = (wsu_takeover_t)((data[0] & 3) % 3),
      .client_no_context_takeover = (wsu_takeover_t)((data[0] >> 2 & 3) % 3),
      .server_max_window_bits = window_bits_of(data[1]),
      .client_max_window_bits = window_bits_of(data[2]),
  };
}

static int negotiate(wsu_text_t header, const wsu_deflate_options_t *options,
                     wsu_deflate_parameters_t *agreed, char **answer) {
  *answer = fuzz_alloc(WSU_DEFLATE_ANSWER_MAX);
  return wsu_deflate_negotiate(header, options, agreed, *answer);
}

/* As an offer to a server that wants nothing, an answer is its own answer. */
static void check_answer(const char *answer, int len,
                         const wsu_deflate_parameters_t *agreed) {
  static const wsu_deflate_options_t defaults = {0};
  wsu_text_t header = copy_of(answer, (size_t)len);
  wsu_deflate_parameters_t again;
  char *echo;

  EXPECT(negotiate(header, &defaults, &again, &echo) == len);
  EXPECT(memcmp(echo, answer, (size_t)len) == 0);
  EXPECT(
      again.server_no_context_takeover == agreed->server_no_context_takeover &&
      again.client_no_context_takeover == agreed->client_no_context_takeover &&
      again.server_max_window_bits == agreed->server_max_window_bits &&
      again.client_max_window_bits == agreed->client_max_window_bits);
  free((void *)header.bytes);
  free(echo);
}

static void check_negotiation(wsu_text_t header, wsu_text_t other,
                              const wsu_deflate_options_t *options) {
  wsu_deflate_parameters_t agreed;
  wsu_deflate_parameters_t ignored;
  char *answer;
  char *other_answer;
  int len = negotiate(header, options, &agreed, &answer);

  EXPECT(negotiate(other, options, &ignored, &other_answer) == len);
  if (other.len == 0)
    EXPECT(len == -1);
  if (len > 0) {
    EXPECT(memcmp(answer, other_answer, (size_t)len) == 0);
    check_answer(answer, len, &agreed);
  }
  free(answer);
  free(other_answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  wsu_deflate_options_t options;
  wsu_text_t header;
  wsu_text_t other;
  wsu_text_t again;
  char *dest;
  size_t len;

  if (size < 3)
    return 0;
  options = options_of(data);
  header = copy_of((const char *)data + 3, size - 3);
  dest = fuzz_alloc(size);

  len = rewrite(dest, header);
  other = copy_of(dest, len);
  EXPECT(rewrite(dest, other) == len);
  again = copy_of(dest, len);
  if (len > 0)
    EXPECT(memcmp(other.bytes, again.bytes, len) == 0);
  check_negotiation(header, other, &options);

  free((void *)header.bytes);
  free((void *)other.bytes);
  free((void *)again.bytes);
  free(dest);
  return 0;
}
