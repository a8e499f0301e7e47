#include "connection.h"

#include "stream.h"

/* A connection under test and what it has reported so far. */
typedef struct peer {
  wsu_connection_t connection;
  trace_t trace;
} peer_t;

static peer_t *open_with(const wsu_connection_options_t *options) {
  peer_t *peer = test_alloc(sizeof(*peer));

  peer->trace = (trace_t){0};
  wsu_connection_init(&peer->connection, options);
  return peer;
}

static void close_peer(peer_t *peer) {
  trace_free(&peer->trace);
  wsu_connection_free(&peer->connection);
}

/* Feeds bytes and checks what they alone are reported as. */
static void check_reports(peer_t *peer, const char *bytes,
                          const char *expected) {
  test_bytes_t input = hex(bytes);

  test_about(bytes, input.len);
  trace_free(&peer->trace);
  trace_receive(&peer->trace, &peer->connection, input.data, input.len);
  CHECK_TEXT(trace_text(&peer->trace), expected);
}

static void check_output(const peer_t *peer, const char *expected) {
  size_t len;
  uint8_t *bytes = copy_output(&peer->connection.output, &len);

  CHECK_BYTES(bytes, len, hex(expected));
  free(bytes);
}

static void send_all(peer_t *peer) {
  wsu_connection_sent(&peer->connection,
                      wsu_output_length(&peer->connection.output));
}

static void say_close(peer_t *peer, uint16_t code, const char *reason,
                      uint64_t now) {
  test_bytes_t bytes = hex(reason);

  CHECK_EQ(
      wsu_connection_close(&peer->connection, code, bytes.data, bytes.len, now),
      0);
}

static bool is_done(const peer_t *peer) {
  return wsu_connection_is_done(&peer->connection);
}

static bool is_overdue(const peer_t *peer, uint64_t now) {
  return wsu_connection_is_overdue(&peer->connection, now);
}

TEST("a ping is answered with a pong of the same payload") {
  peer_t *peer = open_with(&SERVER);

  check_reports(peer, "89 82 01010101 6968", "ping:6869");
  check_output(peer, "8a 02 6869");
  check_reports(peer, "89 80 00000000", "ping:");
  check_output(peer, "8a 02 6869 8a 00");
  send_all(peer);
  check_reports(peer, "89 fd 00000000 70*125", "ping:70*125");
  check_output(peer, "8a 7d 70*125");
  close_peer(peer);
}

TEST("a client masks its pongs") {
  peer_t *peer = open_with(&CLIENT);

  check_reports(peer, "89 02 6869", "ping:6869");
  check_output(peer, "8a 82 37fa213d 5f93");
  send_all(peer);
  check_reports(peer, "89 00", "ping:");
  check_output(peer, "8a 80 37fa213d");
  close_peer(peer);
}

static uint8_t key_calls;

static void counting_key(uint8_t key[4]) {
  key_calls++;
  memset(key, key_calls, 4);
}

TEST("a client masks every control frame with a new key") {
  const wsu_connection_options_t options = {.auto_pong = true,
                                            .random_key = counting_key};
  peer_t *peer = open_with(&options);

  key_calls = 0;
  check_reports(peer, "89 01 00 89 01 00", "ping:00 ping:00");
  say_close(peer, 1000, "", 1);
  check_output(peer, "8a 81 01010101 01 8a 81 02020202 02 88 82 03030303 00eb");
  close_peer(peer);
}

TEST("a pong is not answered") {
  peer_t *peer = open_with(&SERVER);

  check_reports(peer, "8a 81 00000000 70", "pong:70");
  check_output(peer, "");
  close_peer(peer);
}

TEST("the answer is complete before the ping is reported") {
  peer_t *peer = open_with(&CLIENT);
  test_bytes_t ping = hex("89 01 70");
  wsu_event_t event;

  CHECK_EQ(
      wsu_connection_receive(&peer->connection, ping.data, ping.len, &event),
      ping.len);
  CHECK_EQ(event.kind, WSU_EVENT_PING);
  CHECK_EQ(event.length, 1);
  check_output(peer, "8a 81 37fa213d 47");
  close_peer(peer);
}

TEST("pings stay unanswered without auto_pong, in any number") {
  const wsu_connection_options_t options = {.is_server = true,
                                            .max_pending_pongs = 1};
  peer_t *peer = open_with(&options);

  for (size_t i = 0; i < 10; i++)
    check_reports(peer, "89 81 00000000 70", "ping:70");
  CHECK(!wsu_connection_is_pong_limit_near(&peer->connection));
  check_output(peer, "");
  close_peer(peer);
}

static const wsu_connection_options_t TWO_PONGS = {
    .is_server = true, .auto_pong = true, .max_pending_pongs = 2};

TEST("more pings than max_pending_pongs end the connection") {
  peer_t *peer = open_with(&TWO_PONGS);

  check_reports(peer, "89 81 00000000 31", "ping:31");
  CHECK(!wsu_connection_is_pong_limit_near(&peer->connection));
  check_reports(peer, "89 81 00000000 32", "ping:32");
  CHECK(wsu_connection_is_pong_limit_near(&peer->connection));
  check_reports(peer, "89 81 00000000 33 81 81 00000000 61", "terminate");
  check_output(peer, "8a 01 31 8a 01 32");
  check_reports(peer, "81 81 00000000 61", "");
  close_peer(peer);
  check_stream(&TWO_PONGS,
               "89 80 00000000 89 80 00000000 89 80 00000000 89 80 00000000",
               "ping: ping: terminate");
}

TEST("a message in progress is given up when pings end the connection") {
  peer_t *peer = open_with(&TWO_PONGS);

  check_reports(peer, "01 81 00000000 61", "");
  check_reports(peer, "89 80 00000000 89 80 00000000 89 80 00000000",
                "ping: ping: terminate");
  CHECK(peer->connection.message.collected.data == NULL);
  close_peer(peer);
}

TEST("pongs that were sent no longer count") {
  peer_t *peer = open_with(&TWO_PONGS);

  for (size_t i = 0; i < 10; i++) {
    check_reports(peer, "89 80 00000000 89 80 00000000", "ping: ping:");
    CHECK(wsu_connection_is_pong_limit_near(&peer->connection));
    send_all(peer);
    CHECK(!wsu_connection_is_pong_limit_near(&peer->connection));
  }
  close_peer(peer);
}

TEST("pongs count until all of the output is sent") {
  peer_t *peer = open_with(&TWO_PONGS);

  check_reports(peer, "89 80 00000000 89 80 00000000", "ping: ping:");
  wsu_connection_sent(&peer->connection, 3);
  check_output(peer, "00");
  CHECK(wsu_connection_is_pong_limit_near(&peer->connection));
  check_reports(peer, "89 80 00000000", "terminate");
  close_peer(peer);
}

TEST("a max_pending_pongs of 0 is no limit") {
  peer_t *peer = open_with(&SERVER);

  for (size_t i = 0; i < 1000; i++) {
    check_reports(peer, "89 80 00000000", "ping:");
    CHECK(!wsu_connection_is_pong_limit_near(&peer->connection));
  }
  CHECK_EQ(wsu_output_length(&peer->connection.output), 2000);
  close_peer(peer);
}

TEST("a pong overtakes messages, a close frame does not") {
  peer_t *peer = open_with(&SERVER);
  test_bytes_t frame = hex("82 01 61");

  CHECK_EQ(
      wsu_output_queue(&peer->connection.output, frame.data, frame.len, false),
      0);
  check_reports(peer, "89 80 00000000", "ping:");
  CHECK_EQ(
      wsu_output_queue(&peer->connection.output, frame.data, frame.len, false),
      0);
  say_close(peer, 1000, "", 1);
  check_output(peer, "8a 00 82 01 61 82 01 61 88 02 03e8");
  wsu_connection_sent(&peer->connection, 1);
  check_output(peer, "00 82 01 61 82 01 61 88 02 03e8");
  send_all(peer);
  check_output(peer, "");
  close_peer(peer);
}

TEST("pongs that were sent count no more, though messages wait behind them") {
  peer_t *peer = open_with(&TWO_PONGS);
  test_bytes_t frame = hex("82 01 61");

  CHECK_EQ(
      wsu_output_queue(&peer->connection.output, frame.data, frame.len, false),
      0);
  for (size_t i = 0; i < 10; i++) {
    check_reports(peer, "89 80 00000000 89 80 00000000", "ping: ping:");
    CHECK(wsu_connection_is_pong_limit_near(&peer->connection));
    wsu_connection_sent(&peer->connection, 4);
    CHECK(!wsu_connection_is_pong_limit_near(&peer->connection));
  }
  check_output(peer, "82 01 61");
  close_peer(peer);
}

TEST("a close frame has code and reason in the bytes of RFC 6455 5.5.1") {
  static const struct {
    uint16_t code;
    const char *reason;
    const char *bytes;
  } vectors[] = {
      {1000, "", "88 02 03e8"},
      {1005, "", "88 00"},
      {1001, "627965", "88 05 03e9 627965"},
      {4999, "72*123", "88 7d 1387 72*123"},
      {1011, "72*124", "88 7d 03f3 72*123"},
      {1011, "72*1000", "88 7d 03f3 72*123"},
  };

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    peer_t *peer = open_with(&SERVER);

    test_about(vectors[i].bytes, i);
    say_close(peer, vectors[i].code, vectors[i].reason, 1);
    check_output(peer, vectors[i].bytes);
    close_peer(peer);
  }
}

TEST("a client masks its close frame") {
  peer_t *peer = open_with(&CLIENT);

  say_close(peer, 1000, "6869", 1);
  check_output(peer, "88 84 37fa213d 34124954");
  close_peer(peer);
}

TEST("only the first close counts") {
  peer_t *peer = open_with(&SERVER);

  say_close(peer, 1001, "", 1000);
  say_close(peer, 1002, "6869", 9000);
  check_output(peer, "88 02 03e9");
  CHECK(is_overdue(peer, 31000));
  close_peer(peer);
}

TEST("we close, the peer answers, and it is done") {
  peer_t *peer = open_with(&SERVER);

  CHECK(!is_done(peer));
  say_close(peer, 1000, "", 1);
  CHECK(!is_done(peer));
  check_reports(peer, "81 81 00000000 61", "text:61");
  CHECK(!is_done(peer));
  check_reports(peer, "88 82 00000000 03e8", "close:1000:");
  CHECK(is_done(peer));
  close_peer(peer);
}

TEST("the peer closes, we answer, and it is done") {
  peer_t *peer = open_with(&SERVER);

  check_reports(peer, "88 85 00000000 03e9 627965", "close:1001:627965");
  CHECK(!is_done(peer));
  check_output(peer, "");
  say_close(peer, 1001, "", 1);
  check_output(peer, "88 02 03e9");
  CHECK(is_done(peer));
  close_peer(peer);
}

TEST("both close at once, and it is done without another frame") {
  peer_t *peer = open_with(&SERVER);

  say_close(peer, 4000, "", 1);
  check_reports(peer, "88 82 00000000 0fa1", "close:4001:");
  say_close(peer, 4001, "", 2);
  check_output(peer, "88 02 0fa0");
  CHECK(is_done(peer));
  close_peer(peer);
}

TEST("after our close frame pings are reported but not answered") {
  peer_t *peer = open_with(&TWO_PONGS);

  say_close(peer, 1000, "", 1);
  for (size_t i = 0; i < 5; i++)
    check_reports(peer, "89 81 00000000 70", "ping:70");
  check_output(peer, "88 02 03e8");
  close_peer(peer);
}

TEST("an error is done once our close frame has answered it") {
  peer_t *peer = open_with(&SERVER);

  check_reports(peer, "83 80", "error:INVALID_OPCODE:3");
  CHECK(!is_done(peer));
  say_close(peer, 1002, "", 1);
  CHECK(is_done(peer));
  close_peer(peer);
}

TEST("an error after our close frame is done at once") {
  peer_t *peer = open_with(&SERVER);

  say_close(peer, 1000, "", 1);
  check_reports(peer, "83 80", "error:INVALID_OPCODE:3");
  CHECK(is_done(peer));
  close_peer(peer);
}

TEST("the end of the peer's bytes is done, with or without close frames") {
  peer_t *peer = open_with(&SERVER);

  check_reports(peer, "01 81 00000000 61", "");
  wsu_connection_end(&peer->connection);
  CHECK(is_done(peer));
  CHECK(peer->connection.message.collected.data == NULL);
  CHECK(!is_overdue(peer, UINT64_MAX));
  close_peer(peer);
}

TEST("the closing handshake is overdue after close_timeout, not before") {
  peer_t *peer = open_with(&SERVER);

  CHECK(!is_overdue(peer, 0));
  CHECK(!is_overdue(peer, UINT64_MAX));
  say_close(peer, 1000, "", 5000);
  CHECK(!is_overdue(peer, 5000));
  CHECK(!is_overdue(peer, 34999));
  CHECK(is_overdue(peer, 35000));
  CHECK(is_overdue(peer, 35001));
  close_peer(peer);
}

TEST("the end can be limited in time without a close frame") {
  peer_t *peer = open_with(&SERVER);

  wsu_connection_limit_closing(&peer->connection, 5000);
  check_output(peer, "");
  CHECK(!is_done(peer));
  CHECK(!is_overdue(peer, 34999));
  CHECK(is_overdue(peer, 35000));
  close_peer(peer);
}

TEST("a close frame sets the time, a later limit does not move it") {
  peer_t *peer = open_with(&SERVER);

  say_close(peer, 1000, "", 5000);
  wsu_connection_limit_closing(&peer->connection, 9000);
  CHECK(is_overdue(peer, 35000));
  close_peer(peer);
}

TEST("times beyond 32 bits are kept") {
  const wsu_connection_options_t options = {.is_server = true,
                                            .close_timeout = UINT32_MAX};
  peer_t *peer = open_with(&options);
  uint64_t now = UINT64_C(1) << 40;

  say_close(peer, 1000, "", now);
  CHECK(!is_overdue(peer, now + UINT32_MAX - 1));
  CHECK(is_overdue(peer, now + UINT32_MAX));
  close_peer(peer);
}

TEST("a failure of the caller's own is reported like one of the peer's") {
  static const char *const streams[] = {
      "", "82", "82 85 00000000", "02 82 00000000 6162", "82 85 00000000 6162"};

  for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
    peer_t *peer = open_with(&SERVER);

    check_reports(peer, streams[i], "");
    wsu_connection_fail(&peer->connection, WSU_ERR_OUT_OF_MEMORY);
    check_reports(peer, "", "error:OUT_OF_MEMORY:0");
    check_reports(peer, "81 81 00000000 61", "");
    CHECK(peer->connection.message.collected.data == NULL);
    say_close(peer, 1011, "", 1);
    CHECK(is_done(peer));
    close_peer(peer);
  }
}

TEST(
    "reading text that is none fails, and the error comes with the next call") {
  peer_t *peer = open_with(&CLIENT);
  test_bytes_t frames = hex("81 02 61ff 81 01 62");
  uint8_t text[2];
  wsu_event_t event;

  CHECK_EQ(wsu_connection_receive(&peer->connection, frames.data, frames.len,
                                  &event),
           4);
  CHECK_EQ(event.kind, WSU_EVENT_MESSAGE);
  CHECK_EQ(event.length, 2);
  CHECK_EQ(wsu_connection_read(&peer->connection, text), WSU_ERR_INVALID_UTF8);
  wsu_connection_receive(&peer->connection, frames.data + 4, frames.len - 4,
                         &event);
  CHECK_EQ(event.kind, WSU_EVENT_ERROR);
  CHECK_EQ(event.err, WSU_ERR_INVALID_UTF8);
  CHECK_EQ(event.detail, 0);
  close_peer(peer);
}

TEST("a ping of our own is queued whole") {
  peer_t *peer = open_with(&SERVER);
  test_bytes_t payload = hex("6162");

  CHECK_EQ(wsu_connection_ping(&peer->connection, payload.data, payload.len),
           0);
  check_output(peer, "89 02 6162");
  CHECK_EQ(peer->connection.pending_pongs, 0);
  close_peer(peer);
}

TEST("bytes belong to a message that goes on, or to none") {
  static const struct {
    const char *bytes;
    bool is_in_message;
  } rows[] = {
      {"", false},
      {"81", false},
      {"82 84 00000000 6161", true},
      {"82 82 00000000 6161", false},
      {"02 82 00000000 6161", true},
      {"02 82 00000000 6161 80 80 00000000", false},
      {"02 82 00000000 6161 8a 80 00000000", false},
      {"8a 82 00000000 61", false},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    peer_t *peer = open_with(&SERVER);
    test_bytes_t bytes = hex(rows[i].bytes);

    test_about(rows[i].bytes, i);
    trace_receive(&peer->trace, &peer->connection, bytes.data, bytes.len);
    CHECK_EQ(wsu_connection_is_in_message(&peer->connection),
             rows[i].is_in_message);
    close_peer(peer);
  }
}

int main(void) {
  return test_run();
}
