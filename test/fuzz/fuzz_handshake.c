/*
 * Judges a request, lists its subprotocols as a reference does, and writes the
 * response. The input is one field a line: method, Upgrade, Sec-WebSocket-Key,
 * Sec-WebSocket-Version, Content-Length, Transfer-Encoding,
 * Sec-WebSocket-Protocol, and in the rest of it the header lines of the
 * response. A field of one zero byte, or a missing one, is an absent header.
 */
#include "handshake.h"

#include "fuzz.h"

enum { FIELDS = 8 };

static wsu_text_t copy_field(const uint8_t *bytes, size_t len) {
  if (len == 1 && bytes[0] == 0)
    return (wsu_text_t){NULL, 0};
  return (wsu_text_t){(char *)fuzz_copy(bytes, len), len};
}

static void split(wsu_text_t fields[FIELDS], const uint8_t *data, size_t size) {
  bool is_over = false;

  for (size_t i = 0; i < FIELDS; i++) {
    const uint8_t *end = NULL;
    size_t len;

    if (is_over) {
      fields[i] = (wsu_text_t){NULL, 0};
      continue;
    }
    if (i + 1 < FIELDS && size > 0)
      end = memchr(data, '\n', size);
    len = end == NULL ? size : (size_t)(end - data);
    fields[i] = copy_field(data, len);
    is_over = end == NULL;
    if (!is_over) {
      data += len + 1;
      size -= len + 1;
    }
  }
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static bool is_token(const char *bytes, size_t len) {
  static const char others[] = "!#$%&'*+-.^_`|~";

  for (size_t i = 0; i < len; i++) {
    char c = bytes[i];
    bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9');

    if (!is_alphanumeric && memchr(others, c, sizeof(others) - 1) == NULL)
      return false;
  }
  return len > 0;
}

/*
 * The reference: what lies between two commas, without the blanks around it,
 * must be a token. `*pos` is one past the comma, or past the end by one.
 */
static int reference_next(wsu_text_t header, size_t *pos, wsu_text_t *token) {
  size_t start = *pos;
  size_t end = start;
  size_t next;

  if (start > header.len)
    return 0;
  while (end < header.len && header.bytes[end] != ',')
    end++;
  next = end + 1;
  while (start < end && is_blank(header.bytes[start]))
    start++;
  while (end > start && is_blank(header.bytes[end - 1]))
    end--;
  if (!is_token(header.bytes + start, end - start))
    return -1;
  *token = (wsu_text_t){header.bytes + start, end - start};
  *pos = next;
  return 1;
}

static void check_subprotocols(wsu_text_t header) {
  size_t actual_pos = 0;
  size_t expected_pos = 0;
  int result;

  do {
    wsu_text_t actual = {NULL, 0};
    wsu_text_t expected = {NULL, 0};

    result = wsu_subprotocol_next(header, &actual_pos, &actual);
    EXPECT(result == reference_next(header, &expected_pos, &expected));
    if (result == 1)
      EXPECT(actual.bytes == expected.bytes && actual.len == expected.len);
  } while (result == 1);
}

static void check_response(const char *key, wsu_text_t protocol,
                           wsu_text_t lines) {
  size_t size = wsu_handshake_response(NULL, 0, key, protocol, lines);
  char *small = fuzz_alloc(size - 1);
  char *dest = fuzz_alloc(size);

  EXPECT(wsu_handshake_response(small, size - 1, key, protocol, lines) == size);
  EXPECT(wsu_handshake_response(dest, size, key, protocol, lines) == size);
  EXPECT(memcmp(dest, "HTTP/1.1 101 ", 13) == 0);
  EXPECT(memcmp(dest + size - 2, "\r\n", 2) == 0);
  free(small);
  free(dest);
}

static void check_refusal(wsu_refusal_t refusal) {
  const wsu_refusal_info_t *info = wsu_refusal_info(refusal);

  if (refusal != WSU_REFUSAL_NONE)
    EXPECT(info->status >= 400 && info->message[0] != '\0');
  else
    EXPECT(info == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  wsu_text_t fields[FIELDS];
  wsu_handshake_request_t request;

  split(fields, data, size);
  request = (wsu_handshake_request_t){
      .method = fields[0],
      .upgrade = fields[1],
      .key = fields[2],
      .version = fields[3],
      .content_length = fields[4],
      .transfer_encoding = fields[5],
  };
  check_refusal(wsu_handshake_check(&request));
  if (fields[6].bytes != NULL)
    check_subprotocols(fields[6]);
  if (request.key.len == WSU_KEY_SIZE)
    check_response(request.key.bytes, fields[6], fields[7]);
  for (size_t i = 0; i < FIELDS; i++)
    free((void *)fields[i].bytes);
  return 0;
}
