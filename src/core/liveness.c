#include "liveness.h"

#include <string.h>

#include "agenda.h"

/* ms between the closest and the farthest looks at connections. */
#define STEP_MIN 16u
#define STEP_MAX 1024u

/* Keeps what an application sends in its own pings from being taken for ours.
 */
static const uint8_t tag[] = {'w', 's', 'u', 0x9d};

void wsu_liveness_init(wsu_liveness_t *liveness, uint64_t now) {
  *liveness = (wsu_liveness_t){
      .opened_at = now,
      .heard_at = now,
      .message_at = now,
      .place = WSU_NO_PLACE,
  };
}

void wsu_liveness_set(wsu_liveness_t *liveness,
                      const wsu_liveness_options_t *options) {
  liveness->options = *options;
  liveness->is_pinged = false;
}

bool wsu_liveness_has_options(const wsu_liveness_t *liveness) {
  const wsu_liveness_options_t *options = &liveness->options;

  return options->interval > 0 || options->idle_timeout > 0 ||
         options->max_lifetime > 0;
}

/* The shortest time that is measured. */
static uint32_t shortest(const wsu_liveness_options_t *options) {
  const uint32_t times[] = {options->interval,
                            options->interval > 0 ? options->timeout : 0,
                            options->idle_timeout, options->max_lifetime};
  uint32_t least = UINT32_MAX;

  for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
    if (times[i] > 0 && times[i] < least)
      least = times[i];
  }
  return least;
}

uint32_t wsu_liveness_step(const wsu_liveness_options_t *options) {
  uint32_t limit = shortest(options) / 8;
  uint32_t step = STEP_MAX;

  /* Powers of two, so that connections with other options share looks. */
  while (step > STEP_MIN && step > limit)
    step /= 2;
  return step;
}

/* The clock may have been set back by a stall that was noticed late. */
static uint64_t elapsed(uint64_t since, uint64_t now) {
  return now > since ? now - since : 0;
}

/* Leaves out a pause; what was later than its beginning is now at most. */
static uint64_t leave_out(uint64_t time, uint64_t pause, uint64_t now) {
  return time + pause < now ? time + pause : now;
}

void wsu_liveness_suspend(wsu_liveness_t *liveness, bool is_suspended,
                          uint64_t now) {
  uint64_t pause;

  if (is_suspended == liveness->is_suspended)
    return;
  liveness->is_suspended = is_suspended;
  if (is_suspended) {
    liveness->suspended_at = now;
    return;
  }
  pause = elapsed(liveness->suspended_at, now);
  liveness->heard_at = leave_out(liveness->heard_at, pause, now);
  liveness->message_at = leave_out(liveness->message_at, pause, now);
  liveness->pinged_at = leave_out(liveness->pinged_at, pause, now);
}

static bool has_passed(uint64_t since, uint32_t limit, uint64_t now) {
  return limit > 0 && elapsed(since, now) >= limit;
}

wsu_verdict_t wsu_liveness_check(const wsu_liveness_t *liveness, uint64_t now) {
  const wsu_liveness_options_t *options = &liveness->options;
  bool is_read = !liveness->is_suspended;
  bool is_watched = is_read && options->interval > 0;

  if (is_watched && liveness->is_pinged &&
      elapsed(liveness->pinged_at, now) >= options->timeout)
    return WSU_VERDICT_DEAD;
  if (has_passed(liveness->opened_at, options->max_lifetime, now) ||
      (is_read && has_passed(liveness->message_at, options->idle_timeout, now)))
    return WSU_VERDICT_EXPIRED;
  if (is_watched && !liveness->is_pinged &&
      elapsed(liveness->heard_at, now) >= options->interval)
    return WSU_VERDICT_PING;
  return WSU_VERDICT_FINE;
}

static uint64_t earlier(uint64_t due, uint64_t other) {
  return other < due ? other : due;
}

uint64_t wsu_liveness_due(const wsu_liveness_t *liveness, uint64_t now) {
  const wsu_liveness_options_t *options = &liveness->options;
  uint64_t grid = wsu_liveness_step(options) / 2;
  uint64_t due = WSU_NEVER;

  if (options->max_lifetime > 0)
    due = liveness->opened_at + options->max_lifetime;
  if (!liveness->is_suspended && options->idle_timeout > 0)
    due = earlier(due, liveness->message_at + options->idle_timeout);
  if (!liveness->is_suspended && options->interval > 0) {
    if (liveness->is_pinged) {
      due = earlier(due, liveness->pinged_at + options->timeout);
      /* The answer may come at once, and then nothing for an interval. */
      due = earlier(due, now + options->interval);
    } else {
      due = earlier(due, liveness->heard_at + options->interval);
    }
  }
  return due == WSU_NEVER ? WSU_NEVER : (due + grid - 1) / grid * grid;
}

void wsu_liveness_ping(wsu_liveness_t *liveness, uint64_t now, uint64_t now_ns,
                       uint8_t payload[WSU_LIVENESS_PAYLOAD]) {
  liveness->is_pinged = true;
  liveness->pinged_at = now;
  liveness->sent_ns = now_ns;
  liveness->serial++;
  memcpy(payload, tag, sizeof(tag));
  for (int i = 0; i < 4; i++)
    payload[4 + i] = (uint8_t)(liveness->serial >> (24 - 8 * i));
}

bool wsu_liveness_pong(wsu_liveness_t *liveness, uint64_t now_ns,
                       const uint8_t *payload, size_t len) {
  uint32_t serial = 0;

  if (len != WSU_LIVENESS_PAYLOAD || memcmp(payload, tag, sizeof(tag)) != 0)
    return false;
  for (int i = 0; i < 4; i++)
    serial = serial << 8 | payload[4 + i];
  if (serial == 0 || serial > liveness->serial)
    return false;
  if (serial == liveness->serial && liveness->sent_ns > 0) {
    liveness->latency_ns = elapsed(liveness->sent_ns, now_ns);
    liveness->sent_ns = 0;
  }
  return true;
}
