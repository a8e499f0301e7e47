#include "stats.h"

#include "frame.h"

void wsu_stats_count_frames(wsu_stats_t *stats, const uint8_t *bytes,
                            size_t len) {
  uint64_t *counters = stats->counters;
  wsu_frame_t frame;

  while (len > 0) {
    size_t size = wsu_frame_decode_header(bytes, len, &frame);

    if (size == 0)
      return;
    if (frame.opcode == WSU_OPCODE_PING) {
      counters[WSU_STAT_PINGS_SENT]++;
    } else if (frame.opcode == WSU_OPCODE_PONG) {
      counters[WSU_STAT_PONGS_SENT]++;
    } else if (frame.opcode < WSU_OPCODE_CLOSE) {
      counters[WSU_STAT_MESSAGES_SENT] += frame.fin;
      counters[WSU_STAT_PAYLOAD_SENT] += frame.length;
    }
    if (frame.length >= len - size)
      return;
    bytes += size + frame.length;
    len -= size + (size_t)frame.length;
  }
}
