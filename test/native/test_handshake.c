#include "handshake.h"

#include "test.h"

#define TEXT(literal) ((wsu_text_t){literal, sizeof(literal) - 1})
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static const wsu_text_t ABSENT = {NULL, 0};

static wsu_text_t text_of(const char *string) {
  return string == NULL ? ABSENT : (wsu_text_t){string, strlen(string)};
}

static wsu_handshake_request_t good_request(void) {
  return (wsu_handshake_request_t){
      .method = TEXT("GET"),
      .upgrade = TEXT("websocket"),
      .key = TEXT(KEY),
      .version = TEXT("13"),
      .content_length = ABSENT,
      .transfer_encoding = ABSENT,
  };
}

static bool is_base64(unsigned byte) {
  return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
         (byte >= '0' && byte <= '9') || byte == '+' || byte == '/';
}

TEST("accept keys are those of RFC 6455 1.3 and of an independent program") {
  static const char *const vectors[][2] = {
      {KEY, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
      {"x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
      {"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
      {"////////////////////+w==", "v++/tqom+xLKCFRvDrrlHamp040="},
  };
  guard_t keys = guard_new(WSU_KEY_SIZE);
  guard_t accepts = guard_new(WSU_ACCEPT_SIZE);

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    const void *key = guard_at_end(&keys, vectors[i][0], WSU_KEY_SIZE);
    void *accept = guard_at_end(&accepts, NULL, WSU_ACCEPT_SIZE);

    test_about(vectors[i][0], i);
    wsu_handshake_accept(accept, key);
    CHECK(memcmp(accept, vectors[i][1], WSU_ACCEPT_SIZE) == 0);
  }
  guard_free(&keys);
  guard_free(&accepts);
}

TEST("a handshake is accepted") {
  wsu_handshake_request_t request = good_request();

  CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_NONE);
}

TEST("only the method GET is accepted") {
  static const char *const methods[] = {NULL,   "",     "get",  "Get", "GE",
                                        "GETS", "POST", " GET", "GET "};

  for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
    wsu_handshake_request_t request = good_request();

    test_about("method", i);
    request.method = text_of(methods[i]);
    CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_METHOD);
  }
}

TEST("Upgrade must be websocket and nothing else, in any case") {
  static const char *const bad[] = {NULL,
                                    "",
                                    "websocke",
                                    "websockets",
                                    "h2c",
                                    " websocket",
                                    "websocket ",
                                    "websocket, h2c",
                                    "h2c, websocket",
                                    "websocket/13"};
  static const char *const good[] = {"websocket", "WebSocket", "WEBSOCKET",
                                     "wEbSoCkEt"};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    wsu_handshake_request_t request = good_request();

    test_about("refused", i);
    request.upgrade = text_of(bad[i]);
    CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_UPGRADE);
  }
  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    wsu_handshake_request_t request = good_request();

    test_about("accepted", i);
    request.upgrade = text_of(good[i]);
    CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_NONE);
  }
}

TEST("no other byte passes for a letter of websocket") {
  char upgrade[] = "websocket";

  for (size_t at = 0; at < 9; at++) {
    char letter = upgrade[at];

    for (int byte = 0; byte < 256; byte++) {
      wsu_handshake_request_t request = good_request();
      bool is_letter = byte == letter || byte == letter - 'a' + 'A';

      test_about("byte", (size_t)byte);
      upgrade[at] = (char)byte;
      request.upgrade = (wsu_text_t){upgrade, 9};
      CHECK_EQ(wsu_handshake_check(&request),
               is_letter ? WSU_REFUSAL_NONE : WSU_REFUSAL_UPGRADE);
    }
    upgrade[at] = letter;
  }
}

TEST("a key is 22 digits of base64 and two equals signs, at every place") {
  guard_t guard = guard_new(WSU_KEY_SIZE);

  for (size_t i = 0; i < WSU_KEY_SIZE * 256; i++) {
    size_t at = i / 256;
    unsigned byte = i % 256;
    wsu_handshake_request_t request = good_request();
    uint8_t *key = guard_at_end(&guard, KEY, WSU_KEY_SIZE);
    bool is_valid = at < 22 ? is_base64(byte) : byte == '=';

    test_about("position * 256 + byte", i);
    key[at] = (uint8_t)byte;
    request.key = (wsu_text_t){(const char *)key, WSU_KEY_SIZE};
    CHECK_EQ(wsu_handshake_check(&request),
             is_valid ? WSU_REFUSAL_NONE : WSU_REFUSAL_KEY);
  }
  guard_free(&guard);
}

TEST("a key of any other length is refused, and so is none") {
  static const char long_key[] = "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25j";
  guard_t guard = guard_new(sizeof(long_key));
  wsu_handshake_request_t request = good_request();

  for (size_t len = 0; len < sizeof(long_key); len++) {
    test_about("length", len);
    request.key =
        (wsu_text_t){(const char *)guard_at_end(&guard, long_key, len), len};
    CHECK_EQ(wsu_handshake_check(&request),
             len == WSU_KEY_SIZE ? WSU_REFUSAL_NONE : WSU_REFUSAL_KEY);
  }
  request.key = ABSENT;
  CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_KEY);
  guard_free(&guard);
}

TEST("versions 13 and 8 are accepted, no others") {
  static const char *const bad[] = {NULL, "",   "1",   "3",    "12",  "14",
                                    "7",  "9",  "08",  "013",  "130", "13 ",
                                    " 8", "88", "+13", "13, 8"};
  wsu_handshake_request_t request = good_request();

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    test_about("version", i);
    request.version = text_of(bad[i]);
    CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_VERSION);
  }
  request.version = TEXT("8");
  CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_NONE);
  request.version = TEXT("13");
  CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_NONE);
}

TEST("a request with a body is refused, one with a body of 0 bytes is not") {
  static const struct {
    const char *content_length;
    const char *transfer_encoding;
    wsu_refusal_t expected;
  } vectors[] = {
      {NULL, NULL, WSU_REFUSAL_NONE},
      {"", NULL, WSU_REFUSAL_NONE},
      {"0", NULL, WSU_REFUSAL_NONE},
      {"00", NULL, WSU_REFUSAL_NONE},
      {"5", NULL, WSU_REFUSAL_BODY},
      {"05", NULL, WSU_REFUSAL_BODY},
      {"10", NULL, WSU_REFUSAL_BODY},
      {"18446744073709551616", NULL, WSU_REFUSAL_BODY},
      {"-0", NULL, WSU_REFUSAL_BODY},
      {"0, 5", NULL, WSU_REFUSAL_BODY},
      {"0 ", NULL, WSU_REFUSAL_BODY},
      {NULL, "chunked", WSU_REFUSAL_BODY},
      {NULL, "identity", WSU_REFUSAL_BODY},
      {NULL, "", WSU_REFUSAL_BODY},
      {"0", "chunked", WSU_REFUSAL_BODY},
  };

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    wsu_handshake_request_t request = good_request();

    test_about("body", i);
    request.content_length = text_of(vectors[i].content_length);
    request.transfer_encoding = text_of(vectors[i].transfer_encoding);
    CHECK_EQ(wsu_handshake_check(&request), vectors[i].expected);
  }
}

TEST("of several faults the first in the order of the table is reported") {
  static const wsu_refusal_t order[] = {WSU_REFUSAL_METHOD, WSU_REFUSAL_UPGRADE,
                                        WSU_REFUSAL_KEY, WSU_REFUSAL_VERSION,
                                        WSU_REFUSAL_BODY};

  for (unsigned faults = 0; faults < 32; faults++) {
    wsu_handshake_request_t request = good_request();
    wsu_refusal_t expected = WSU_REFUSAL_NONE;

    test_about("faults", faults);
    if (faults & 1)
      request.method = TEXT("POST");
    if (faults & 2)
      request.upgrade = ABSENT;
    if (faults & 4)
      request.key = TEXT("short");
    if (faults & 8)
      request.version = TEXT("12");
    if (faults & 16)
      request.content_length = TEXT("5");
    for (unsigned i = 5; i-- > 0;)
      if (faults >> i & 1)
        expected = order[i];
    CHECK_EQ(wsu_handshake_check(&request), expected);
  }
}

TEST("a request without any header is refused for its method") {
  wsu_handshake_request_t request = {0};

  CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_METHOD);
  request.method = TEXT("GET");
  CHECK_EQ(wsu_handshake_check(&request), WSU_REFUSAL_UPGRADE);
}

TEST("refusals have the status and text of ws") {
  static const struct {
    wsu_refusal_t refusal;
    int status;
    bool names_versions;
    const char *message;
  } vectors[] = {
      {WSU_REFUSAL_METHOD, 405, false, "Invalid HTTP method"},
      {WSU_REFUSAL_UPGRADE, 400, false, "Invalid Upgrade header"},
      {WSU_REFUSAL_KEY, 400, false,
       "Missing or invalid Sec-WebSocket-Key header"},
      {WSU_REFUSAL_VERSION, 400, true,
       "Missing or invalid Sec-WebSocket-Version header"},
      {WSU_REFUSAL_PROTOCOL, 400, false,
       "Invalid Sec-WebSocket-Protocol header"},
      {WSU_REFUSAL_BODY, 400, false,
       "A WebSocket handshake must not have a body"},
      {WSU_REFUSAL_PIPELINED, 400, false,
       "The response to an earlier request is not sent yet"},
  };

  CHECK(wsu_refusal_info(WSU_REFUSAL_NONE) == NULL);
  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    const wsu_refusal_info_t *info = wsu_refusal_info(vectors[i].refusal);

    CHECK_EQ(info->status, vectors[i].status);
    CHECK_EQ(info->names_versions, vectors[i].names_versions);
    CHECK_TEXT(info->message, vectors[i].message);
  }
}

/* Writes "a|b|" for two tokens, and "!" if the header breaks the grammar. */
static void list_subprotocols(char *dest, wsu_text_t header) {
  wsu_text_t token;
  size_t pos = 0;
  int result;

  while ((result = wsu_subprotocol_next(header, &pos, &token)) == 1) {
    CHECK(token.len > 0);
    CHECK(token.bytes >= header.bytes);
    CHECK(token.bytes + token.len <= header.bytes + header.len);
    memcpy(dest, token.bytes, token.len);
    dest += token.len;
    *dest++ = '|';
  }
  if (result < 0)
    *dest++ = '!';
  *dest = '\0';
  CHECK_EQ(wsu_subprotocol_next(header, &pos, &token), result);
}

static void check_subprotocols(const guard_t *guard, const void *bytes,
                               size_t len, const char *expected) {
  char actual[64];

  list_subprotocols(
      actual, (wsu_text_t){(const char *)guard_at_end(guard, bytes, len), len});
  CHECK_TEXT(actual, expected);
}

TEST("subprotocols are tokens, commas and blanks, and no more") {
  static const char *const vectors[][2] = {
      {"chat", "chat|"},   {"chat, superchat", "chat|superchat|"},
      {"a,b,c", "a|b|c|"}, {"a ,\tb\t,  c", "a|b|c|"},
      {" a", "a|"},        {"\ta \t", "a|"},
      {"a,a", "a|a|"},     {"v10.stomp, v11.stomp", "v10.stomp|v11.stomp|"},
      {"", "!"},           {" ", "!"},
      {",", "!"},          {",a", "!"},
      {"a,", "a|!"},       {"a, ", "a|!"},
      {"a,,b", "a|!"},     {"a, ,b", "a|!"},
      {"a b", "!"},        {"a, b c", "a|!"},
      {"a;b", "!"},        {"a, b/c", "a|!"},
      {"\"a\"", "!"},      {"a\r\n", "!"},
      {"a\r\n b", "!"},    {"\xc3\xa4", "!"},
      {"a\x7f", "!"},
  };
  guard_t guard = guard_new(64);

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    test_about(vectors[i][0], i);
    check_subprotocols(&guard, vectors[i][0], strlen(vectors[i][0]),
                       vectors[i][1]);
  }
  guard_free(&guard);
}

TEST("every byte is told apart: token, comma, blank or forbidden") {
  static const char token_chars[] =
      "!#$%&'*+-.^_`|~0123456789"
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  guard_t guard = guard_new(3);

  for (int byte = 0; byte < 256; byte++) {
    char text[] = {'a', (char)byte, 'b'};
    char whole[] = {'a', (char)byte, 'b', '|', '\0'};
    char alone[] = {(char)byte, '|', '\0'};
    bool is_token_char =
        memchr(token_chars, byte, sizeof(token_chars) - 1) != NULL;
    bool is_blank = byte == ' ' || byte == '\t';

    test_about("byte", (size_t)byte);
    check_subprotocols(&guard, text + 1, 1, is_token_char ? alone : "!");
    if (is_token_char)
      check_subprotocols(&guard, text, 3, whole);
    else
      check_subprotocols(&guard, text, 3, byte == ',' ? "a|b|" : "!");
    if (!is_token_char)
      check_subprotocols(&guard, text, 2,
                         is_blank      ? "a|"
                         : byte == ',' ? "a|!"
                                       : "!");
  }
  guard_free(&guard);
}

#define STATUS_LINE                                                            \
  "HTTP/1.1 101 Switching Protocols\r\n"                                       \
  "Upgrade: websocket\r\n"                                                     \
  "Connection: Upgrade\r\n"                                                    \
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void check_response(wsu_text_t protocol, wsu_text_t lines,
                           const char *expected) {
  size_t len = strlen(expected);
  guard_t guard = guard_new(len);

  for (size_t size = 0; size <= len + 1; size++) {
    char *dest = (char *)guard_at_end(&guard, NULL, size);

    test_about("size", size);
    memset(dest, '?', size);
    CHECK_EQ(wsu_handshake_response(dest, size, KEY, protocol, lines), len);
    if (size >= len)
      CHECK(memcmp(dest, expected, len) == 0);
    for (size_t i = size < len ? 0 : len; i < size; i++)
      CHECK_EQ(dest[i], '?');
  }
  CHECK_EQ(wsu_handshake_response(NULL, 0, KEY, protocol, lines), len);
  guard_free(&guard);
}

TEST("a response has these bytes, or none if there is no room for all") {
  check_response(ABSENT, ABSENT, STATUS_LINE "\r\n");
  check_response(TEXT(""), TEXT(""), STATUS_LINE "\r\n");
  check_response(TEXT("chat"), ABSENT,
                 STATUS_LINE "Sec-WebSocket-Protocol: chat\r\n\r\n");
  check_response(ABSENT, TEXT("X-A: 1\r\nX-B: 2\r\n"),
                 STATUS_LINE "X-A: 1\r\nX-B: 2\r\n\r\n");
  check_response(TEXT("chat"), TEXT("Set-Cookie: a=b\r\n"),
                 STATUS_LINE "Sec-WebSocket-Protocol: chat\r\n"
                             "Set-Cookie: a=b\r\n\r\n");
}

int main(void) {
  return test_run();
}
