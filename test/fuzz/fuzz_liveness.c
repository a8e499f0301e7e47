/*
 * Some peers on one agenda, with all of their time from the input: which of
 * them gets a ping, is dead or has expired is held against a model that counts
 * only the time in which they are read from. The input: 1 byte, the allocation
 * that fails (0: none), the options of each peer, then one operation after the
 * other: see run().
 */
#include "agenda.h"

#include "fuzz.h"

enum { PEERS = 70 };

typedef struct peer {
  wsu_liveness_t liveness;
  /* The model: times of a clock that stands while the peer is not read. */
  uint64_t clock;
  uint64_t heard;
  uint64_t used;
  uint64_t pinged;
  uint64_t opened_at;
  uint64_t sent_ns;
  uint64_t latency_ns;
  uint32_t pings;
  bool is_pinged;
  bool is_suspended;
  bool has_place;
  uint64_t due;
} peer_t;

typedef struct world {
  wsu_agenda_t agenda;
  peer_t peers[PEERS];
  uint64_t now; /* ms */
} world_t;

/* Nothing up to a minute, and the largest there is. */
static uint32_t read_time(fuzz_input_t *input) {
  uint32_t time = fuzz_u16(input);

  return time == UINT16_MAX ? UINT32_MAX : time;
}

static wsu_liveness_options_t read_options(fuzz_input_t *input) {
  uint8_t bits = fuzz_byte(input);

  return (wsu_liveness_options_t){
      .interval = bits & 1 ? read_time(input) : 0,
      .timeout = bits & 2 ? read_time(input) | 1 : 1,
      .idle_timeout = bits & 4 ? read_time(input) : 0,
      .max_lifetime = bits & 8 ? read_time(input) : 0,
  };
}

static wsu_verdict_t judge(const peer_t *peer, uint64_t now) {
  const wsu_liveness_options_t *options = &peer->liveness.options;
  bool is_watched = !peer->is_suspended && options->interval > 0;

  if (is_watched && peer->is_pinged &&
      peer->clock - peer->pinged >= options->timeout)
    return WSU_VERDICT_DEAD;
  if (options->max_lifetime > 0 &&
      now - peer->opened_at >= options->max_lifetime)
    return WSU_VERDICT_EXPIRED;
  if (!peer->is_suspended && options->idle_timeout > 0 &&
      peer->clock - peer->used >= options->idle_timeout)
    return WSU_VERDICT_EXPIRED;
  if (is_watched && !peer->is_pinged &&
      peer->clock - peer->heard >= options->interval)
    return WSU_VERDICT_PING;
  return WSU_VERDICT_FINE;
}

/* What comes next at `due` at the latest is late by less than a step. */
static void check_due(const peer_t *peer, uint64_t now, uint64_t due) {
  uint32_t grid = wsu_liveness_step(&peer->liveness.options) / 2;
  peer_t then = *peer;

  EXPECT(due > now);
  if (due == WSU_NEVER) {
    const wsu_liveness_options_t *options = &peer->liveness.options;

    EXPECT(options->max_lifetime == 0);
    EXPECT(peer->is_suspended ||
           (options->interval == 0 && options->idle_timeout == 0));
    return;
  }
  EXPECT(due % grid == 0);
  if (due - now <= grid)
    return;
  if (!peer->is_suspended)
    then.clock += due - grid - now;
  /* A look for what comes behind an answer may be earlier. */
  EXPECT(judge(&then, due - grid) == WSU_VERDICT_FINE);
}

static void put(world_t *world, peer_t *peer) {
  uint64_t due = wsu_liveness_due(&peer->liveness, world->now);
  bool had_place = peer->has_place;

  peer->has_place = wsu_agenda_put(&world->agenda, &peer->liveness, due);
  EXPECT(peer->has_place || (!had_place && fuzz_stop_failing()));
  EXPECT(wsu_agenda_has(&peer->liveness) == peer->has_place);
  peer->due = due;
}

static void ping(world_t *world, peer_t *peer) {
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  peer->sent_ns = world->now * 1000000 + 1;
  wsu_liveness_ping(&peer->liveness, world->now, peer->sent_ns, payload);
  EXPECT(memcmp(payload, "wsu\x9d", 4) == 0);
  peer->is_pinged = true;
  peer->pinged = peer->clock;
  peer->pings++;
}

/* What a heartbeat does with a connection that is due. */
static void look(world_t *world, peer_t *peer) {
  wsu_verdict_t verdict = wsu_liveness_check(&peer->liveness, world->now);

  EXPECT(verdict == judge(peer, world->now));
  switch (verdict) {
  case WSU_VERDICT_PING:
    ping(world, peer);
    break;
  case WSU_VERDICT_FINE:
    check_due(peer, world->now, wsu_liveness_due(&peer->liveness, world->now));
    break;
  default:
    wsu_agenda_remove(&world->agenda, &peer->liveness);
    peer->has_place = false;
    return;
  }
  put(world, peer);
}

/* A sweep comes to what is due, once, and says when to come again. */
static void sweep(world_t *world, fuzz_input_t *input) {
  bool is_due[PEERS];
  wsu_liveness_t *liveness;

  for (size_t i = 0; i < PEERS; i++)
    is_due[i] = world->peers[i].has_place && world->peers[i].due <= world->now;
  wsu_agenda_begin(&world->agenda);
  while ((liveness = wsu_agenda_take(&world->agenda, world->now)) != NULL) {
    peer_t *peer = (peer_t *)(void *)liveness;
    peer_t *other = &world->peers[fuzz_byte(input) % PEERS];

    EXPECT(is_due[peer - world->peers]);
    is_due[peer - world->peers] = false;
    look(world, peer);
    /* Anything may be taken out meanwhile. */
    if (fuzz_byte(input) % 4u == 0) {
      wsu_agenda_remove(&world->agenda, &other->liveness);
      other->has_place = false;
      is_due[other - world->peers] = false;
    }
  }
  for (size_t i = 0; i < PEERS; i++) {
    const peer_t *peer = &world->peers[i];

    EXPECT(!is_due[i]);
    EXPECT(!peer->has_place || world->agenda.next <= peer->due);
  }
}

static void advance(world_t *world, uint64_t time) {
  world->now += time;
  for (size_t i = 0; i < PEERS; i++)
    if (!world->peers[i].is_suspended)
      world->peers[i].clock += time;
}

static void answer(world_t *world, peer_t *peer, uint32_t back) {
  uint32_t serial = peer->pings - back;
  uint8_t payload[WSU_LIVENESS_PAYLOAD] = {'w',
                                           's',
                                           'u',
                                           0x9d,
                                           (uint8_t)(serial >> 24),
                                           (uint8_t)(serial >> 16),
                                           (uint8_t)(serial >> 8),
                                           (uint8_t)serial};
  uint64_t now_ns = world->now * 1000000 + 2;
  bool is_one = back < peer->pings;

  EXPECT(wsu_liveness_pong(&peer->liveness, now_ns, payload, sizeof(payload)) ==
         is_one);
  if (is_one && back == 0 && peer->sent_ns > 0) {
    peer->latency_ns = now_ns - peer->sent_ns;
    peer->sent_ns = 0;
  }
  EXPECT(peer->liveness.latency_ns == peer->latency_ns);
}

static void hear(world_t *world, peer_t *peer) {
  wsu_liveness_hear(&peer->liveness, world->now);
  peer->heard = peer->clock;
  peer->is_pinged = false;
}

static void set(world_t *world, peer_t *peer, fuzz_input_t *input) {
  wsu_liveness_options_t options = read_options(input);

  wsu_liveness_set(&peer->liveness, &options);
  peer->is_pinged = false;
  EXPECT(wsu_liveness_has_options(&peer->liveness) ==
         (options.interval > 0 || options.idle_timeout > 0 ||
          options.max_lifetime > 0));
  if (wsu_liveness_has_options(&peer->liveness)) {
    put(world, peer);
  } else {
    wsu_agenda_remove(&world->agenda, &peer->liveness);
    peer->has_place = false;
  }
}

static void suspend(world_t *world, peer_t *peer, bool is_suspended) {
  wsu_liveness_suspend(&peer->liveness, is_suspended, world->now);
  peer->is_suspended = is_suspended;
  if (peer->has_place)
    put(world, peer);
}

static void run(world_t *world, fuzz_input_t *input) {
  while (input->len > 0) {
    uint8_t operation = fuzz_byte(input) % 8u;
    peer_t *peer = &world->peers[fuzz_byte(input) % PEERS];

    switch (operation) {
    case 0:
      advance(world, fuzz_u16(input));
      sweep(world, input);
      break;
    case 1:
      advance(world, fuzz_byte(input));
      break;
    case 2:
      hear(world, peer);
      break;
    case 3:
      wsu_liveness_use(&peer->liveness, world->now);
      peer->used = peer->clock;
      break;
    case 4:
      suspend(world, peer, (fuzz_byte(input) & 1) != 0);
      break;
    case 5:
      set(world, peer, input);
      break;
    case 6:
      answer(world, peer, fuzz_byte(input) % 4u);
      break;
    default:
      /* To the time that the agenda has asked for. */
      if (world->agenda.next != WSU_NEVER && world->agenda.next > world->now)
        advance(world, world->agenda.next - world->now);
      sweep(world, input);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static world_t world;
  fuzz_input_t input = {data, size};

  world = (world_t){.now = 1000};
  wsu_agenda_init(&world.agenda);
  fuzz_fail_alloc(FUZZ_CORE, fuzz_byte(&input) % 4u);
  for (size_t i = 0; i < PEERS; i++) {
    peer_t *peer = &world.peers[i];

    wsu_liveness_init(&peer->liveness, world.now);
    peer->opened_at = world.now;
  }
  /* Many have what the first has, so that the agenda grows. */
  if (input.len > 0) {
    wsu_liveness_options_t options = read_options(&input);

    for (size_t i = 0; i < PEERS; i++) {
      wsu_liveness_set(&world.peers[i].liveness, &options);
      if (wsu_liveness_has_options(&world.peers[i].liveness))
        put(&world, &world.peers[i]);
    }
  }
  run(&world, &input);
  (void)fuzz_stop_failing();
  wsu_agenda_free(&world.agenda);
  return 0;
}
