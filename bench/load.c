/* Load generator for WebSocket echo servers, for Linux.
 *
 * Opens a number of connections, keeps a fixed number of messages on the way
 * on each of them, and reports how many echoes the server sent back for each
 * second of its own CPU time. Whatever an echo server must not do (a lost,
 * changed or reordered message, another type, a control frame, the end of a
 * connection) ends the run with a message and exit status 1.
 *
 * One thread and one epoll set; it never waits for anything but the sockets.
 * All frames are encoded before the first is sent, so that the measured window
 * has nothing but sending, receiving and the comparison of what came back.
 */
#define _GNU_SOURCE

#include "client.h"
#include "handshake.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
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
  DRAIN_SECONDS = 5,
  MESSAGES_SECONDS = 600,
  MAX_EVENTS = 1024,
  RECEIVE_SIZE = 512 * 1024
};

typedef struct {
  options_t options;
  client_t *clients;
  int epoll_fd;
  clockid_t server_clock;
  uint8_t *receive_buf;
  uint64_t echoes;
  uint64_t received;
  uint64_t outstanding;
  /* Whether to end when nothing is outstanding. */
  bool is_finite;
} load_t;

typedef struct {
  double wall;
  double server_cpu;
  double load_cpu;
  uint64_t echoes;
  uint64_t received;
} sample_t;

static double seconds(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) {
    fail("cannot read a clock (has the server exited?): %s", strerror(errno));
  }
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The CPU clock of a process counts all its threads, ended ones included, in
   nanoseconds; /proc/PID/stat counts in hundredths of a second. */
static sample_t take_sample(const load_t *load) {
  return (sample_t){
      .wall = seconds(CLOCK_MONOTONIC),
      .server_cpu = seconds(load->server_clock),
      .load_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID),
      .echoes = load->echoes,
      .received = load->received,
  };
}

static void watch(const load_t *load, client_t *client, int operation,
                  bool writable) {
  struct epoll_event event = {
      .events = EPOLLIN | (writable ? EPOLLOUT : 0),
      .data.ptr = client,
  };
  if (epoll_ctl(load->epoll_fd, operation, client->channel.fd, &event) != 0) {
    fail("epoll_ctl: %s", strerror(errno));
  }
  client->waits_for_writable = writable;
}

/* Hands what is unsent to the transport in one call. What it or the socket does
   not take waits for the socket to become writable. */
static void flush(const load_t *load, client_t *client) {
  const transport_t *transport = load->options.transport;
  ssize_t sent =
      transport->send(&client->channel, client_unsent(client), client->unsent);
  if (sent >= 0) {
    client_sent(client, &load->options.traffic, (size_t)sent);
  } else if (errno != EAGAIN && errno != EINTR) {
    fail("connection %" PRIu32 ": send: %s", client->index, strerror(errno));
  }
  bool writable = client->unsent > 0 || transport->has_unsent(&client->channel);
  if (writable != client->waits_for_writable) {
    watch(load, client, EPOLL_CTL_MOD, writable);
  }
}

static void send_messages(load_t *load, client_t *client, uint32_t count) {
  if (load->is_finite) {
    client->quota -= count;
  }
  client_queue(client, &load->options.traffic, count);
  load->outstanding += count;
  flush(load, client);
}

static void on_readable(load_t *load, client_t *client) {
  const transport_t *transport = load->options.transport;
  uint32_t completed = 0;
  do {
    ssize_t received =
        transport->receive(&client->channel, load->receive_buf, RECEIVE_SIZE);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
      break;
    }
    if (received < 0) {
      fail("connection %" PRIu32 ": recv: %s", client->index, strerror(errno));
    }
    if (received == 0) {
      fail("connection %" PRIu32 ": the server ended it after %" PRIu64
           " echoes",
           client->index, client->echoes);
    }
    load->received += (uint64_t)received;
    completed += client_receive(client, &load->options.traffic,
                                load->receive_buf, (size_t)received);
    /* This ends: nothing is sent here that could be echoed. */
  } while (transport->has_unread(&client->channel));
  load->echoes += completed;
  load->outstanding -= completed;
  uint32_t next = completed < client->quota ? completed : client->quota;
  if (next > 0) {
    send_messages(load, client, next);
  }
}

/* Serves the sockets until the deadline, or while finite until nothing is
   outstanding. */
static void run_until(load_t *load, double deadline) {
  static struct epoll_event events[MAX_EVENTS];
  while (!load->is_finite || load->outstanding > 0) {
    double left = deadline - seconds(CLOCK_MONOTONIC);
    if (left <= 0) {
      return;
    }
    int count = epoll_wait(load->epoll_fd, events, MAX_EVENTS,
                           left < 1 ? (int)(left * 1000) + 1 : 1000);
    if (count < 0 && errno != EINTR) {
      fail("epoll_wait: %s", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
      client_t *client = events[i].data.ptr;
      if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
        on_readable(load, client);
      }
      if ((events[i].events & EPOLLOUT) != 0 && client->waits_for_writable) {
        flush(load, client);
      }
    }
  }
}

static int connect_socket(const struct addrinfo *address) {
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    fail("socket: %s", strerror(errno));
  }
  struct timeval limit = {.tv_sec = HANDSHAKE_SECONDS};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    fail("TCP_NODELAY: %s", strerror(errno));
  }
  if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
    fail("connect: %s", strerror(errno));
  }
  return fd;
}

static void connect_clients(load_t *load) {
  const options_t *options = &load->options;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *address;
  int error = getaddrinfo(options->host, options->port, &hints, &address);
  if (error != 0) {
    fail("%s: %s", options->host, gai_strerror(error));
  }
  uint8_t *payload = traffic_payload(&load->options.traffic);
  for (uint32_t i = 0; i < options->connections; i++) {
    client_t *client = &load->clients[i];
    client->index = i;
    client->channel.fd = connect_socket(address);
    load->options.transport->open(&client->channel);
    handshake(options, client);
    client_encode(client, &load->options.traffic, payload);
    if (fcntl(client->channel.fd, F_SETFL, O_NONBLOCK) != 0) {
      fail("fcntl: %s", strerror(errno));
    }
    watch(load, client, EPOLL_CTL_ADD, false);
  }
  free(payload);
  freeaddrinfo(address);
}

static void prepare(load_t *load) {
  const options_t *options = &load->options;
  const traffic_t *traffic = &options->traffic;
  traffic_init(&load->options.traffic);
  double copies = traffic->deflate != NULL ? 4 : 2;
  if (copies * (double)traffic->ring_size * options->connections > 1 << 30) {
    fail("connections x in-flight x size is too much: all frames are kept in "
         "memory, twice, and the limit is 1 GiB");
  }
  int error = clock_getcpuclockid(options->pid, &load->server_clock);
  if (error != 0) {
    fail("process %d: %s", (int)options->pid, strerror(error));
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  load->clients = allocate(options->connections, sizeof *load->clients);
  load->receive_buf = allocate(RECEIVE_SIZE, 1);
  load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (load->epoll_fd < 0) {
    fail("epoll_create1: %s", strerror(errno));
  }
}

static void report(sample_t from, sample_t to) {
  double wall = to.wall - from.wall;
  double cpu = to.server_cpu - from.server_cpu;
  uint64_t messages = to.echoes - from.echoes;
  printf("{\"messages\":%" PRIu64 ",\"wall\":%.6f,\"cpu\":%.6f,"
         "\"perCpuSecond\":%.1f,\"perSecond\":%.1f,\"loadCpu\":%.6f,"
         "\"echoSize\":%.1f}\n",
         messages, wall, cpu, cpu > 0 ? (double)messages / cpu : 0,
         wall > 0 ? (double)messages / wall : 0, to.load_cpu - from.load_cpu,
         messages > 0 ? (double)(to.received - from.received) / (double)messages
                      : 0);
}

/* Lets each connection send `quota` more messages, and the first of them. */
static void start_messages(load_t *load, uint32_t quota) {
  for (uint32_t i = 0; i < load->options.connections; i++) {
    client_t *client = &load->clients[i];
    client->quota = quota;
    send_messages(load, client, load->options.traffic.in_flight);
  }
}

/* Waits for what is outstanding. */
static void drain(load_t *load, double limit) {
  run_until(load, seconds(CLOCK_MONOTONIC) + limit);
  if (load->outstanding > 0) {
    fail("%" PRIu64 " messages were not echoed within %.0f s",
         load->outstanding, limit);
  }
}

/* Loads the server for the measured window. */
static void run_window(load_t *load) {
  const options_t *options = &load->options;
  start_messages(load, UINT32_MAX);
  run_until(load, seconds(CLOCK_MONOTONIC) + options->warmup);
  sample_t from = take_sample(load);
  run_until(load, from.wall + options->duration);
  sample_t to = take_sample(load);
  load->is_finite = true;
  for (uint32_t i = 0; i < options->connections; i++) {
    load->clients[i].quota = 0;
  }
  drain(load, DRAIN_SECONDS);
  report(from, to);
  if (to.echoes == from.echoes) {
    fail("no echo within the measured window");
  }
}

/* Loads the server with a number of messages at each line that it reads, and
   says when they are echoed, with the mean of the bytes that came for each. The
   connections stay until the input ends. */
static void run_on_demand(load_t *load) {
  load->is_finite = true;
  printf("connected\n");
  fflush(stdout);
  int byte;
  while ((byte = getchar()) != EOF) {
    if (byte == '\n') {
      uint64_t echoes = load->echoes;
      uint64_t received = load->received;
      start_messages(load, load->options.messages);
      drain(load, MESSAGES_SECONDS);
      printf("echoed %.1f\n", (double)(load->received - received) /
                                  (double)(load->echoes - echoes));
      fflush(stdout);
    }
  }
}

int main(int argc, char **argv) {
  load_t load = {
      .options = {.host = "127.0.0.1",
                  .path = "/",
                  .transport = &plain_transport,
                  .traffic = {.opcode = OPCODE_BINARY,
                              .size = 64,
                              .in_flight = 1},
                  .connections = 64,
                  .warmup = 1,
                  .duration = 3},
  };
  parse_options(&load.options, argc, argv);
  prepare(&load);
  connect_clients(&load);
  if (load.options.messages > 0) {
    run_on_demand(&load);
  } else {
    run_window(&load);
  }
  return EXIT_SUCCESS;
}
