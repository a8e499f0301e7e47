#include "extension.h"

#include "test.h"

#define PMD "permessage-deflate"

static wsu_text_t text_of(const char *text) {
  return (wsu_text_t){text, strlen(text)};
}

/*
 * Lists a header as "name name.parameter name.parameter=value", with a "!"
 * where the grammar is broken. The bytes stand between unreadable pages.
 */
static const char *list(const guard_t *guard, const char *header) {
  size_t len = strlen(header);
  char *dest = test_alloc(4 * len + 8);
  char *end = dest;
  wsu_extension_list_t list = {
      .header = {(const char *)guard_at_end(guard, header, len), len}};
  wsu_extension_item_t item;
  wsu_text_t name = {NULL, 0};
  int result;

  while ((result = wsu_extension_next(&list, &item)) == 1) {
    if (end > dest)
      *end++ = ' ';
    if (!item.is_parameter)
      name = item.name;
    end += sprintf(end, "%.*s", (int)name.len, name.bytes);
    if (item.is_parameter)
      end += sprintf(end, ".%.*s", (int)item.name.len, item.name.bytes);
    if (item.value.bytes != NULL)
      end += sprintf(end, "=%.*s", (int)item.value.len, item.value.bytes);
  }
  if (result < 0)
    *end++ = '!';
  *end = '\0';
  CHECK_EQ(wsu_extension_next(&list, &item), result);
  return dest;
}

static void check_lists(const char *header, const char *expected) {
  guard_t guard = guard_new(256);

  CHECK_TEXT(list(&guard, header), expected);
  guard_free(&guard);
}

TEST("extensions and their parameters are listed in order") {
  check_lists("a", "a");
  check_lists("a, b", "a b");
  check_lists("a; b", "a a.b");
  check_lists("a; b=c; d, e; f=\"g\"", "a a.b=c a.d e e.f=g");
  check_lists("a;b;b=1,a", "a a.b a.b=1 a");
  check_lists("!#$%&'*+-.^_`|~;0=9", "!#$%&'*+-.^_`|~ !#$%&'*+-.^_`|~.0=9");
}

TEST("blanks may stand around commas and semicolons alone") {
  check_lists("a, \t b", "a b");
  check_lists("a \t ,b", "a b");
  check_lists("a \t ; \t b=c\t,\td", "a a.b=c d");
  check_lists(" a", "!");
  check_lists("\ta", "!");
  check_lists("a ", "a!");
  check_lists("a; b ", "a a.b!");
  check_lists("a; b=\"c\"\t", "a a.b=c!");
  check_lists("a, ", "a!");
  check_lists("a; ", "a!");
  check_lists("a b", "a!");
  check_lists("a; b =c", "a a.b!");
  check_lists("a; b= c", "a!");
  check_lists("a;b c", "a a.b!");
}

TEST("an item is missing nowhere") {
  check_lists("", "!");
  check_lists(",", "!");
  check_lists(";", "!");
  check_lists("=", "!");
  check_lists(",a", "!");
  check_lists(";a", "!");
  check_lists("a,", "a!");
  check_lists("a;", "a!");
  check_lists("a,,b", "a!");
  check_lists("a;;b", "a!");
  check_lists("a;=b", "a!");
  check_lists("a;b=", "a!");
  check_lists("a;b=,c", "a!");
}

TEST("an extension has no value and a parameter has one") {
  check_lists("a=b", "a!");
  check_lists("a;b=c=d", "a a.b=c!");
}

TEST("names and values are tokens") {
  static const char others[] = "\x01\x1f\x7f\x80\xff\"(),/:;<=>?@[\\]{}\v\n";

  check_lists("\"a\"", "!");
  check_lists("a;\"b\"", "a!");
  for (size_t i = 0; i < sizeof(others) - 1; i++) {
    char header[] = "a?";
    char parameter[] = "a;b=?";
    guard_t guard = guard_new(16);

    test_about("character", (unsigned char)others[i]);
    header[1] = others[i];
    parameter[4] = others[i];
    CHECK_TEXT(list(&guard, header), "a!");
    CHECK_TEXT(list(&guard, parameter), "a!");
    guard_free(&guard);
  }
}

TEST("a quoted value stands for a token") {
  check_lists("a;b=\"c\" ; d", "a a.b=c a.d");
  check_lists("a;b=\"\\c\\d\"", "a a.b=\\c\\d");
  check_lists("a;b=\"\"", "a!");
  check_lists("a;b=\"", "a!");
  check_lists("a;b=\"c", "a!");
  check_lists("a;b=\"c\\", "a!");
  check_lists("a;b=\"c\\\"", "a!");
  check_lists("a;b=\"c d\"", "a!");
  check_lists("a;b=\"c,d\"", "a!");
  check_lists("a;b=\"\\ \"", "a!");
  check_lists("a;b=\"\\\\\"", "a!");
  check_lists("a;b=\"\\\"\"", "a!");
  check_lists("a;b=\"c\"d", "a a.b=c!");
  check_lists("a;b=c\"d\"", "a a.b=c!");
}

/* What wsu_deflate_negotiate() answers, as text. */
static const char *answer_to(const char *header,
                             const wsu_deflate_options_t *options,
                             wsu_deflate_parameters_t *agreed) {
  guard_t guard = guard_new(WSU_DEFLATE_ANSWER_MAX);
  char *dest = (char *)guard_at_end(&guard, NULL, WSU_DEFLATE_ANSWER_MAX);
  char *text = test_alloc(WSU_DEFLATE_ANSWER_MAX + 1);
  int len = wsu_deflate_negotiate(text_of(header), options, agreed, dest);

  if (len > 0) {
    memcpy(text, dest, (size_t)len);
    text[len] = '\0';
  }
  guard_free(&guard);
  if (len < 0)
    return "refused";
  return len == 0 ? "none" : text;
}

static void check_answer(const char *header, wsu_deflate_options_t options,
                         const char *expected) {
  wsu_deflate_parameters_t agreed;

  test_about(header, 0);
  CHECK_TEXT(answer_to(header, &options, &agreed), expected);
}

static const wsu_deflate_options_t DEFAULTS = {0};

TEST("permessage-deflate that is not offered is not answered") {
  check_answer("foo", DEFAULTS, "none");
  check_answer("constructor", DEFAULTS, "none");
  check_answer("foo; server_max_window_bits=99, bar", DEFAULTS, "none");
  check_answer("Permessage-Deflate", DEFAULTS, "none");
  check_answer("permessage-deflate2", DEFAULTS, "none");
  CHECK_EQ(wsu_deflate_negotiate((wsu_text_t){NULL, 0}, &DEFAULTS, NULL, NULL),
           0);
}

TEST("a header that breaks the grammar is refused, whatever it offers") {
  check_answer("", DEFAULTS, "refused");
  check_answer("foo,", DEFAULTS, "refused");
  check_answer(PMD ",", DEFAULTS, "refused");
  check_answer(PMD ", foo; bar=\"a b\"", DEFAULTS, "refused");
}

TEST("an offer without parameters leaves everything at its default") {
  wsu_deflate_parameters_t agreed;

  CHECK_TEXT(answer_to("foo; bar=1, " PMD, &DEFAULTS, &agreed), PMD);
  CHECK(!agreed.server_no_context_takeover);
  CHECK(!agreed.client_no_context_takeover);
  CHECK_EQ(agreed.server_max_window_bits, 15);
  CHECK_EQ(agreed.client_max_window_bits, 15);
}

TEST("parameters of an offer are taken over in its order") {
  wsu_deflate_parameters_t agreed;

  CHECK_TEXT(answer_to(PMD ";client_max_window_bits=11;client_no_context_"
                           "takeover;server_max_window_bits=\"1\\0\";"
                           "server_no_context_takeover",
                       &DEFAULTS, &agreed),
             PMD "; client_max_window_bits=11; client_no_context_takeover; "
                 "server_max_window_bits=10; server_no_context_takeover");
  CHECK(agreed.server_no_context_takeover);
  CHECK(agreed.client_no_context_takeover);
  CHECK_EQ(agreed.server_max_window_bits, 10);
  CHECK_EQ(agreed.client_max_window_bits, 11);
}

TEST("what the server asks for comes behind what was offered") {
  const wsu_deflate_options_t options = {
      .server_no_context_takeover = WSU_TAKEOVER_NEVER,
      .client_no_context_takeover = WSU_TAKEOVER_NEVER,
      .server_max_window_bits = 9,
      .client_max_window_bits = 8};
  wsu_deflate_parameters_t agreed;

  CHECK_TEXT(answer_to(PMD "; client_max_window_bits", &options, &agreed),
             PMD "; client_max_window_bits=8; server_no_context_takeover; "
                 "client_no_context_takeover; server_max_window_bits=9");
  CHECK(agreed.server_no_context_takeover);
  CHECK(agreed.client_no_context_takeover);
  CHECK_EQ(agreed.server_max_window_bits, 9);
  CHECK_EQ(agreed.client_max_window_bits, 8);
  check_answer(PMD "; server_max_window_bits=15; client_max_window_bits=15; "
                   "server_no_context_takeover",
               options,
               PMD "; server_max_window_bits=9; client_max_window_bits=8; "
                   "server_no_context_takeover; client_no_context_takeover");
}

TEST("window bits are numbers from 8 to 15") {
  static const char *const wrong[] = {"",      "=",
                                      "=7",    "=16",
                                      "=0",    "=1",
                                      "=08",   "=x",
                                      "=8x",   "=+9",
                                      "=-9",   "=99",
                                      "=0x9",  "=9999999999999999999999",
                                      "=",     "=a8",
                                      "=1e1",  "=10.0",
                                      "=\"\"", "=\" 9\"",
                                      "=true"};
  char header[128];

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    (void)snprintf(header, sizeof(header), PMD "; server_max_window_bits%s",
                   wrong[i]);
    check_answer(header, DEFAULTS, "refused");
    if (wrong[i][0] == '\0')
      continue;
    (void)snprintf(header, sizeof(header), PMD "; client_max_window_bits%s",
                   wrong[i]);
    check_answer(header, DEFAULTS, "refused");
  }
  for (unsigned bits = 8; bits <= 15; bits++) {
    (void)snprintf(header, sizeof(header),
                   PMD "; server_max_window_bits=%u; client_max_window_bits=%u",
                   bits, 23 - bits);
    check_answer(header, DEFAULTS, header);
  }
}

TEST("a parameter without value has none") {
  check_answer(PMD "; server_no_context_takeover=1", DEFAULTS, "refused");
  check_answer(PMD "; server_no_context_takeover=\"true\"", DEFAULTS,
               "refused");
  check_answer(PMD "; client_no_context_takeover=true", DEFAULTS, "refused");
}

TEST("unknown and repeated parameters are refused") {
  check_answer(PMD "; foo", DEFAULTS, "refused");
  check_answer(PMD "; __proto__", DEFAULTS, "refused");
  check_answer(PMD "; Server_no_context_takeover", DEFAULTS, "refused");
  check_answer(PMD "; server_no_context_takeover; server_no_context_takeover",
               DEFAULTS, "refused");
  check_answer(PMD "; client_max_window_bits; client_max_window_bits=10",
               DEFAULTS, "refused");
  check_answer("foo; bar; bar, " PMD, DEFAULTS, PMD);
}

TEST("an invalid offer spoils the others") {
  check_answer(PMD "; foo, " PMD, DEFAULTS, "refused");
  check_answer(PMD ", " PMD "; foo", DEFAULTS, "refused");
  check_answer(PMD ", " PMD "; server_max_window_bits=7", DEFAULTS, "refused");
}

TEST("the first acceptable offer wins") {
  const wsu_deflate_options_t options = {.server_no_context_takeover =
                                             WSU_TAKEOVER_KEPT};

  check_answer(PMD "; server_no_context_takeover, " PMD, DEFAULTS,
               PMD "; server_no_context_takeover");
  check_answer(PMD "; server_no_context_takeover, foo, " PMD
                   "; server_max_window_bits=9, " PMD,
               options, PMD "; server_max_window_bits=9");
  check_answer(PMD "; server_no_context_takeover", options, "refused");
  check_answer(PMD, options, PMD);
}

TEST("a client may forget its context, whatever the server wants") {
  check_answer(
      PMD "; client_no_context_takeover",
      (wsu_deflate_options_t){.client_no_context_takeover = WSU_TAKEOVER_KEPT},
      PMD "; client_no_context_takeover");
}

TEST("a limit of the server's window is kept or refused") {
  wsu_deflate_options_t options = {.server_max_window_bits = 10};

  check_answer(PMD, options, PMD "; server_max_window_bits=10");
  check_answer(PMD "; server_max_window_bits=15", options,
               PMD "; server_max_window_bits=10");
  check_answer(PMD "; server_max_window_bits=10", options,
               PMD "; server_max_window_bits=10");
  check_answer(PMD "; server_max_window_bits=9", options, "refused");
  options.server_max_window_bits = WSU_WINDOW_BITS_NO_LIMIT;
  check_answer(PMD, options, PMD);
  check_answer(PMD "; server_max_window_bits=15", options, "refused");
}

TEST("a limit of the client's window has to be offered") {
  wsu_deflate_options_t options = {.client_max_window_bits = 10};
  wsu_deflate_parameters_t agreed;

  check_answer(PMD, options, "refused");
  check_answer(PMD "; client_max_window_bits=9", options, "refused");
  check_answer(PMD "; client_max_window_bits=10", options,
               PMD "; client_max_window_bits=10");
  check_answer(PMD "; client_max_window_bits=11", options,
               PMD "; client_max_window_bits=10");
  check_answer(PMD "; client_max_window_bits", options,
               PMD "; client_max_window_bits=10");
  check_answer(PMD "; client_max_window_bits", DEFAULTS, PMD);

  options.client_max_window_bits = WSU_WINDOW_BITS_NO_LIMIT;
  CHECK_TEXT(answer_to(PMD "; client_max_window_bits=9", &options, &agreed),
             PMD);
  CHECK_EQ(agreed.client_max_window_bits, 15);
}

TEST("the longest answer fits") {
  const wsu_deflate_options_t options = {
      .server_no_context_takeover = WSU_TAKEOVER_NEVER,
      .client_no_context_takeover = WSU_TAKEOVER_NEVER,
      .server_max_window_bits = 15,
      .client_max_window_bits = 15};
  wsu_deflate_parameters_t agreed;

  CHECK_EQ(strlen(answer_to(PMD "; client_max_window_bits", &options, &agreed)),
           WSU_DEFLATE_ANSWER_MAX);
}

int main(void) {
  return test_run();
}
