/* Idle clients of a WebSocket server, for Linux.
 *
 * Opens a number of connections that send nothing but the pongs to the server's
 * pings, and reports how much CPU time the server used meanwhile. Anything else
 * from the server, the end of a connection included, ends the run with a
 * message and exit status 1. Pings are answered while connections are still
 * opened.
 */
#define _GNU_SOURCE

#include "client.h"
#include "handshake.h"
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
  PING = 0x89,
  PONG = 0x8a,
  MASKED = 0x80,
  MAX_PAYLOAD = 125,
  MAX_EVENTS = 1024,
  /* Connections from each address of 127.0.0.0/8: there are not many more
     ports. */
  ADDRESS_CONNECTIONS = 10000,
  /* Connections that are opened before pings are answered again. */
  BATCH = 10
};

typedef struct {
  client_t client;
  /* The frame that is being received. */
  uint8_t len;
  uint8_t frame[2 + MAX_PAYLOAD];
} idle_t;

typedef struct {
  options_t options;
  idle_t *clients;
  int epoll_fd;
  clockid_t server_clock;
  uint64_t pings;
} run_t;

typedef struct {
  double wall;
  double server_cpu;
  double own_cpu;
  uint64_t pings;
} sample_t;

static double seconds(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) {
    fail("cannot read a clock (has the server exited?): %s", strerror(errno));
  }
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static sample_t take_sample(const run_t *run) {
  return (sample_t){
      .wall = seconds(CLOCK_MONOTONIC),
      .server_cpu = seconds(run->server_clock),
      .own_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID),
      .pings = run->pings,
  };
}

/* A mask of zeros is one as well (RFC 6455, 5.3). */
static void send_pong(idle_t *idle) {
  uint8_t pong[6 + MAX_PAYLOAD] = {PONG, (uint8_t)(MASKED | idle->frame[1])};
  size_t len = 6 + (size_t)idle->frame[1];
  memcpy(pong + 6, idle->frame + 2, idle->frame[1]);
  if (send(idle->client.channel.fd, pong, len, MSG_NOSIGNAL) != (ssize_t)len) {
    fail("connection %" PRIu32 ": cannot send a pong: %s", idle->client.index,
         strerror(errno));
  }
}

static void take_byte(run_t *run, idle_t *idle, uint8_t byte) {
  idle->frame[idle->len++] = byte;
  if (idle->len < 2) {
    if (byte != PING) {
      fail("connection %" PRIu32 ": not a ping: 0x%02x", idle->client.index,
           byte);
    }
    return;
  }
  if (idle->frame[1] > MAX_PAYLOAD) {
    fail("connection %" PRIu32 ": a ping with a length of %d",
         idle->client.index, idle->frame[1]);
  }
  if (idle->len == 2 + idle->frame[1]) {
    send_pong(idle);
    run->pings++;
    idle->len = 0;
  }
}

static void on_readable(run_t *run, idle_t *idle) {
  uint8_t bytes[4096];
  ssize_t received = recv(idle->client.channel.fd, bytes, sizeof bytes, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (received <= 0) {
    fail("connection %" PRIu32 ": %s", idle->client.index,
         received < 0 ? strerror(errno) : "the server ended it");
  }
  for (ssize_t i = 0; i < received; i++) {
    take_byte(run, idle, bytes[i]);
  }
}

/* Answers pings until the deadline, and at least those that are there. */
static void run_until(run_t *run, double deadline) {
  static struct epoll_event events[MAX_EVENTS];
  double left;
  int count;
  do {
    left = deadline - seconds(CLOCK_MONOTONIC);
    count = epoll_wait(run->epoll_fd, events, MAX_EVENTS,
                       left > 0 ? (int)(left * 1000) + 1 : 0);
    if (count < 0 && errno != EINTR) {
      fail("epoll_wait: %s", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
      on_readable(run, events[i].data.ptr);
    }
  } while (left > 0 || count == MAX_EVENTS);
}

static int connect_socket(const options_t *options, uint32_t index) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    fail("socket: %s", strerror(errno));
  }
  int on = 1;
  struct timeval limit = {.tv_sec = HANDSHAKE_SECONDS};
  struct sockaddr_in from = {
      .sin_family = AF_INET,
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / ADDRESS_CONNECTIONS),
  };
  struct sockaddr_in to = {
      .sin_family = AF_INET,
      .sin_port = htons((uint16_t)atoi(options->port)),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) !=
          0 ||
      bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
      connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
    fail("connection %" PRIu32 ": %s", index, strerror(errno));
  }
  return fd;
}

static void connect_clients(run_t *run) {
  for (uint32_t i = 0; i < run->options.connections; i++) {
    idle_t *idle = &run->clients[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = idle};
    idle->client.index = i;
    idle->client.channel.fd = connect_socket(&run->options, i);
    handshake(&run->options, &idle->client);
    if (fcntl(idle->client.channel.fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, idle->client.channel.fd,
                  &event) != 0) {
      fail("connection %" PRIu32 ": %s", i, strerror(errno));
    }
    if (i % BATCH == 0) {
      run_until(run, 0);
    }
  }
}

static void prepare(run_t *run) {
  int error = clock_getcpuclockid(run->options.pid, &run->server_clock);
  if (error != 0) {
    fail("process %d: %s", (int)run->options.pid, strerror(error));
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  run->clients = allocate(run->options.connections, sizeof *run->clients);
  run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (run->epoll_fd < 0) {
    fail("epoll_create1: %s", strerror(errno));
  }
}

int main(int argc, char **argv) {
  run_t run = {
      .options = {.host = "127.0.0.1",
                  .path = "/",
                  .transport = &plain_transport,
                  .connections = 1000,
                  .warmup = 1,
                  .duration = 3},
  };
  parse_options(&run.options, argc, argv);
  prepare(&run);
  connect_clients(&run);
  run_until(&run, seconds(CLOCK_MONOTONIC) + run.options.warmup);
  sample_t from = take_sample(&run);
  run_until(&run, from.wall + run.options.duration);
  sample_t to = take_sample(&run);
  printf("{\"pings\":%" PRIu64 ",\"wall\":%.6f,\"cpu\":%.6f,"
         "\"loadCpu\":%.6f}\n",
         to.pings - from.pings, to.wall - from.wall,
         to.server_cpu - from.server_cpu, to.own_cpu - from.own_cpu);
  return EXIT_SUCCESS;
}
