#include "transport.h"

#include <sys/socket.h>

static void plain_open(channel_t *channel) {
  channel->session = NULL;
}

static ssize_t plain_send(channel_t *channel, const uint8_t *bytes,
                          size_t len) {
  return send(channel->fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t plain_receive(channel_t *channel, uint8_t *buf, size_t size) {
  return recv(channel->fd, buf, size, 0);
}

static bool holds_nothing(const channel_t *channel) {
  (void)channel;
  return false;
}

const transport_t plain_transport = {
    .open = plain_open,
    .send = plain_send,
    .receive = plain_receive,
    .has_unsent = holds_nothing,
    .has_unread = holds_nothing,
};
