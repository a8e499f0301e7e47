#include "tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

typedef struct wsu_tcp {
  wsu_transport_t transport;
  uv_poll_t *poll;
  int fd;
  uint8_t poll_events; /* what uv_poll waits for */
  bool is_readable;
  bool is_writable;
  bool is_broken;   /* libuv has reported an error */
  bool has_hung_up; /* the peer has sent FIN, or the connection is broken */
} wsu_tcp_t;

static wsu_tcp_t *tcp_of(wsu_transport_t *transport) {
  return wsu_queue_element(transport, wsu_tcp_t, transport);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  wsu_tcp_t *tcp = handle->data;
  wsu_transport_t *transport = &tcp->transport;

  /*
   * After an error libuv has stopped the handle: receiving finds out what
   * happened, behind the bytes that came before it.
   */
  if (status < 0) {
    tcp->poll_events = 0;
    events = UV_READABLE | UV_WRITABLE;
    transport->is_blocked = false;
    tcp->is_broken = true;
    tcp->has_hung_up = true;
  }
  if (events & UV_DISCONNECT)
    tcp->has_hung_up = true;
  if (events & UV_READABLE)
    tcp->is_readable = true;
  if (events & UV_WRITABLE)
    tcp->is_writable = true;
  wsu_queue_push(&transport->loop->ready, &transport->ready);
}

/*
 * Whether to wait for more bytes. Those that are there go first, and a step is
 * over in a moment: to stop for it would cost two calls, unless more comes.
 */
static bool wants_bytes(const wsu_transport_t *transport, bool is_readable) {
  if (transport->is_paused || transport->connection.ended ||
      wsu_buffer_length(&transport->input) > 0)
    return false;
  return transport->holds == 0 ||
         (transport->holds == WSU_HOLD_STEP && !is_readable);
}

static void wait(wsu_transport_t *transport) {
  wsu_tcp_t *tcp = tcp_of(transport);
  int events = 0;
  int err;

  if (transport->is_closing)
    return;
  if (wants_bytes(transport, tcp->is_readable))
    events |= UV_READABLE;
  if (transport->is_blocked)
    events |= UV_WRITABLE;
  /* A paused one keeps the loop going as well, and its reset is noticed. */
  if (events == 0 && !tcp->has_hung_up)
    events = UV_DISCONNECT;
  if (events == tcp->poll_events)
    return;
  tcp->poll_events = (uint8_t)events;
  if (events == 0)
    err = uv_poll_stop(tcp->poll);
  else
    err = uv_poll_start(tcp->poll, events, on_poll);
  if (err)
    wsu_transport_terminate(transport, WSU_CAUSE_CONNECTION_LOST);
}

static void free_tcp(wsu_transport_t *transport) {
  wsu_tcp_t *tcp = tcp_of(transport);

  wsu_transport_release(transport);
  free(tcp->poll);
  free(tcp);
}

static void on_poll_close(uv_handle_t *handle) {
  wsu_tcp_t *tcp = handle->data;

  wsu_loop_bury(tcp->transport.loop, &tcp->transport);
}

static void close_tcp(wsu_transport_t *transport) {
  wsu_tcp_t *tcp = tcp_of(transport);

  /* libuv lets go of the descriptor at once, so it may be closed here. */
  uv_close((uv_handle_t *)tcp->poll, on_poll_close);
  (void)close(tcp->fd);
  tcp->fd = -1;
}

static void receive(wsu_tcp_t *tcp) {
  wsu_transport_t *transport = &tcp->transport;
  uint8_t *buffer = transport->loop->buffer;
  ssize_t n;

  tcp->is_readable = false;
  do
    n = recv(tcp->fd, buffer, WSU_RECEIVE_SIZE, 0);
  while (n < 0 && errno == EINTR);

  if (n > 0)
    wsu_transport_receive(transport, buffer, (size_t)n);
  else if (n == 0)
    wsu_transport_end(transport);
  else if (errno != EAGAIN && errno != EWOULDBLOCK)
    wsu_transport_terminate(transport, WSU_CAUSE_CONNECTION_LOST);
}

static void process(wsu_transport_t *transport) {
  wsu_tcp_t *tcp = tcp_of(transport);

  if (tcp->is_writable) {
    /* A peer that takes what was sent long ago is alive, if it is slow. */
    wsu_transport_hear(transport);
    tcp->is_writable = false;
    transport->is_blocked = false;
    wsu_transport_flush(transport);
  }
  if (transport->is_closing)
    return;
  if (tcp->is_broken && transport->is_paused) {
    wsu_transport_terminate(transport, WSU_CAUSE_CONNECTION_LOST);
    return;
  }
  if (!transport->is_paused && transport->holds == 0) {
    if (wsu_transport_has_input(transport))
      wsu_transport_receive_input(transport);
    else if (tcp->is_readable && !transport->connection.ended)
      receive(tcp);
  }
  if (tcp->has_hung_up)
    wsu_transport_limit_hold(transport);
  wait(transport);
}

static ssize_t send_pieces(wsu_transport_t *transport, struct iovec *pieces,
                           int count, size_t total) {
  struct msghdr message = {.msg_iov = pieces};
  int fd = tcp_of(transport)->fd;
  ssize_t n;

  message.msg_iovlen = (unsigned)count;
  do
    n = count == 1 ? send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
                   : sendmsg(fd, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS)
      return -errno;
    n = 0;
  }
  transport->is_blocked = (size_t)n < total;
  return n;
}

static void finish(wsu_transport_t *transport) {
  if (transport->connection.ended) {
    wsu_transport_terminate(transport, WSU_CAUSE_NONE);
  } else if (!transport->is_shut) {
    transport->is_shut = true;
    if (shutdown(tcp_of(transport)->fd, SHUT_WR) != 0)
      wsu_transport_terminate(transport, WSU_CAUSE_CONNECTION_LOST);
    else
      transport->loop->owner->on_notice(transport, WSU_NOTICE_FINISH);
  }
}

static const wsu_transport_ops_t ops = {
    .kind = WSU_KIND_TCP,
    .process = process,
    .send = send_pieces,
    .wait = wait,
    .finish = finish,
    .close = close_tcp,
    .free = free_tcp,
};

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
                 size_t early_len, wsu_transport_t **opened) {
  wsu_tcp_t *tcp = calloc(1, sizeof(*tcp));
  wsu_transport_t *transport;
  int err = UV_ENOMEM;

  if (tcp == NULL)
    return err;
  transport = &tcp->transport;
  tcp->fd = -1;
  wsu_transport_init(transport, loop, &ops, options);
  tcp->poll = malloc(uv_handle_size(UV_POLL));
  if (tcp->poll == NULL ||
      wsu_buffer_append(&transport->input, early, early_len) < 0)
    goto fail;
  err = duplicate(fd, &tcp->fd);
  if (err)
    goto fail;
  err = uv_poll_init(loop->uv, tcp->poll, tcp->fd);
  if (err)
    goto fail;

  tcp->poll->data = tcp;
  wait(transport);
  if (transport->is_closing) {
    /* The handle is libuv's until its close callback: on_close follows. */
    return UV_EBADF;
  }
  if (early_len > 0)
    wsu_transport_process_later(transport);
  *opened = transport;
  return 0;

fail:
  if (tcp->fd >= 0)
    (void)close(tcp->fd);
  free_tcp(transport);
  return err;
}

int wsu_tcp_fd(const wsu_transport_t *transport) {
  return transport->ops == &ops
             ? wsu_queue_element(transport, const wsu_tcp_t, transport)->fd
             : -1;
}

static int set_option(const wsu_transport_t *transport, int level, int name,
                      int value) {
  int fd = wsu_tcp_fd(transport);

  if (fd < 0)
    return UV_EBADF;
  if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
    return uv_translate_sys_error(errno);
  return 0;
}

int wsu_tcp_set_nodelay(wsu_transport_t *transport, bool is_on) {
  return set_option(transport, IPPROTO_TCP, TCP_NODELAY, is_on);
}

int wsu_tcp_set_keepalive(wsu_transport_t *transport, bool is_on,
                          unsigned delay) {
  int err = set_option(transport, SOL_SOCKET, SO_KEEPALIVE, is_on);

  if (err || !is_on || delay == 0)
    return err;
#if defined(TCP_KEEPIDLE)
  return set_option(transport, IPPROTO_TCP, TCP_KEEPIDLE, (int)delay);
#elif defined(TCP_KEEPALIVE)
  return set_option(transport, IPPROTO_TCP, TCP_KEEPALIVE, (int)delay);
#else
  return 0;
#endif
}
