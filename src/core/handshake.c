#include "handshake.h"

#include <string.h>

#include "sha1.h"

#define LITERAL(text) ((wsu_text_t){text, sizeof(text) - 1})

/* RFC 6455, 1.3. */
static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static const char BASE64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool equals(wsu_text_t text, const char *expected) {
  return text.bytes != NULL && text.len == strlen(expected) &&
         memcmp(text.bytes, expected, text.len) == 0;
}

static char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool equals_ignoring_case(wsu_text_t text, const char *expected) {
  if (text.bytes == NULL || text.len != strlen(expected))
    return false;
  for (size_t i = 0; i < text.len; i++)
    if (to_lower(text.bytes[i]) != expected[i])
      return false;
  return true;
}

static bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z');
}

static bool is_key(wsu_text_t key) {
  if (key.bytes == NULL || key.len != WSU_KEY_SIZE)
    return false;
  for (size_t i = 0; i < WSU_KEY_SIZE - 2; i++)
    if (!is_alphanumeric(key.bytes[i]) && key.bytes[i] != '+' &&
        key.bytes[i] != '/')
      return false;
  return memcmp(key.bytes + WSU_KEY_SIZE - 2, "==", 2) == 0;
}

static bool has_body(const wsu_handshake_request_t *request) {
  wsu_text_t length = request->content_length;

  if (request->transfer_encoding.bytes != NULL)
    return true;
  for (size_t i = 0; length.bytes != NULL && i < length.len; i++)
    if (length.bytes[i] != '0')
      return true;
  return false;
}

wsu_refusal_t wsu_handshake_check(const wsu_handshake_request_t *request) {
  if (!equals(request->method, "GET"))
    return WSU_REFUSAL_METHOD;
  if (!equals_ignoring_case(request->upgrade, "websocket"))
    return WSU_REFUSAL_UPGRADE;
  if (!is_key(request->key))
    return WSU_REFUSAL_KEY;
  if (!equals(request->version, "13") && !equals(request->version, "8"))
    return WSU_REFUSAL_VERSION;
  if (has_body(request))
    return WSU_REFUSAL_BODY;
  return WSU_REFUSAL_NONE;
}

const wsu_refusal_info_t *wsu_refusal_info(wsu_refusal_t refusal) {
  static const wsu_refusal_info_t table[] = {
#define XX(name, status, names_versions, message)                              \
  {status, names_versions, message},
      WSU_REFUSAL_MAP(XX)
#undef XX
  };

  return refusal == WSU_REFUSAL_NONE ? NULL : &table[refusal - 1];
}

bool wsu_is_token_char(char c) {
  return is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t skip_blanks(wsu_text_t header, size_t pos) {
  while (pos < header.len &&
         (header.bytes[pos] == ' ' || header.bytes[pos] == '\t'))
    pos++;
  return pos;
}

int wsu_subprotocol_next(wsu_text_t header, size_t *pos, wsu_text_t *token) {
  size_t start = *pos;
  size_t end;

  /* Past the end by one: the last token had no comma behind it. */
  if (start > header.len)
    return 0;
  start = skip_blanks(header, start);
  for (end = start; end < header.len && wsu_is_token_char(header.bytes[end]);)
    end++;
  if (end == start)
    return -1;
  *token = (wsu_text_t){header.bytes + start, end - start};

  end = skip_blanks(header, end);
  if (end < header.len && header.bytes[end] != ',')
    return -1;
  *pos = end + 1;
  return 1;
}

static void encode_base64(char *dest, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i += 3) {
    uint32_t group = (uint32_t)bytes[i] << 16;

    if (i + 1 < len)
      group |= (uint32_t)bytes[i + 1] << 8;
    if (i + 2 < len)
      group |= bytes[i + 2];
    *dest++ = BASE64[group >> 18];
    *dest++ = BASE64[group >> 12 & 0x3f];
    *dest++ = '=';
    *dest++ = '=';
    if (i + 1 < len)
      dest[-2] = BASE64[group >> 6 & 0x3f];
    if (i + 2 < len)
      dest[-1] = BASE64[group & 0x3f];
  }
}

void wsu_handshake_accept(char accept[WSU_ACCEPT_SIZE],
                          const char key[WSU_KEY_SIZE]) {
  uint8_t bytes[WSU_KEY_SIZE + sizeof(GUID) - 1];
  uint8_t digest[WSU_SHA1_DIGEST_SIZE];

  memcpy(bytes, key, WSU_KEY_SIZE);
  memcpy(bytes + WSU_KEY_SIZE, GUID, sizeof(GUID) - 1);
  wsu_sha1(digest, bytes, sizeof(bytes));
  encode_base64(accept, digest, sizeof(digest));
}

size_t wsu_handshake_response(char *dest, size_t size,
                              const char key[WSU_KEY_SIZE], wsu_text_t protocol,
                              wsu_text_t lines) {
  char accept[WSU_ACCEPT_SIZE];
  const wsu_text_t none = {NULL, 0};
  const wsu_text_t name = LITERAL("Sec-WebSocket-Protocol: ");
  const wsu_text_t crlf = LITERAL("\r\n");
  const wsu_text_t pieces[] = {
      LITERAL("HTTP/1.1 101 Switching Protocols\r\n"
              "Upgrade: websocket\r\n"
              "Connection: Upgrade\r\n"
              "Sec-WebSocket-Accept: "),
      {accept, WSU_ACCEPT_SIZE},
      crlf,
      protocol.len > 0 ? name : none,
      protocol,
      protocol.len > 0 ? crlf : none,
      lines,
      crlf,
  };
  size_t total = 0;

  for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
    total += pieces[i].len;
  if (total > size)
    return total;

  wsu_handshake_accept(accept, key);
  for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
    if (pieces[i].len > 0)
      memcpy(dest, pieces[i].bytes, pieces[i].len);
    dest += pieces[i].len;
  }
  return total;
}
