#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "fuzz.h"

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
  memset(&kernel.sent_to_us, 0,
         sizeof(kernel) - offsetof(kernel_t, sent_to_us));
  kernel.room = SIZE_MAX;
  kernel.piece = SIZE_MAX;
}

static int fail(int err) {
  errno = err;
  return -1;
}

/* Whether a call fails before it does anything. */
static bool is_disturbed(void) {
  if (kernel.interruptions > 0) {
    kernel.interruptions--;
    errno = EINTR;
    return true;
  }
  if (kernel.refusals > 0) {
    kernel.refusals--;
    errno = EAGAIN;
    return true;
  }
  return false;
}

int kernel_ready(int fd, int wanted) {
  bool has_input = kernel.received < kernel.sent_to_us;
  int events = 0;

  EXPECT(fd > KERNEL_FD);
  if (kernel.is_reset)
    return UV_EBADF;
  if ((wanted & UV_READABLE) && (has_input || kernel.is_ended))
    events |= UV_READABLE;
  if ((wanted & UV_WRITABLE) && kernel.room > 0)
    events |= UV_WRITABLE;
  if ((wanted & UV_DISCONNECT) && kernel.is_ended)
    events |= UV_DISCONNECT;
  return events;
}

void kernel_push(const uint8_t *bytes, size_t len) {
  if (kernel.is_ended || kernel.is_reset ||
      len > sizeof(kernel.to_us) - kernel.sent_to_us)
    return;
  memcpy(kernel.to_us + kernel.sent_to_us, bytes, len);
  kernel.sent_to_us += len;
}

void kernel_take(const uint8_t *bytes, size_t len) {
  EXPECT(len <= sizeof(kernel.to_peer) - kernel.sent_to_peer);
  memcpy(kernel.to_peer + kernel.sent_to_peer, bytes, len);
  kernel.sent_to_peer += len;
}

ssize_t wrapped_recv(int fd, void *dest, size_t len, int flags) {
  size_t n = kernel.sent_to_us - kernel.received;

  (void)flags;
  EXPECT(fd > KERNEL_FD);
  if (is_disturbed())
    return -1;
  if (n > len)
    n = len;
  if (n > kernel.piece)
    n = kernel.piece;
  if (n == 0) {
    if (kernel.is_reset)
      return fail(ECONNRESET);
    return kernel.is_ended ? 0 : fail(EAGAIN);
  }
  memcpy(dest, kernel.to_us + kernel.received, n);
  kernel.received += n;
  return (ssize_t)n;
}

/* What a call that sends returns once it begins, for the room there is. */
static ssize_t send_some(int fd) {
  EXPECT(fd > KERNEL_FD && !kernel.is_shut);
  if (is_disturbed())
    return -1;
  if (kernel.is_reset)
    return fail(EPIPE);
  return kernel.room == 0 ? fail(EAGAIN) : 0;
}

static size_t send_piece(const void *bytes, size_t len) {
  size_t n = len < kernel.room ? len : kernel.room;

  if (n > 0)
    kernel_take(bytes, n);
  if (kernel.room != SIZE_MAX)
    kernel.room -= n;
  return n;
}

ssize_t wrapped_send(int fd, const void *bytes, size_t len, int flags) {
  EXPECT(flags == MSG_NOSIGNAL);
  if (send_some(fd) < 0)
    return -1;
  return (ssize_t)send_piece(bytes, len);
}

ssize_t wrapped_sendmsg(int fd, const struct msghdr *message, int flags) {
  ssize_t total = 0;

  EXPECT(flags == MSG_NOSIGNAL);
  if (send_some(fd) < 0)
    return -1;
  for (size_t i = 0; i < message->msg_iovlen; i++)
    total += (ssize_t)send_piece(message->msg_iov[i].iov_base,
                                 message->msg_iov[i].iov_len);
  return total;
}

int wrapped_shutdown(int fd, int how) {
  EXPECT(fd > KERNEL_FD && how == SHUT_WR && !kernel.is_shut);
  kernel.is_shut = true;
  return kernel.is_reset ? fail(ENOTCONN) : 0;
}

int wrapped_setsockopt(int fd, int level, int name, const void *value,
                       socklen_t len) {
  (void)level;
  (void)name;
  (void)value;
  (void)len;
  EXPECT(fd > KERNEL_FD);
  return 0;
}

int wrapped_fcntl(int fd, int command, ...) {
  EXPECT(fd == KERNEL_FD && command == F_DUPFD_CLOEXEC);
  if (kernel.has_no_descriptors)
    return fail(EMFILE);
  kernel.duplicates++;
  return KERNEL_FD + 1;
}

int wrapped_close(int fd) {
  if (fd < KERNEL_FD)
    return real_close(fd);
  EXPECT(kernel.duplicates > 0);
  kernel.duplicates--;
  return 0;
}
