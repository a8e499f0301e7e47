#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "fuzz.h"

/* Below all duplicates; each connection has two numbers from here on. */
#define FIRST_DESCRIPTOR 900000

kernel_t kernel;

int real_close(int fd) __asm__("__real_close");
int wrapped_close(int fd) __asm__("__wrap_close");
int wrapped_fcntl(int fd, int command, ...) __asm__("__wrap_fcntl");
int wrapped_setsockopt(int fd, int level, int name, const void *value,
                       socklen_t len) __asm__("__wrap_setsockopt");
int wrapped_shutdown(int fd, int how) __asm__("__wrap_shutdown");
ssize_t wrapped_recv(int fd, void *dest, size_t len,
                     int flags) __asm__("__wrap_recv");
ssize_t wrapped_send(int fd, const void *bytes, size_t len,
                     int flags) __asm__("__wrap_send");
ssize_t wrapped_sendmsg(int fd, const struct msghdr *message,
                        int flags) __asm__("__wrap_sendmsg");

void kernel_init(void) {
  kernel.has_no_descriptors = false;
  for (size_t i = 0; i < KERNEL_SOCKETS; i++) {
    kernel_socket_t *socket = &kernel.sockets[i];

    memset(&socket->sent_to_us, 0,
           sizeof(*socket) - offsetof(kernel_socket_t, sent_to_us));
    socket->room = SIZE_MAX;
    socket->piece = SIZE_MAX;
  }
}

int kernel_descriptor(const kernel_socket_t *socket) {
  return FIRST_DESCRIPTOR + 2 * (int)(socket - kernel.sockets);
}

/* The connection of a descriptor that may be a duplicate, or has to be one. */
static kernel_socket_t *find(int fd, bool is_duplicate) {
  int number = fd - FIRST_DESCRIPTOR;

  EXPECT(number >= 0 && number < 2 * (int)KERNEL_SOCKETS);
  EXPECT((number % 2 == 1) == is_duplicate);
  return &kernel.sockets[number / 2];
}

static int fail(int err) {
  errno = err;
  return -1;
}

/* Whether a call fails before it does anything. */
static bool is_disturbed(kernel_socket_t *socket) {
  if (socket->interruptions > 0) {
    socket->interruptions--;
    errno = EINTR;
    return true;
  }
  if (socket->refusals > 0) {
    socket->refusals--;
    errno = EAGAIN;
    return true;
  }
  return false;
}

int kernel_ready(int fd, int wanted) {
  const kernel_socket_t *socket = find(fd, true);
  bool has_input = socket->received < socket->sent_to_us;
  int events = 0;

  if (socket->is_reset)
    return UV_EBADF;
  if ((wanted & UV_READABLE) && (has_input || socket->is_ended))
    events |= UV_READABLE;
  if ((wanted & UV_WRITABLE) && socket->room > 0)
    events |= UV_WRITABLE;
  if ((wanted & UV_DISCONNECT) && socket->is_ended)
    events |= UV_DISCONNECT;
  return events;
}

void kernel_push(kernel_socket_t *socket, const uint8_t *bytes, size_t len) {
  if (socket->is_ended || socket->is_reset ||
      len > sizeof(socket->to_us) - socket->sent_to_us)
    return;
  memcpy(socket->to_us + socket->sent_to_us, bytes, len);
  socket->sent_to_us += len;
}

void kernel_take(kernel_socket_t *socket, const uint8_t *bytes, size_t len) {
  EXPECT(len <= sizeof(socket->to_peer) - socket->sent_to_peer);
  memcpy(socket->to_peer + socket->sent_to_peer, bytes, len);
  socket->sent_to_peer += len;
}

size_t kernel_receive(kernel_socket_t *socket, uint8_t *dest, size_t len) {
  size_t waiting = socket->sent_to_us - socket->received;
  size_t n = waiting < len ? waiting : len;

  /* Much comes in larger pieces, or a megabyte would take as many turns. */
  if (n > socket->piece && n > socket->piece + waiting / 256)
    n = socket->piece + waiting / 256;
  memcpy(dest, socket->to_us + socket->received, n);
  socket->received += n;
  return n;
}

ssize_t wrapped_recv(int fd, void *dest, size_t len, int flags) {
  kernel_socket_t *socket = find(fd, true);
  size_t n;

  (void)flags;
  if (is_disturbed(socket))
    return -1;
  n = kernel_receive(socket, dest, len);
  if (n > 0)
    return (ssize_t)n;
  if (socket->is_reset)
    return fail(ECONNRESET);
  return socket->is_ended ? 0 : fail(EAGAIN);
}

/* What a call that sends returns once it begins, for the room there is. */
static int begin_sending(kernel_socket_t *socket) {
  EXPECT(!socket->is_shut);
  if (is_disturbed(socket))
    return -1;
  if (socket->is_reset)
    return fail(EPIPE);
  return socket->room == 0 ? fail(EAGAIN) : 0;
}

static size_t send_piece(kernel_socket_t *socket, const void *bytes,
                         size_t len) {
  size_t n = len < socket->room ? len : socket->room;

  if (n > 0)
    kernel_take(socket, bytes, n);
  if (socket->room != SIZE_MAX)
    socket->room -= n;
  return n;
}

ssize_t wrapped_send(int fd, const void *bytes, size_t len, int flags) {
  kernel_socket_t *socket = find(fd, true);

  EXPECT(flags == MSG_NOSIGNAL);
  if (begin_sending(socket) < 0)
    return -1;
  return (ssize_t)send_piece(socket, bytes, len);
}

ssize_t wrapped_sendmsg(int fd, const struct msghdr *message, int flags) {
  kernel_socket_t *socket = find(fd, true);
  ssize_t total = 0;

  EXPECT(flags == MSG_NOSIGNAL);
  if (begin_sending(socket) < 0)
    return -1;
  for (size_t i = 0; i < message->msg_iovlen; i++)
    total += (ssize_t)send_piece(socket, message->msg_iov[i].iov_base,
                                 message->msg_iov[i].iov_len);
  return total;
}

int wrapped_shutdown(int fd, int how) {
  kernel_socket_t *socket = find(fd, true);

  EXPECT(how == SHUT_WR && !socket->is_shut);
  socket->is_shut = true;
  return socket->is_reset ? fail(ENOTCONN) : 0;
}

int wrapped_setsockopt(int fd, int level, int name, const void *value,
                       socklen_t len) {
  (void)level;
  (void)name;
  (void)value;
  (void)len;
  (void)find(fd, true);
  return 0;
}

int wrapped_fcntl(int fd, int command, ...) {
  kernel_socket_t *socket = find(fd, false);

  EXPECT(command == F_DUPFD_CLOEXEC);
  if (kernel.has_no_descriptors)
    return fail(EMFILE);
  socket->duplicates++;
  return fd + 1;
}

int wrapped_close(int fd) {
  kernel_socket_t *socket;

  if (fd < FIRST_DESCRIPTOR)
    return real_close(fd);
  socket = find(fd, true);
  EXPECT(socket->duplicates > 0);
  socket->duplicates--;
  return 0;
}
