#include "connection.h"

#include "stream.h"

static wsu_connection_options_t limited(uint64_t max_payload,
                                        uint32_t max_fragments) {
  return (wsu_connection_options_t){
      .is_server = true,
      .limits = {.max_payload = max_payload, .max_fragments = max_fragments},
  };
}

TEST("a message of exactly max_payload bytes passes") {
  const wsu_connection_options_t options = limited(5, 0);

  check_stream(&options, "82 85 00000000 61*5", "binary:61*5");
  check_stream(&options, "81 85 00000000 61*5 81 85 00000000 62*5",
               "text:61*5 text:62*5");
}

TEST("one byte over max_payload is refused") {
  const wsu_connection_options_t options = limited(5, 0);

  check_stream(&options, "82 86 00000000 61*6",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
  check_stream(&options, "82 85 00000000 61*5 82 86 00000000 61*6",
               "binary:61*5 error:UNSUPPORTED_MESSAGE_LENGTH:0");
  check_stream(&options, "82 fe 0100 00000000",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
  check_stream(&options, "82 ff 001fffffffffffff 00000000",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
}

TEST("fragments of max_payload bytes in all pass, one byte more is refused") {
  const wsu_connection_options_t options = limited(5, 0);

  check_stream(&options,
               "02 82 00000000 6161 00 81 00000000 61 80 82 00000000 6161",
               "binary:61*5");
  check_stream(&options, "02 85 00000000 61*5 80 80 00000000", "binary:61*5");
  check_stream(&options,
               "02 82 00000000 6161 00 81 00000000 61 80 83 00000000 616161",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
  check_stream(&options, "02 85 00000000 61*5 00 80 00000000 80 81 00000000 61",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
}

TEST("max_payload is counted anew for every message") {
  const wsu_connection_options_t options = limited(3, 0);

  check_stream(&options,
               "02 82 00000000 6161 80 81 00000000 61 82 83 00000000 616161 "
               "02 81 00000000 61 80 82 00000000 6161",
               "binary:616161 binary:616161 binary:616161");
}

TEST("max_payload is not about control frames") {
  const wsu_connection_options_t options = limited(1, 0);

  check_stream(&options, "89 fd 00000000 70*125 82 81 00000000 61",
               "ping:70*125 binary:61");
  check_stream(&options, "02 81 00000000 61 8a 82 00000000 7171 80 80 00000000",
               "pong:7171 binary:61");
}

TEST("the limit of bytes comes before the check of what they are") {
  const wsu_connection_options_t options = limited(5, 0);

  check_stream(&options, "81 86 00000000 ff*6",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
}

TEST("a message of exactly max_fragments frames passes") {
  const wsu_connection_options_t options = limited(0, 2);

  check_stream(&options, "01 81 00000000 61 80 81 00000000 62", "text:6162");
  check_stream(&options, "81 81 00000000 61", "text:61");
}

TEST("one frame over max_fragments is refused, be it empty") {
  const wsu_connection_options_t options = limited(0, 2);

  check_stream(&options,
               "01 81 00000000 61 00 81 00000000 62 80 81 00000000 63",
               "error:TOO_MANY_FRAGMENTS:0");
  check_stream(&options, "01 80 00000000 00 80 00000000 80 80 00000000",
               "error:TOO_MANY_FRAGMENTS:0");
}

TEST("max_fragments is counted anew for every message") {
  const wsu_connection_options_t options = limited(0, 2);

  check_stream(&options,
               "01 80 00000000 80 80 00000000 81 80 00000000 "
               "02 80 00000000 80 80 00000000 01 80 00000000 00 80 00000000 "
               "00 80 00000000",
               "text: text: binary: error:TOO_MANY_FRAGMENTS:0");
}

TEST("max_fragments is not about control frames") {
  const wsu_connection_options_t options = limited(0, 2);

  check_stream(&options,
               "01 80 00000000 89 80 00000000 8a 80 00000000 89 80 00000000 "
               "80 80 00000000",
               "ping: pong: ping: text:");
}

TEST("with both limits exceeded the one of bytes is reported") {
  const wsu_connection_options_t options = limited(1, 1);

  check_stream(&options, "01 81 00000000 61 80 81 00000000 62",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
}

TEST("limits of 0 are no limits") {
  const wsu_connection_options_t options = limited(0, 0);
  test_bytes_t stream = hex("02 80 00000000");
  test_bytes_t next = hex("00 81 00000000 61");
  wsu_connection_t connection;
  trace_t trace = {0};

  wsu_connection_init(&connection, &options);
  trace_receive(&trace, &connection, stream.data, stream.len);
  for (size_t i = 0; i < 20000; i++)
    trace_receive(&trace, &connection, next.data, next.len);
  next = hex("80 81 00000000 61");
  trace_receive(&trace, &connection, next.data, next.len);
  CHECK_TEXT(trace_text(&trace), "binary:61*20001");
  trace_free(&trace);
  wsu_connection_free(&connection);
}

/* What `stream` makes the connection keep in memory; it must be free of it. */
static void check_keeps_nothing(const wsu_connection_options_t *options,
                                const char *stream) {
  test_bytes_t bytes = hex(stream);
  wsu_connection_t connection;
  trace_t trace = {0};

  test_about(stream, 0);
  wsu_connection_init(&connection, options);
  trace_receive(&trace, &connection, bytes.data, bytes.len);
  CHECK(connection.message.collected.data == NULL);
  trace_free(&trace);
  wsu_connection_free(&connection);
}

TEST("memory of a message is given back when it ends, however it ends") {
  const wsu_connection_options_t options = limited(1000, 3);

  check_keeps_nothing(&options, "01 81 00000000 61 80 81 00000000 62");
  check_keeps_nothing(&options, "01 81 00000000 61 81 81 00000000 62");
  check_keeps_nothing(&options, "01 81 00000000 61 80 81 00000000 ff");
  check_keeps_nothing(&options, "01 81 00000000 61 80 fe 03e8 00000000");
  check_keeps_nothing(&options, "01 81 00000000 61 00 80 00000000 "
                                "00 80 00000000 00 80 00000000");
  check_keeps_nothing(&options, "01 81 00000000 61 88 80 00000000");
  check_keeps_nothing(&options, "01 81 00000000 61 88 82 00000000 0000");
}

TEST("a refused or announced length takes no memory") {
  const wsu_connection_options_t options = limited(UINT64_C(1) << 40, 0);

  check_keeps_nothing(&options, "82 ff 0000010000000000 00000000");
  check_keeps_nothing(&options, "82 ff 0000010000000001 00000000 61");
  check_keeps_nothing(&options, "82 ff 0020000000000000 00000000 61");
}

TEST("memory grows with the bytes that came, not with those announced") {
  const wsu_connection_options_t options = limited(0, 0);
  test_bytes_t bytes = hex("82 ff 0000010000000000 00000000 61*1000");
  wsu_connection_t connection;
  trace_t trace = {0};

  wsu_connection_init(&connection, &options);
  trace_receive(&trace, &connection, bytes.data, bytes.len);
  CHECK(connection.message.collected.capacity <= 2000);
  CHECK_TEXT(trace_text(&trace), "");
  trace_free(&trace);
  wsu_connection_free(&connection);
}

int main(void) {
  return test_run();
}
