#include "liveness.h"

#include "agenda.h"
#include "test.h"

/* The times of a test begin late enough to go back from. */
#define START 1000000u

#define MS UINT64_C(1000000)

static const wsu_liveness_options_t HEARTBEAT = {
    .interval = 30000,
    .timeout = 10000,
};

static wsu_liveness_t open_at(uint64_t now,
                              const wsu_liveness_options_t *options) {
  wsu_liveness_t liveness;

  wsu_liveness_init(&liveness, now);
  wsu_liveness_set(&liveness, options);
  return liveness;
}

static void ping_at(wsu_liveness_t *liveness, uint64_t now,
                    uint8_t payload[WSU_LIVENESS_PAYLOAD]) {
  CHECK_EQ(wsu_liveness_check(liveness, now), WSU_VERDICT_PING);
  wsu_liveness_ping(liveness, now, now * MS, payload);
}

TEST("a peer that is silent for an interval gets a ping") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);

  CHECK_EQ(wsu_liveness_check(&peer, START), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 29999), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 30000), WSU_VERDICT_PING);
}

TEST("a peer that is silent for the timeout behind a ping is dead") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  ping_at(&peer, START + 30200, payload);
  CHECK_EQ(wsu_liveness_check(&peer, START + 30200), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 40199), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 40200), WSU_VERDICT_DEAD);
}

TEST("any byte behind a ping saves a peer for another interval") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  ping_at(&peer, START + 30000, payload);
  wsu_liveness_hear(&peer, START + 39999);
  CHECK_EQ(wsu_liveness_check(&peer, START + 40000), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 69998), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 69999), WSU_VERDICT_PING);
}

TEST("a peer that is sending is not pinged") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);

  for (uint64_t now = START; now < START + 3600000; now += 29999) {
    CHECK_EQ(wsu_liveness_check(&peer, now), WSU_VERDICT_FINE);
    wsu_liveness_hear(&peer, now);
  }
}

TEST("without options there is nothing to look at, ever") {
  wsu_liveness_t peer = open_at(START, &(wsu_liveness_options_t){0});

  CHECK(!wsu_liveness_has_options(&peer));
  CHECK_EQ(wsu_liveness_check(&peer, START + 3600000), WSU_VERDICT_FINE);
  CHECK(wsu_liveness_due(&peer, START) == WSU_NEVER);
}

TEST("other options have a peer pinged again before it is given up") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  ping_at(&peer, START + 30000, payload);
  wsu_liveness_set(&peer,
                   &(wsu_liveness_options_t){.interval = 100, .timeout = 100});
  ping_at(&peer, START + 39000, payload);
  CHECK_EQ(wsu_liveness_check(&peer, START + 39099), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 39100), WSU_VERDICT_DEAD);
}

TEST("time in which a peer is not read from does not count against it") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);
  uint8_t payload[WSU_LIVENESS_PAYLOAD];
  uint64_t now = START + 29000;

  wsu_liveness_suspend(&peer, true, now);
  now += 3600000;
  CHECK_EQ(wsu_liveness_check(&peer, now), WSU_VERDICT_FINE);
  CHECK(wsu_liveness_due(&peer, now) == WSU_NEVER);
  wsu_liveness_suspend(&peer, false, now);
  CHECK_EQ(wsu_liveness_check(&peer, now + 999), WSU_VERDICT_FINE);
  ping_at(&peer, now + 1000, payload);

  wsu_liveness_suspend(&peer, true, now + 2000);
  now += 3600000;
  CHECK_EQ(wsu_liveness_check(&peer, now), WSU_VERDICT_FINE);
  wsu_liveness_suspend(&peer, false, now);
  CHECK_EQ(wsu_liveness_check(&peer, now + 8999), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, now + 9000), WSU_VERDICT_DEAD);
}

TEST("pauses that follow each other do not keep a silent peer") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);
  uint64_t now = START;

  for (int i = 0; i < 30; i++) {
    CHECK_EQ(wsu_liveness_check(&peer, now), WSU_VERDICT_FINE);
    wsu_liveness_suspend(&peer, true, now);
    wsu_liveness_suspend(&peer, true, now + 50);
    wsu_liveness_suspend(&peer, false, now + 100);
    wsu_liveness_suspend(&peer, false, now + 150);
    now += 1100;
  }
  CHECK_EQ(wsu_liveness_check(&peer, now), WSU_VERDICT_PING);
}

TEST("what is heard in a pause is not in the future behind it") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);

  wsu_liveness_suspend(&peer, true, START + 1000);
  wsu_liveness_hear(&peer, START + 1500);
  wsu_liveness_suspend(&peer, false, START + 2000);
  CHECK_EQ(wsu_liveness_check(&peer, START + 31999), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 32000), WSU_VERDICT_PING);
}

TEST("a clock that was set back ends nothing") {
  const wsu_liveness_options_t options = {100, 100, 100, 100};
  wsu_liveness_t peer = open_at(START, &options);
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  CHECK_EQ(wsu_liveness_check(&peer, START - 500), WSU_VERDICT_FINE);
  wsu_liveness_ping(&peer, START, START * MS, payload);
  CHECK_EQ(wsu_liveness_check(&peer, START - 500), WSU_VERDICT_FINE);
}

TEST("a peer without messages is closed, whatever else it sends") {
  const wsu_liveness_options_t options = {.idle_timeout = 60000};
  wsu_liveness_t peer = open_at(START, &options);

  wsu_liveness_hear(&peer, START + 59000);
  CHECK_EQ(wsu_liveness_check(&peer, START + 59999), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 60000), WSU_VERDICT_EXPIRED);
  wsu_liveness_use(&peer, START + 59000);
  CHECK_EQ(wsu_liveness_check(&peer, START + 118999), WSU_VERDICT_FINE);
  wsu_liveness_suspend(&peer, true, START + 118000);
  CHECK_EQ(wsu_liveness_check(&peer, START + 200000), WSU_VERDICT_FINE);
  wsu_liveness_suspend(&peer, false, START + 200000);
  CHECK_EQ(wsu_liveness_check(&peer, START + 200999), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 201000), WSU_VERDICT_EXPIRED);
}

TEST("a connection that is too old is closed, whatever its peer does") {
  const wsu_liveness_options_t options = {.max_lifetime = 60000};
  wsu_liveness_t peer = open_at(START, &options);

  wsu_liveness_suspend(&peer, true, START + 1000);
  CHECK_EQ(wsu_liveness_due(&peer, START + 1000), 1060352);
  CHECK_EQ(wsu_liveness_check(&peer, START + 59999), WSU_VERDICT_FINE);
  CHECK_EQ(wsu_liveness_check(&peer, START + 60000), WSU_VERDICT_EXPIRED);
  wsu_liveness_suspend(&peer, false, START + 60000);
  wsu_liveness_hear(&peer, START + 60000);
  wsu_liveness_use(&peer, START + 60000);
  CHECK_EQ(wsu_liveness_check(&peer, START + 60000), WSU_VERDICT_EXPIRED);
}

TEST("a dead peer is not sent a close frame for being idle") {
  const wsu_liveness_options_t options = {100, 100, 200, 200};
  wsu_liveness_t peer = open_at(START, &options);
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  ping_at(&peer, START + 100, payload);
  CHECK_EQ(wsu_liveness_check(&peer, START + 200), WSU_VERDICT_DEAD);
}

TEST("a pong tells the time that the last ping took") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);
  uint8_t first[WSU_LIVENESS_PAYLOAD];
  uint8_t second[WSU_LIVENESS_PAYLOAD];

  CHECK_EQ(peer.latency_ns, 0);
  wsu_liveness_ping(&peer, START, 1000, first);
  CHECK_BYTES(first, sizeof(first), hex("7773759d 00000001"));
  CHECK(wsu_liveness_pong(&peer, 1750, first, sizeof(first)));
  CHECK_EQ(peer.latency_ns, 750);
  CHECK(wsu_liveness_pong(&peer, 9000, first, sizeof(first)));
  CHECK_EQ(peer.latency_ns, 750);

  wsu_liveness_ping(&peer, START, 10000, first);
  wsu_liveness_ping(&peer, START, 20000, second);
  CHECK(wsu_liveness_pong(&peer, 20100, first, sizeof(first)));
  CHECK_EQ(peer.latency_ns, 750);
  CHECK(wsu_liveness_pong(&peer, 20200, second, sizeof(second)));
  CHECK_EQ(peer.latency_ns, 200);
}

TEST("pongs of others are not taken for those of the heartbeat") {
  wsu_liveness_t peer = open_at(START, &HEARTBEAT);
  test_bytes_t never_sent = hex("7773759d 00000001");
  const char *const others[] = {"",
                                "61",
                                "7773759d 00000000",
                                "7773759d 00000002",
                                "7773759d 0000000100",
                                "7773759d 000001",
                                "7773759c 00000001"};
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  CHECK(!wsu_liveness_pong(&peer, 1, never_sent.data, never_sent.len));
  wsu_liveness_ping(&peer, START, 1, payload);
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    test_bytes_t other = hex(others[i]);

    test_about(others[i], 0);
    CHECK(!wsu_liveness_pong(&peer, 2, other.data, other.len));
  }
  CHECK_EQ(peer.latency_ns, 0);
}

TEST("looks at common times are late by a step at most in all") {
  static const struct {
    wsu_liveness_options_t options;
    uint32_t step;
  } rows[] = {
      {{30000, 10000, 0, 0}, 1024},    {{5000, 5000, 0, 0}, 512},
      {{30000, 500, 0, 0}, 32},        {{1, 1, 0, 0}, 16},
      {{UINT32_MAX, 8191, 0, 0}, 512}, {{0, 1, 60000, 0}, 1024},
      {{0, 0, 60000, 1000}, 64},       {{200, 100, 0, 0}, 16},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    const wsu_liveness_options_t *options = &rows[i].options;
    uint32_t step = wsu_liveness_step(options);
    wsu_liveness_t peer = open_at(START + 3, options);
    uint8_t payload[WSU_LIVENESS_PAYLOAD];
    uint64_t due = wsu_liveness_due(&peer, START + 3);
    uint64_t end = START + 3 + (uint64_t)options->interval + options->timeout;

    test_about("row", i);
    CHECK_EQ(step, rows[i].step);
    CHECK_EQ(due % (step / 2), 0);
    if (options->interval == 0)
      continue;
    ping_at(&peer, due, payload);
    while (wsu_liveness_check(&peer, due) == WSU_VERDICT_FINE)
      due = wsu_liveness_due(&peer, due);
    CHECK_EQ(wsu_liveness_check(&peer, due), WSU_VERDICT_DEAD);
    CHECK(due >= end);
    CHECK(due <= end + step);
  }
}

TEST(
    "an answer is followed by a ping after an interval, whatever the timeout") {
  const wsu_liveness_options_t options = {.interval = 1000, .timeout = 60000};
  wsu_liveness_t peer = open_at(START, &options);
  uint64_t now = wsu_liveness_due(&peer, START);
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  ping_at(&peer, now, payload);
  now = wsu_liveness_due(&peer, now);
  wsu_liveness_hear(&peer, START + 1100);
  while (wsu_liveness_check(&peer, now) == WSU_VERDICT_FINE)
    now = wsu_liveness_due(&peer, now);
  CHECK_EQ(wsu_liveness_check(&peer, now), WSU_VERDICT_PING);
  CHECK(now >= START + 2100);
  CHECK(now <= START + 2100 + wsu_liveness_step(&options));
}

/* Clients that answer a ping after some time, or once frozen never. */
#define CLIENTS 10000u
#define FROZEN 500u

typedef struct client {
  wsu_liveness_t liveness;
  uint64_t frozen_at;  /* WSU_NEVER: it stays alive */
  uint64_t answers_at; /* WSU_NEVER: it does not */
  uint64_t ended_at;   /* 0: it has not */
} client_t;

typedef struct crowd {
  wsu_agenda_t agenda;
  client_t *clients;
  uint64_t now;
  uint64_t pings;
} crowd_t;

static void open_crowd(crowd_t *crowd, const wsu_liveness_options_t *options,
                       uint64_t end) {
  crowd->clients = calloc(CLIENTS, sizeof(*crowd->clients));
  crowd->now = START;
  crowd->pings = 0;
  wsu_agenda_init(&crowd->agenda);
  for (uint32_t i = 0; i < CLIENTS; i++) {
    client_t *client = &crowd->clients[i];

    /* They come one after the other, within an interval. */
    crowd->now = START + (uint64_t)i * options->interval / CLIENTS;
    client->liveness = open_at(crowd->now, options);
    client->answers_at = WSU_NEVER;
    client->frozen_at = WSU_NEVER;
    /* Half of those freeze at once, the others at any time. */
    if (i % (CLIENTS / FROZEN) == 7)
      client->frozen_at =
          i % 2 == 0 ? START : START + test_random_below(end - START);
    CHECK(wsu_agenda_put(&crowd->agenda, &client->liveness,
                         wsu_liveness_due(&client->liveness, crowd->now)));
  }
}

static void hear_answers(crowd_t *crowd) {
  for (uint32_t i = 0; i < CLIENTS; i++) {
    client_t *client = &crowd->clients[i];

    if (client->answers_at <= crowd->now) {
      wsu_liveness_hear(&client->liveness, client->answers_at);
      client->answers_at = WSU_NEVER;
    }
  }
}

static void look_at(crowd_t *crowd, client_t *client) {
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  switch (wsu_liveness_check(&client->liveness, crowd->now)) {
  case WSU_VERDICT_PING:
    wsu_liveness_ping(&client->liveness, crowd->now, crowd->now * MS, payload);
    crowd->pings++;
    if (crowd->now < client->frozen_at)
      client->answers_at =
          crowd->now + 1 +
          test_random_below(client->liveness.options.timeout - 1);
    break;
  case WSU_VERDICT_DEAD:
    client->ended_at = crowd->now;
    wsu_agenda_remove(&crowd->agenda, &client->liveness);
    return;
  default:
    break;
  }
  CHECK(wsu_agenda_put(&crowd->agenda, &client->liveness,
                       wsu_liveness_due(&client->liveness, crowd->now)));
}

static void run_crowd(crowd_t *crowd, uint64_t end) {
  while (crowd->agenda.next < end) {
    wsu_liveness_t *liveness;

    if (crowd->agenda.next > crowd->now)
      crowd->now = crowd->agenda.next;
    hear_answers(crowd);
    wsu_agenda_begin(&crowd->agenda);
    while ((liveness = wsu_agenda_take(&crowd->agenda, crowd->now)) != NULL)
      look_at(crowd, (client_t *)(void *)liveness);
  }
}

TEST("of 10,000 clients the 500 frozen ones end in time and none other does") {
  static const wsu_liveness_options_t rows[] = {
      {.interval = 30000, .timeout = 10000},
      {.interval = 5000, .timeout = 5000},
  };
  const uint64_t hour = 3600000;

  for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
    const wsu_liveness_options_t *options = &rows[row];
    uint64_t least = options->interval + options->timeout;
    uint64_t most = least + wsu_liveness_step(options);
    crowd_t crowd;

    test_about("row", row);
    /* The last answer of a frozen one may be on its way for a timeout. */
    open_crowd(&crowd, options, START + hour - most - options->timeout);
    run_crowd(&crowd, START + hour);
    for (uint32_t i = 0; i < CLIENTS; i++) {
      const client_t *client = &crowd.clients[i];
      uint64_t silent = client->ended_at - client->liveness.heard_at;

      if (client->frozen_at == WSU_NEVER) {
        CHECK_EQ(client->ended_at, 0);
        continue;
      }
      CHECK(client->ended_at > 0);
      CHECK(silent >= least);
      CHECK(silent <= most);
    }
    CHECK_EQ(crowd.agenda.count, CLIENTS - FROZEN);
    /* A live one is pinged an interval after its last answer. */
    CHECK(crowd.pings > (CLIENTS - FROZEN) * (hour / options->interval) / 2);
    CHECK(crowd.pings < CLIENTS * (hour / options->interval));
    wsu_agenda_free(&crowd.agenda);
    free(crowd.clients);
  }
}

/* What an agenda of few is compared with. */
#define MEMBERS 200u

TEST("a sweep comes to all that is due, once, whatever changes meanwhile") {
  wsu_liveness_t members[MEMBERS];
  uint64_t dues[MEMBERS]; /* WSU_NEVER: it is not in the agenda */
  wsu_agenda_t agenda;

  wsu_agenda_init(&agenda);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    wsu_liveness_init(&members[i], 0);
    dues[i] = WSU_NEVER;
  }
  for (uint64_t now = 1; now < 2000; now++) {
    wsu_liveness_t *liveness;

    wsu_agenda_begin(&agenda);
    while ((liveness = wsu_agenda_take(&agenda, now)) != NULL) {
      size_t taken = (size_t)(liveness - members);
      size_t other = test_random_below(MEMBERS);

      CHECK(dues[taken] <= now);
      dues[taken] = now + 1 + test_random_below(50);
      CHECK(wsu_agenda_put(&agenda, liveness, dues[taken]));
      if (test_random_below(2) == 0)
        continue;
      dues[other] = WSU_NEVER;
      wsu_agenda_remove(&agenda, &members[other]);
      CHECK(!wsu_agenda_has(&members[other]));
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
      if (dues[i] == WSU_NEVER)
        continue;
      CHECK(dues[i] > now);
      CHECK(agenda.next <= dues[i]);
    }
    for (int i = 0; i < 3; i++) {
      size_t added = test_random_below(MEMBERS);

      dues[added] = now + test_random_below(50);
      CHECK(wsu_agenda_put(&agenda, &members[added], dues[added]));
      CHECK(agenda.next <= dues[added]);
    }
  }
  wsu_agenda_free(&agenda);
  CHECK(agenda.next == WSU_NEVER);
}

TEST("an agenda without members has nothing to do") {
  wsu_liveness_t member = open_at(START, &HEARTBEAT);
  wsu_agenda_t agenda;

  wsu_agenda_init(&agenda);
  wsu_agenda_remove(&agenda, &member);
  wsu_agenda_begin(&agenda);
  CHECK(wsu_agenda_take(&agenda, WSU_NEVER) == NULL);
  CHECK(agenda.next == WSU_NEVER);
  CHECK(wsu_agenda_put(&agenda, &member, START));
  CHECK_EQ(agenda.next, START);
  wsu_agenda_begin(&agenda);
  wsu_agenda_remove(&agenda, &member);
  CHECK(wsu_agenda_take(&agenda, WSU_NEVER) == NULL);
  wsu_agenda_free(&agenda);
}

int main(void) {
  return test_run();
}
