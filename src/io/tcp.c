#include "tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static void on_poll(uv_poll_t *handle, int status, int events) {
  wsu_tcp_t *tcp = handle->data;

  /*
   * After an error libuv has stopped the handle: receiving finds out what
   * happened, behind the bytes that came before it.
   */
  if (status < 0) {
    tcp->poll_events = 0;
    events = UV_READABLE | UV_WRITABLE;
    tcp->is_blocked = false;
  }
  if (events & UV_READABLE)
    tcp->is_readable = true;
  if (events & UV_WRITABLE)
    tcp->is_writable = true;
  wsu_queue_push(&tcp->loop->ready, &tcp->ready);
}

/* Waits for what can be used: bytes unless paused, room if the output waits. */
static void update_poll(wsu_tcp_t *tcp) {
  int events = 0;
  int err;

  if (tcp->is_closing)
    return;
  if (!tcp->is_paused && !tcp->connection.ended)
    events |= UV_READABLE;
  if (tcp->is_blocked)
    events |= UV_WRITABLE;
  if (events == tcp->poll_events)
    return;
  tcp->poll_events = (uint8_t)events;
  if (events == 0)
    err = uv_poll_stop(tcp->poll);
  else
    err = uv_poll_start(tcp->poll, events, on_poll);
  if (err)
    wsu_tcp_terminate(tcp);
}

static void free_tcp(wsu_tcp_t *tcp) {
  wsu_connection_free(&tcp->connection);
  wsu_buffer_free(&tcp->early);
  free(tcp->poll);
  free(tcp);
}

void wsu_tcp_bury(wsu_tcp_t *tcp) {
  tcp->loop->closing--;
  tcp->loop->owner->on_close(tcp);
  free_tcp(tcp);
}

static void on_poll_close(uv_handle_t *handle) {
  wsu_tcp_t *tcp = handle->data;

  wsu_loop_bury(tcp->loop, tcp);
}

void wsu_tcp_terminate(wsu_tcp_t *tcp) {
  if (tcp->is_closing)
    return;
  tcp->is_closing = true;
  wsu_queue_remove(&tcp->ready);
  wsu_queue_remove(&tcp->dirty);
  wsu_queue_remove(&tcp->timed);
  tcp->loop->closing++;
  /* libuv lets go of the descriptor at once, so it may be closed here. */
  uv_close((uv_handle_t *)tcp->poll, on_poll_close);
  (void)close(tcp->fd);
  tcp->fd = -1;
}

static void receive_later(wsu_tcp_t *tcp) {
  if (tcp->is_closing)
    return;
  wsu_queue_push(&tcp->loop->ready, &tcp->ready);
  wsu_loop_request_turn(tcp->loop);
}

static int duplicate(int fd, int *copy) {
  int on = 1;

  *copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (*copy < 0)
    return uv_translate_sys_error(errno);
  /* A Unix socket has no such option, which does no harm. */
  (void)setsockopt(*copy, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
#ifdef SO_NOSIGPIPE
  (void)setsockopt(*copy, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
  return 0;
}

int wsu_tcp_open(wsu_loop_t *loop, int fd,
                 const wsu_connection_options_t *options, const uint8_t *early,
                 size_t early_len, wsu_tcp_t **opened) {
  wsu_tcp_t *tcp = calloc(1, sizeof(*tcp));
  int err = UV_ENOMEM;

  if (tcp == NULL)
    return err;
  tcp->fd = -1;
  tcp->slot = WSU_NO_SLOT;
  tcp->corked_first = -1;
  tcp->loop = loop;
  tcp->is_alive = true;
  wsu_queue_init(&tcp->ready);
  wsu_queue_init(&tcp->dirty);
  wsu_queue_init(&tcp->timed);
  wsu_connection_init(&tcp->connection, options);
  tcp->poll = malloc(uv_handle_size(UV_POLL));
  if (tcp->poll == NULL || wsu_buffer_append(&tcp->early, early, early_len) < 0)
    goto fail;
  err = duplicate(fd, &tcp->fd);
  if (err)
    goto fail;
  err = uv_poll_init(loop->uv, tcp->poll, tcp->fd);
  if (err)
    goto fail;

  tcp->poll->data = tcp;
  update_poll(tcp);
  if (tcp->is_closing) {
    /* The handle is libuv's until its close callback: on_close follows. */
    return UV_EBADF;
  }
  if (early_len > 0)
    receive_later(tcp);
  *opened = tcp;
  return 0;

fail:
  if (tcp->fd >= 0)
    (void)close(tcp->fd);
  free_tcp(tcp);
  return err;
}

/* Takes `len` bytes of the peer through the decoder. */
static void decode(wsu_tcp_t *tcp, const uint8_t *bytes, size_t len) {
  wsu_connection_t *connection = &tcp->connection;
  wsu_event_t event;

  do {
    size_t consumed = wsu_connection_receive(connection, bytes, len, &event);

    switch (event.kind) {
    case WSU_EVENT_NONE:
      return;
    case WSU_EVENT_TERMINATE:
      wsu_tcp_terminate(tcp);
      return;
    default:
      tcp->loop->owner->on_event(tcp, &event);
    }
    bytes += consumed;
    len -= consumed;

    if (wsu_connection_is_pong_limit_near(connection) && !tcp->is_closing)
      wsu_tcp_flush(tcp);
    if (wsu_buffer_length(&connection->output) > 0 && !tcp->is_closing)
      wsu_tcp_mark_dirty(tcp);
  } while (!tcp->is_closing);
}

static void receive_early(wsu_tcp_t *tcp) {
  /* Moved out first: what happens in here may free the connection's own. */
  wsu_buffer_t early = tcp->early;

  tcp->early = (wsu_buffer_t){0};
  tcp->is_alive = true;
  decode(tcp, wsu_buffer_bytes(&early), wsu_buffer_length(&early));
  wsu_buffer_free(&early);
}

void wsu_tcp_limit_closing(wsu_tcp_t *tcp) {
  if (tcp->is_closing)
    return;
  wsu_connection_limit_closing(&tcp->connection, uv_now(tcp->loop->uv));
  wsu_loop_watch_deadline(tcp->loop, tcp);
}

static void receive(wsu_tcp_t *tcp) {
  ssize_t n;

  do
    n = recv(tcp->fd, tcp->loop->buffer, WSU_RECEIVE_SIZE, 0);
  while (n < 0 && errno == EINTR);

  if (n > 0) {
    tcp->is_alive = true;
    decode(tcp, tcp->loop->buffer, (size_t)n);
  } else if (n == 0) {
    wsu_connection_end(&tcp->connection);
    tcp->loop->owner->on_end(tcp);
    wsu_tcp_limit_closing(tcp);
    if (!tcp->is_closing)
      wsu_tcp_mark_dirty(tcp);
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    wsu_tcp_terminate(tcp);
  }
}

void wsu_tcp_process(wsu_tcp_t *tcp) {
  bool is_readable = tcp->is_readable;

  if (tcp->is_writable) {
    tcp->is_writable = false;
    tcp->is_blocked = false;
    wsu_tcp_flush(tcp);
  }
  tcp->is_readable = false;
  if (tcp->is_closing)
    return;
  if (!tcp->is_paused && wsu_buffer_length(&tcp->early) > 0)
    receive_early(tcp);
  else if (is_readable && !tcp->is_paused && !tcp->connection.ended)
    receive(tcp);
  update_poll(tcp);
}

/* Counts `n` taken bytes off the pieces that are left. */
static void skip(struct iovec **pieces, int *count, size_t n) {
  while (*count > 0 && n >= (*pieces)->iov_len) {
    n -= (*pieces)->iov_len;
    (*pieces)++;
    (*count)--;
  }
  if (*count > 0 && n > 0) {
    (*pieces)->iov_base = (char *)(*pieces)->iov_base + n;
    (*pieces)->iov_len -= n;
  }
}

/* Returns the bytes taken, 0 when the kernel is full, or a negative errno. */
static ssize_t send_some(wsu_tcp_t *tcp, struct iovec *pieces, int count) {
  struct msghdr message = {.msg_iov = pieces};
  ssize_t n;

  message.msg_iovlen = (unsigned)count;
  do
    n = count == 1
            ? send(tcp->fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
            : sendmsg(tcp->fd, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n >= 0)
    return n;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0
                                                                     : -errno;
}

void wsu_tcp_send(wsu_tcp_t *tcp, const struct iovec *pieces, int count) {
  wsu_connection_t *connection = &tcp->connection;
  struct iovec all[1 + WSU_SEND_PIECES];
  struct iovec *left = all;
  size_t output_len = wsu_buffer_length(&connection->output);
  size_t total = 0;
  int left_count = 0;

  if (tcp->is_closing || tcp->is_shut)
    return;
  if (output_len > 0)
    all[left_count++] = (struct iovec){
        (void *)wsu_buffer_bytes(&connection->output), output_len};
  for (int i = 0; i < count; i++)
    all[left_count++] = pieces[i];
  for (int i = 0; i < left_count; i++)
    total += all[i].iov_len;

  if (!tcp->is_blocked && total > 0) {
    ssize_t n = send_some(tcp, all, left_count);
    size_t of_output;

    if (n < 0) {
      wsu_tcp_terminate(tcp);
      return;
    }
    tcp->sent += (uint64_t)n;
    tcp->is_blocked = (size_t)n < total;
    if (n > 0 && tcp->reports_progress)
      tcp->loop->owner->on_progress(tcp);
    skip(&left, &left_count, (size_t)n);
    of_output = (size_t)n < output_len ? (size_t)n : output_len;
    if (of_output > 0)
      wsu_connection_sent(connection, of_output);
    output_len -= of_output;
  }
  if (output_len > 0) {
    left++;
    left_count--;
  }
  for (; left_count > 0; left++, left_count--) {
    if (wsu_connection_queue(connection, left->iov_base, left->iov_len) < 0) {
      wsu_tcp_terminate(tcp);
      return;
    }
  }
  update_poll(tcp);
}

void wsu_tcp_flush(wsu_tcp_t *tcp) {
  wsu_connection_t *connection = &tcp->connection;

  if (wsu_buffer_length(&connection->output) > 0)
    wsu_tcp_send(tcp, NULL, 0);
  if (tcp->is_closing || wsu_buffer_length(&connection->output) > 0 ||
      !wsu_connection_is_done(connection))
    return;

  if (connection->ended) {
    wsu_tcp_terminate(tcp);
  } else if (!tcp->is_shut) {
    tcp->is_shut = true;
    if (shutdown(tcp->fd, SHUT_WR) != 0)
      wsu_tcp_terminate(tcp);
  }
}

void wsu_tcp_close(wsu_tcp_t *tcp, uint16_t code, const uint8_t *reason,
                   size_t len) {
  if (tcp->is_closing)
    return;
  if (wsu_connection_close(&tcp->connection, code, reason, len,
                           uv_now(tcp->loop->uv)) < 0) {
    wsu_tcp_terminate(tcp);
    return;
  }
  wsu_loop_watch_deadline(tcp->loop, tcp);
  wsu_tcp_flush(tcp);
}

void wsu_tcp_pause(wsu_tcp_t *tcp, bool is_paused) {
  tcp->is_paused = is_paused;
  if (!is_paused && wsu_buffer_length(&tcp->early) > 0)
    receive_later(tcp);
  update_poll(tcp);
}
