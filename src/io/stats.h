/*
 * What is counted of the connections of a server: plain integers that only
 * grow, in memory of whoever reads them. Nothing is allocated or computed here.
 */
#ifndef WSU_STATS_H
#define WSU_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Counters of events and bytes; JavaScript gets them by name. */
#define WSU_STAT_MAP(XX)                                                       \
  XX(ACCEPTED_TCP)      /* connections by what carries them */                 \
  XX(ACCEPTED_STREAM)   /* the same */                                         \
  XX(ENDED_TCP)         /* those of them that are gone */                      \
  XX(ENDED_STREAM)      /* the same */                                         \
  XX(MESSAGES_RECEIVED) /* whole ones */                                       \
  XX(MESSAGES_SENT)     /* whole ones that were given away to be sent */       \
  XX(PAYLOAD_RECEIVED)  /* bytes of messages as the application sees them */   \
  XX(PAYLOAD_SENT)      /* the same, fragments included */                     \
  XX(WIRE_RECEIVED)     /* bytes of frames that were decoded */                \
  XX(WIRE_SENT)         /* bytes of frames that were taken for good */         \
  XX(PINGS_RECEIVED)                                                           \
  XX(PINGS_SENT)                                                               \
  XX(PONGS_RECEIVED)                                                           \
  XX(PONGS_SENT)    /* automatic ones included */                              \
  XX(INFLATED_FROM) /* bytes of compressed messages that were received */      \
  XX(INFLATED_TO)   /* bytes that those stand for */                           \
  XX(DEFLATED_FROM) /* bytes of messages that were compressed */               \
  XX(DEFLATED_TO)   /* bytes that were sent for them */

enum {
#define XX(name) WSU_STAT_##name,
  WSU_STAT_MAP(XX)
#undef XX
      WSU_STAT_COUNT
};

/*
 * Why a connection was dropped; what ends with a closing handshake, or with the
 * peer's FIN, has no cause. The texts are for JavaScript.
 */
#define WSU_CAUSE_MAP(XX)                                                      \
  XX(APPLICATION, "application")        /* terminate() */                      \
  XX(CLOSE_TIMEOUT, "closeTimeout")     /* the closing handshake took long */  \
  XX(CONNECTION_LOST, "connectionLost") /* what carries it has broken */       \
  XX(PONG_LIMIT, "maxPendingAutoPongs") /* WSU_EVENT_TERMINATE */              \
  XX(OUT_OF_MEMORY, "outOfMemory")      /* for what it receives or sends */    \
  XX(SHUTDOWN, "shutdown")              /* the server waited long enough */    \
  XX(HEARTBEAT, "heartbeat")            /* the peer was silent for too long */ \
  XX(BACKPRESSURE, "backpressure")      /* the peer does not read */

typedef enum wsu_cause {
#define XX(name, text) WSU_CAUSE_##name,
  WSU_CAUSE_MAP(XX)
#undef XX
      WSU_CAUSE_COUNT,
  WSU_CAUSE_NONE = WSU_CAUSE_COUNT
} wsu_cause_t;

/* One more than the numbers of errors go, without their sign. */
#define WSU_STAT_ERRORS 32

_Static_assert(-WSU_ERR_INVALID_DEFLATE < WSU_STAT_ERRORS,
               "every error has a counter");

/* All zero at first; JavaScript reads it as a BigUint64Array. */
typedef struct wsu_stats {
  uint64_t counters[WSU_STAT_COUNT];      /* by WSU_STAT_* */
  uint64_t terminations[WSU_CAUSE_COUNT]; /* by wsu_cause_t */
  uint64_t errors[WSU_STAT_ERRORS];       /* by wsu_err_t without its sign */
} wsu_stats_t;

/*
 * Counts the frames at the start of `bytes`: messages, their payload, pings and
 * pongs. The payload of the last one may go on elsewhere.
 */
void wsu_stats_count_frames(wsu_stats_t *stats, const uint8_t *bytes,
                            size_t len);

#endif
