/* The limit: a WebSocket echo server that does nothing but what the wire asks
 * for. One recv and one send for each readable connection, frames unmasked
 * where they stand, no checks, no API. It speaks only to the load generator
 * beside it: it knows the answer to no other Sec-WebSocket-Key than the sample
 * of RFC 6455, 1.3, and ends a connection at whatever it does not know.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

enum { MAX_EVENTS = 1024, BUF_SIZE = 256 * 1024 };

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char response[] =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

typedef struct {
  int fd;
  bool upgraded;
  /* While echoes are unsent nothing is received. Then buf holds the unsent
     ones from sent to echoes_end and an incomplete frame from rest to len. */
  bool waits_for_writable;
  size_t sent;
  size_t echoes_end;
  size_t rest;
  size_t len;
  uint8_t buf[BUF_SIZE];
} conn_t;

static int epoll_fd;

static void die(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static void watch(conn_t *conn, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = conn};
  if (epoll_ctl(epoll_fd, operation, conn->fd, &event) != 0) {
    die("epoll_ctl");
  }
}

static void end(conn_t *conn) {
  close(conn->fd);
  free(conn);
}

/* Unmasks into a place that is at least four bytes before the source. */
static void unmask(uint8_t *out, const uint8_t *in, size_t len,
                   const uint8_t *mask) {
  uint64_t mask_word;
  memcpy(&mask_word, mask, 4);
  memcpy((uint8_t *)&mask_word + 4, mask, 4);
  size_t i = 0;
  for (; i + 8 <= len; i += 8) {
    uint64_t word;
    memcpy(&word, in + i, sizeof word);
    word ^= mask_word;
    memcpy(out + i, &word, sizeof word);
  }
  for (; i < len; i++) {
    out[i] = in[i] ^ ((const uint8_t *)&mask_word)[i % 8];
  }
}

/* Turns the complete frames at the beginning of the buffer into echoes, which
   are four bytes shorter each. */
static void make_echoes(conn_t *conn) {
  uint8_t *buf = conn->buf;
  size_t in = 0;
  size_t out = 0;
  while (conn->len - in >= 6) {
    const uint8_t *frame = buf + in;
    size_t length = frame[1] & 0x7f;
    size_t length_bytes = length < 126 ? 0 : length == 126 ? 2 : 8;
    size_t header_len = 2 + length_bytes;
    if (conn->len - in < header_len + 4) {
      break;
    }
    if (length_bytes > 0) {
      length = 0;
      for (size_t i = 2; i < header_len; i++) {
        length = length << 8 | frame[i];
      }
    }
    size_t frame_len = header_len + 4 + length;
    if (conn->len - in < frame_len) {
      break;
    }
    uint8_t mask[4];
    memcpy(mask, frame + header_len, sizeof mask);
    uint8_t second = frame[1] & 0x7f;
    memmove(buf + out, frame, header_len);
    buf[out + 1] = second;
    unmask(buf + out + header_len, frame + header_len + 4, length, mask);
    in += frame_len;
    out += header_len + length;
  }
  conn->sent = 0;
  conn->echoes_end = out;
  conn->rest = in;
}

/* Sends what is left of the echoes, and when all is sent makes room for more.
   Returns whether the connection goes on. */
static bool flush(conn_t *conn) {
  ssize_t sent = send(conn->fd, conn->buf + conn->sent,
                      conn->echoes_end - conn->sent, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) {
    return false;
  }
  if (sent > 0) {
    conn->sent += (size_t)sent;
  }
  bool done = conn->sent == conn->echoes_end;
  if (done) {
    conn->len -= conn->rest;
    memmove(conn->buf, conn->buf + conn->rest, conn->len);
  }
  if (done == conn->waits_for_writable) {
    conn->waits_for_writable = !done;
    watch(conn, EPOLL_CTL_MOD, done ? EPOLLIN : EPOLLOUT);
  }
  return true;
}

static bool upgrade(conn_t *conn) {
  if (memmem(conn->buf, conn->len, "\r\n\r\n", 4) == NULL) {
    return true;
  }
  if (memmem(conn->buf, conn->len, key, sizeof key - 1) == NULL) {
    return false;
  }
  conn->upgraded = true;
  conn->len = 0;
  return send(conn->fd, response, sizeof response - 1, MSG_NOSIGNAL) > 0;
}

/* Returns whether the connection goes on. */
static bool on_readable(conn_t *conn) {
  ssize_t received =
      recv(conn->fd, conn->buf + conn->len, BUF_SIZE - conn->len, 0);
  if (received <= 0) {
    return received < 0 && errno == EAGAIN;
  }
  conn->len += (size_t)received;
  if (!conn->upgraded) {
    return upgrade(conn);
  }
  make_echoes(conn);
  return conn->echoes_end > 0 ? flush(conn) : conn->len < BUF_SIZE;
}

static void accept_connection(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    return;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  conn_t *conn = malloc(sizeof *conn);
  if (conn == NULL) {
    die("malloc");
  }
  memset(conn, 0, offsetof(conn_t, buf));
  conn->fd = fd;
  watch(conn, EPOLL_CTL_ADD, EPOLLIN);
  /* The epoll instance has the pointer from here on. */
} /* NOLINT(clang-analyzer-unix.Malloc) */

static int listen_on(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
      .sin_port = htons(port),
  };
  socklen_t len = sizeof address;
  int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
      listen(fd, SOMAXCONN) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
    die("listen");
  }
  printf("listening %u\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv) {
  int listener = listen_on(argc > 1 ? (uint16_t)atoi(argv[1]) : 0);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
  static struct epoll_event events[MAX_EVENTS];
  for (;;) {
    int count = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
    for (int i = 0; i < count; i++) {
      conn_t *conn = events[i].data.ptr;
      if (conn == NULL) {
        accept_connection(listener);
      } else if (!(conn->waits_for_writable ? flush(conn)
                                            : on_readable(conn))) {
        end(conn);
      }
    }
  }
}
