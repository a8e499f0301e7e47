/*
 * To be preloaded into Node.js: counts the system calls and the allocations of
 * the addon, and has those fail that a script says. The script and the counts
 * are a file that the environment variable WSU_FAULTS names, mapped by this
 * process, written and read by the one that tests. Without it all calls are
 * only passed on. For glibc.
 *
 * A call is the addon's if it returns to it. Of the system calls only those for
 * one descriptor count: the first that the addon has duplicated since a script
 * began, until the addon closes it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script.h"

/* Of accepted sockets, so that slow readers are felt soon. */
#define SEND_BUFFER (32 * 1024)

#define SENDMSG_PIECES 128

/* Bytes before each block of the addon's, which keep it aligned. */
typedef struct header {
  uintptr_t mark; /* says that the block is the addon's */
  size_t size;
} header_t;

_Static_assert(sizeof(header_t) == 16, "malloc() aligns to 16 bytes");

#define MARK ((uintptr_t)0x77735f7570677264)

/* What memory holds that has no content yet, and that has none any more. */
enum { NEW_BYTE = 0xa5, FREED_BYTE = 0x5a };

void *__libc_malloc(size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_calloc(size_t count, size_t size);
void __libc_free(void *block);

static script_t unscripted;
static script_t *script = &unscripted;
static uintptr_t addon_start;
static uintptr_t addon_end;

static bool is_addon(const void *caller) {
  uintptr_t address = (uintptr_t)caller;

  return address >= addon_start && address < addon_end;
}

#define CALLED_BY_ADDON() is_addon(__builtin_return_address(0))

/* The function that would be called without this library. */
static void *next(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void map_script(void) {
  const char *path = getenv("WSU_FAULTS");
  int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  void *map = MAP_FAILED;

  if (fd >= 0) {
    map =
        mmap(NULL, sizeof(script_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
  }
  if (map != MAP_FAILED)
    script = map;
}

static int find_addon(struct dl_phdr_info *info, size_t size, void *path) {
  (void)size;
  if (strcmp(info->dlpi_name, path) != 0)
    return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0) {
      addon_start = info->dlpi_addr + segment->p_vaddr;
      addon_end = addon_start + segment->p_memsz;
    }
  }
  return 1;
}

void *dlopen(const char *path, int flags) {
  static void *(*real)(const char *, int);
  void *library;

  if (real == NULL)
    *(void **)&real = next("dlopen");
  library = real(path, flags);
  if (library != NULL && path != NULL && strstr(path, ".node") != NULL)
    (void)dl_iterate_phdr(find_addon, (void *)(uintptr_t)path);
  return library;
}

/* Counts one of the calls, and says whether it is to fail. */
static bool is_faulty(kind_t kind) {
  uint32_t count =
      __atomic_add_fetch(&script->counts[kind], 1, __ATOMIC_RELAXED);

  if (!script->is_armed || script->kind != kind ||
      (script->lasts ? count < script->nth : count != script->nth))
    return false;
  __atomic_add_fetch(&script->faults, 1, __ATOMIC_RELAXED);
  return true;
}

static bool is_watched(int fd) {
  return script->is_armed && script->is_found && fd == script->fd;
}

/* System calls. A script without an errno is one of a short read or write. */

/* Never to nothing, which would be the end. */
static size_t shorten(size_t len) {
  size_t amount = (size_t)abs(script->amount);

  if (amount >= len)
    return len;
  return script->amount < 0 ? len - amount : amount;
}

/* Whether a call fails, with errno set; a short one takes less of `*len`. */
static bool fails(kind_t kind, size_t *len) {
  if (!is_faulty(kind))
    return false;
  errno = script->err;
  if (script->err == 0 && len != NULL)
    *len = shorten(*len);
  return script->err != 0;
}

ssize_t recv(int fd, void *bytes, size_t len, int flags) {
  static ssize_t (*real)(int, void *, size_t, int);

  if (real == NULL)
    *(void **)&real = next("recv");
  if (CALLED_BY_ADDON() && is_watched(fd) && fails(KIND_RECV, &len))
    return -1;
  return real(fd, bytes, len, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) {
  static ssize_t (*real)(int, const void *, size_t, int);

  if (real == NULL)
    *(void **)&real = next("send");
  if (CALLED_BY_ADDON() && is_watched(fd) && fails(KIND_SEND, &len))
    return -1;
  return real(fd, bytes, len, flags);
}

static size_t length_of(const struct msghdr *message) {
  size_t len = 0;

  for (size_t i = 0; i < message->msg_iovlen; i++)
    len += message->msg_iov[i].iov_len;
  return len;
}

/* As many of the pieces as have `len` bytes. */
static size_t cut_pieces(struct iovec *pieces, const struct msghdr *message,
                         size_t len) {
  size_t count = 0;

  while (count < message->msg_iovlen && count < SENDMSG_PIECES && len > 0) {
    pieces[count] = message->msg_iov[count];
    if (pieces[count].iov_len > len)
      pieces[count].iov_len = len;
    len -= pieces[count++].iov_len;
  }
  return count;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  static ssize_t (*real)(int, const struct msghdr *, int);
  struct iovec pieces[SENDMSG_PIECES];
  struct msghdr shorter = *message;
  size_t whole = length_of(message);
  size_t len = whole;

  if (real == NULL)
    *(void **)&real = next("sendmsg");
  if (CALLED_BY_ADDON() && is_watched(fd) && fails(KIND_SENDMSG, &len))
    return -1;
  if (len == whole)
    return real(fd, message, flags);
  shorter.msg_iov = pieces;
  shorter.msg_iovlen = cut_pieces(pieces, message, len);
  return real(fd, &shorter, flags);
}

int fcntl(int fd, int command, ...) {
  static int (*real)(int, int, ...);
  bool is_dup = CALLED_BY_ADDON() && command == F_DUPFD_CLOEXEC;
  va_list args;
  void *arg;
  int result;

  va_start(args, command);
  arg = va_arg(args, void *);
  va_end(args);
  if (real == NULL)
    *(void **)&real = next("fcntl");
  if (is_dup && script->is_armed && fails(KIND_DUP, NULL))
    return -1;
  result = real(fd, command, arg);
  if (is_dup && result >= 0 && script->is_armed && !script->is_found) {
    script->fd = result;
    script->is_found = true;
  }
  return result;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  static int (*real)(int, int, int, const void *, socklen_t);

  if (real == NULL)
    *(void **)&real = next("setsockopt");
  if (CALLED_BY_ADDON() && is_watched(fd) && fails(KIND_SETSOCKOPT, NULL))
    return -1;
  return real(fd, level, name, value, len);
}

int shutdown(int fd, int how) {
  static int (*real)(int, int);

  if (real == NULL)
    *(void **)&real = next("shutdown");
  if (CALLED_BY_ADDON() && is_watched(fd) && fails(KIND_SHUTDOWN, NULL))
    return -1;
  return real(fd, how);
}

/* The descriptor is gone whatever close() returns, as on Linux. */
int close(int fd) {
  static int (*real)(int);
  int result;

  if (real == NULL)
    *(void **)&real = next("close");
  if (!CALLED_BY_ADDON() || !is_watched(fd))
    return real(fd);
  script->fd = -1;
  result = real(fd);
  return fails(KIND_CLOSE, NULL) ? -1 : result;
}

/*
 * libuv's, for the descriptor: it tries whether that can be polled, and the
 * addon is told. When it polls, a failure is the end of the process.
 */
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
  static int (*real)(int, int, int, struct epoll_event *);

  if (real == NULL)
    *(void **)&real = next("epoll_ctl");
  if (operation == EPOLL_CTL_ADD && is_watched(fd) &&
      fails(KIND_EPOLL_CTL, NULL))
    return -1;
  return real(epoll, operation, fd, event);
}

/* libuv's, for the server. */
int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
  static int (*real)(int, struct sockaddr *, socklen_t *, int);
  const int size = SEND_BUFFER;
  int accepted;

  if (real == NULL)
    *(void **)&real = next("accept4");
  if (script->is_armed && fails(KIND_ACCEPT, NULL))
    return -1;
  accepted = real(fd, address, len, flags);
  if (accepted >= 0)
    (void)setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  return accepted;
}

/* Memory: blocks of the addon have a header, all others are as ever. */

static uintptr_t mark_of(const header_t *header) {
  return (uintptr_t)header ^ MARK;
}

/*
 * The header of a block; NULL if it is not the addon's. What malloc() keeps is
 * before any other block, so that there is something to be read.
 */
__attribute__((no_sanitize("address"))) static header_t *
header_of(void *block) {
  header_t *header = (header_t *)block - 1;

  return header->mark == mark_of(header) ? header : NULL;
}

static void count_blocks(int64_t blocks, int64_t bytes) {
  __atomic_add_fetch(&script->blocks, blocks, __ATOMIC_RELAXED);
  __atomic_add_fetch(&script->bytes, bytes, __ATOMIC_RELAXED);
}

static void *allocate(size_t size, kind_t kind, int byte) {
  header_t *header = NULL;

  if (!is_faulty(KIND_MEMORY) && !is_faulty(kind) &&
      size <= SIZE_MAX - sizeof(*header))
    header = __libc_malloc(sizeof(*header) + size);
  if (header == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  *header = (header_t){mark_of(header), size};
  count_blocks(1, (int64_t)size);
  return memset(header + 1, byte, size);
}

static void release(header_t *header) {
  count_blocks(-1, -(int64_t)header->size);
  memset(header + 1, FREED_BYTE, header->size);
  header->mark = 0;
  __libc_free(header);
}

void *malloc(size_t size) {
  return CALLED_BY_ADDON() ? allocate(size, KIND_MALLOC, NEW_BYTE)
                           : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  size_t product;

  if (!CALLED_BY_ADDON())
    return __libc_calloc(count, size);
  if (__builtin_mul_overflow(count, size, &product))
    product = SIZE_MAX;
  return allocate(product, KIND_CALLOC, 0);
}

/* The addon's always moves. */
void *realloc(void *block, size_t size) {
  header_t *old = block == NULL ? NULL : header_of(block);
  void *moved;

  if (!CALLED_BY_ADDON() && old == NULL)
    return __libc_realloc(block, size);
  moved = allocate(size, KIND_REALLOC, NEW_BYTE);
  if (moved != NULL && old != NULL) {
    memcpy(moved, block, old->size < size ? old->size : size);
    release(old);
  }
  return moved;
}

void free(void *block) {
  header_t *header = block == NULL ? NULL : header_of(block);

  if (header != NULL)
    release(header);
  else
    __libc_free(block);
}
