/*
 * What happens when memory runs out. Linked with -Wl,--wrap=realloc: the core
 * allocates with realloc() alone, so each of its allocations comes here.
 */
#include "agenda.h"
#include "connection.h"

#include "stream.h"

void *real_realloc(void *memory, size_t size) __asm__("__real_realloc");
void *failing_realloc(void *memory, size_t size) __asm__("__wrap_realloc");

static size_t calls;
static size_t fails_from; /* the number of the first call to fail; 0: none */
static size_t fails_to;

void *failing_realloc(void *memory, size_t size) {
  calls++;
  if (calls >= fails_from && calls <= fails_to)
    return NULL;
  return real_realloc(memory, size);
}

static void fail_calls(size_t from, size_t to) {
  calls = 0;
  fails_from = from;
  fails_to = to;
}

/* Whether `text` ends with `end`. */
static bool ends_with(const char *text, const char *end) {
  size_t len = strlen(text);

  return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

/*
 * Feeds a stream byte by byte while one allocation after the other fails, until
 * there are none left to fail. Each time the connection must end with an error,
 * have given up the message, and be able to say goodbye.
 */
static void check_every_failure(const wsu_connection_options_t *options,
                                const char *stream, const char *expected) {
  test_bytes_t bytes = hex(stream);

  for (size_t n = 1;; n++) {
    wsu_connection_t connection;
    trace_t trace = {0};
    bool has_failed;

    test_about(stream, n);
    wsu_connection_init(&connection, options);
    fail_calls(n, n);
    for (size_t i = 0; i < bytes.len; i++)
      trace_receive(&trace, &connection, bytes.data + i, 1);
    has_failed = calls >= n;
    fail_calls(0, 0);
    if (has_failed) {
      CHECK(ends_with(trace_text(&trace), "error:OUT_OF_MEMORY:0"));
      CHECK(connection.message.collected.data == NULL);
      CHECK_EQ(wsu_connection_close(&connection, 1011, NULL, 0, 1), 0);
      CHECK(wsu_connection_is_done(&connection));
    } else {
      CHECK_TEXT(trace_text(&trace), expected);
    }
    trace_free(&trace);
    wsu_connection_free(&connection);
    if (!has_failed) {
      CHECK(n > 1);
      return;
    }
  }
}

TEST("every allocation for a message may fail") {
  check_every_failure(&SERVER, "82 fe 0400 00000000 61*1024", "binary:61*1024");
  check_every_failure(&SERVER,
                      "01 fe 0200 00000000 61*512 00 fe 0200 00000000 61*512 "
                      "80 fe 0200 00000000 61*512",
                      "text:61*1536");
  check_every_failure(&CLIENT, "81 7e 1000 61*4096 82 7e 1000 62*4096",
                      "text:61*4096 binary:62*4096");
}

TEST("every allocation for a pong may fail") {
  check_every_failure(&SERVER, "89 82 00000000 7070", "ping:7070");
  check_every_failure(&CLIENT,
                      "89 7d 70*125 89 7d 70*125 01 01 61 89 7d 70*125 "
                      "80 01 62 89 7d 70*125 89 7d 70*125",
                      "ping:70*125 ping:70*125 ping:70*125 text:6162 "
                      "ping:70*125 ping:70*125");
}

static void check_output(const wsu_connection_t *connection,
                         test_bytes_t expected) {
  size_t len;
  uint8_t *bytes = copy_output(&connection->output, &len);

  CHECK_BYTES(bytes, len, expected);
  free(bytes);
}

TEST("a close frame that finds no memory can be tried again") {
  wsu_connection_t connection;

  wsu_connection_init(&connection, &SERVER);
  fail_calls(1, 1);
  CHECK_EQ(wsu_connection_close(&connection, 1000, NULL, 0, 1),
           WSU_ERR_OUT_OF_MEMORY);
  CHECK(!connection.close_sent);
  CHECK(!wsu_connection_is_overdue(&connection, UINT64_MAX));
  CHECK_EQ(wsu_connection_close(&connection, 1000, NULL, 0, 1), 0);
  fail_calls(0, 0);
  check_output(&connection, hex("88 02 03e8"));
  wsu_connection_free(&connection);
}

TEST("output that finds no memory leaves what was there") {
  wsu_connection_t connection;
  test_bytes_t frame = hex("82 01 61");
  test_bytes_t long_frame = hex("82 7e 2000 62*8192");

  wsu_connection_init(&connection, &SERVER);
  CHECK_EQ(wsu_output_queue(&connection.output, frame.data, frame.len, false),
           0);
  fail_calls(1, 1);
  CHECK_EQ(wsu_output_queue(&connection.output, long_frame.data, long_frame.len,
                            false),
           WSU_ERR_OUT_OF_MEMORY);
  fail_calls(0, 0);
  check_output(&connection, frame);
  wsu_connection_sent(&connection, 1);
  CHECK_EQ(wsu_output_queue(&connection.output, frame.data, frame.len, false),
           0);
  check_output(&connection, hex("01 61 82 01 61"));
  wsu_connection_free(&connection);
}

TEST("a buffer that cannot grow keeps its bytes") {
  wsu_buffer_t buffer = {0};
  test_bytes_t bytes = hex("61*300");

  CHECK_EQ(wsu_buffer_append(&buffer, bytes.data, bytes.len), 0);
  wsu_buffer_consume(&buffer, 100);
  fail_calls(1, SIZE_MAX);
  CHECK(wsu_buffer_reserve(&buffer, 10000, 0) == NULL);
  CHECK_EQ(wsu_buffer_append(&buffer, bytes.data, bytes.len - 1), 0);
  CHECK_EQ(wsu_buffer_append(&buffer, bytes.data, bytes.len),
           WSU_ERR_OUT_OF_MEMORY);
  fail_calls(0, 0);
  CHECK_BYTES(wsu_buffer_bytes(&buffer), wsu_buffer_length(&buffer),
              hex("61*499"));
  wsu_buffer_free(&buffer);
}

TEST("room that consumed bytes have left needs no memory") {
  wsu_buffer_t buffer = {0};
  test_bytes_t bytes = hex("61*300");

  CHECK_EQ(wsu_buffer_append(&buffer, bytes.data, bytes.len), 0);
  fail_calls(1, SIZE_MAX);
  for (size_t i = 0; i < 100; i++) {
    wsu_buffer_consume(&buffer, 250);
    CHECK_EQ(wsu_buffer_append(&buffer, bytes.data, 250), 0);
  }
  fail_calls(0, 0);
  CHECK_BYTES(wsu_buffer_bytes(&buffer), wsu_buffer_length(&buffer), bytes);
  wsu_buffer_free(&buffer);
}

TEST("an agenda that finds no memory keeps what is in it") {
  wsu_liveness_t members[65];
  wsu_agenda_t agenda;

  wsu_agenda_init(&agenda);
  for (int i = 0; i < 65; i++)
    wsu_liveness_init(&members[i], 1);
  fail_calls(1, 1);
  CHECK(!wsu_agenda_put(&agenda, &members[0], 5));
  CHECK(!wsu_agenda_has(&members[0]));
  fail_calls(2, 2);
  for (int i = 0; i < 64; i++)
    CHECK(wsu_agenda_put(&agenda, &members[i], 5));
  CHECK(!wsu_agenda_put(&agenda, &members[64], 5));
  CHECK(!wsu_agenda_has(&members[64]));
  CHECK(wsu_agenda_put(&agenda, &members[0], 7));
  CHECK(wsu_agenda_put(&agenda, &members[64], 9));
  fail_calls(0, 0);
  CHECK_EQ(agenda.count, 65);
  wsu_agenda_free(&agenda);
}

TEST("messages in one piece and control frames need no memory") {
  const wsu_connection_options_t options = {.is_server = true};
  test_bytes_t bytes =
      hex("81 81 00000000 61 82 fe 0400 00000000 62*1024 89 80 00000000 "
          "8a 81 00000000 71 88 82 00000000 03e8");
  wsu_connection_t connection;
  trace_t trace = {0};

  wsu_connection_init(&connection, &options);
  fail_calls(1, SIZE_MAX);
  trace_receive(&trace, &connection, bytes.data, bytes.len);
  fail_calls(0, 0);
  CHECK_TEXT(trace_text(&trace),
             "text:61 binary:62*1024 ping: pong:71 close:1000:");
  CHECK_EQ(calls, 0);
  trace_free(&trace);
  wsu_connection_free(&connection);
}

int main(void) {
  return test_run();
}
