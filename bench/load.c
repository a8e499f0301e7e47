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

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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
  HANDSHAKE_SECONDS = 5,
  DRAIN_SECONDS = 5,
  MAX_EVENTS = 1024,
  RECEIVE_SIZE = 512 * 1024
};

/* The sample of RFC 6455, 1.3, saves this program a SHA-1. */
static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char accept_key[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

typedef struct {
  const char *host;
  const char *port;
  const char *path;
  uint32_t connections;
  double warmup;
  double duration;
  pid_t pid;
} options_t;

typedef struct {
  options_t options;
  const transport_t *transport;
  traffic_t traffic;
  client_t *clients;
  int epoll_fd;
  clockid_t server_clock;
  uint8_t *receive_buf;
  uint64_t echoes;
  uint64_t outstanding;
  bool draining;
} load_t;

typedef struct {
  double wall;
  double server_cpu;
  double load_cpu;
  uint64_t echoes;
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
  const transport_t *transport = load->transport;
  ssize_t sent =
      transport->send(&client->channel, client_unsent(client), client->unsent);
  if (sent >= 0) {
    client_sent(client, &load->traffic, (size_t)sent);
  } else if (errno != EAGAIN && errno != EINTR) {
    fail("connection %" PRIu32 ": send: %s", client->index, strerror(errno));
  }
  bool writable = client->unsent > 0 || transport->has_unsent(&client->channel);
  if (writable != client->waits_for_writable) {
    watch(load, client, EPOLL_CTL_MOD, writable);
  }
}

static void send_messages(load_t *load, client_t *client, uint32_t count) {
  client_queue(client, &load->traffic, count);
  load->outstanding += count;
  flush(load, client);
}

static void on_readable(load_t *load, client_t *client) {
  const transport_t *transport = load->transport;
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
    completed += client_receive(client, &load->traffic, load->receive_buf,
                                (size_t)received);
    /* This ends: nothing is sent here that could be echoed. */
  } while (transport->has_unread(&client->channel));
  load->echoes += completed;
  load->outstanding -= completed;
  if (completed > 0 && !load->draining) {
    send_messages(load, client, completed);
  }
}

/* Serves the sockets until the deadline, or while draining until nothing is
   outstanding. */
static void run_until(load_t *load, double deadline) {
  static struct epoll_event events[MAX_EVENTS];
  while (!load->draining || load->outstanding > 0) {
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

/* Sends the opening handshake and checks the answer. The socket is blocking up
   to here, and the server has nothing to say after its answer. */
static void upgrade(const load_t *load, client_t *client) {
  const options_t *options = &load->options;
  const transport_t *transport = load->transport;
  char request[1024];
  int request_len = snprintf(request, sizeof request,
                             "GET %s HTTP/1.1\r\n"
                             "Host: %s:%s\r\n"
                             "Upgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Key: %s\r\n"
                             "Sec-WebSocket-Version: 13\r\n\r\n",
                             options->path, options->host, options->port, key);
  if (request_len < 0 || (size_t)request_len >= sizeof request) {
    fail("host and path are too long");
  }
  if (transport->send(&client->channel, (const uint8_t *)request,
                      (size_t)request_len) != request_len) {
    fail("connection %" PRIu32 ": handshake: %s", client->index,
         strerror(errno));
  }
  char response[4096];
  size_t len = 0;
  char *end = NULL;
  while (end == NULL) {
    ssize_t received = transport->receive(
        &client->channel, (uint8_t *)response + len, sizeof response - 1 - len);
    if (received < 0 && errno == EAGAIN) {
      fail("connection %" PRIu32 ": no answer to the handshake within %d s",
           client->index, HANDSHAKE_SECONDS);
    }
    if (received <= 0) {
      fail("connection %" PRIu32 ": no complete answer to the handshake: %s",
           client->index,
           received < 0 ? strerror(errno) : "the server ended it");
    }
    len += (size_t)received;
    response[len] = '\0';
    end = strstr(response, "\r\n\r\n");
  }
  if (strncmp(response, "HTTP/1.1 101 ", 13) != 0) {
    fail("connection %" PRIu32 ": the server refused it: %.*s", client->index,
         (int)strcspn(response, "\r\n"), response);
  }
  if (strstr(response, accept_key) == NULL) {
    fail("connection %" PRIu32 ": wrong Sec-WebSocket-Accept", client->index);
  }
  if (end + 4 != response + len) {
    fail("connection %" PRIu32 ": the server spoke first", client->index);
  }
}

static void connect_clients(load_t *load) {
  const options_t *options = &load->options;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *address;
  int error = getaddrinfo(options->host, options->port, &hints, &address);
  if (error != 0) {
    fail("%s: %s", options->host, gai_strerror(error));
  }
  uint8_t *payload = traffic_payload(&load->traffic);
  for (uint32_t i = 0; i < options->connections; i++) {
    client_t *client = &load->clients[i];
    client->index = i;
    client->channel.fd = connect_socket(address);
    load->transport->open(&client->channel);
    upgrade(load, client);
    client_encode(client, &load->traffic, payload);
    if (fcntl(client->channel.fd, F_SETFL, O_NONBLOCK) != 0) {
      fail("fcntl: %s", strerror(errno));
    }
    watch(load, client, EPOLL_CTL_ADD, false);
  }
  free(payload);
  freeaddrinfo(address);
}

static double parse_number(const char *name, const char *text, double min,
                           double max) {
  char *end;
  double number = strtod(text, &end);
  if (end == text || *end != '\0' || !(number >= min && number <= max)) {
    fail("--%s: '%s' is not a number from %.0f to %.0f", name, text, min, max);
  }
  return number;
}

static uint32_t parse_count(const char *name, const char *text, uint32_t min,
                            uint32_t max) {
  double number = parse_number(name, text, min, max);
  uint32_t count = (uint32_t)number;
  if (number != count) {
    fail("--%s: '%s' is not a whole number", name, text);
  }
  return count;
}

static uint8_t parse_type(const char *text) {
  if (strcmp(text, "text") == 0) {
    return OPCODE_TEXT;
  }
  if (strcmp(text, "binary") == 0) {
    return OPCODE_BINARY;
  }
  fail("--type: '%s' is neither text nor binary", text);
}

static void set_option(load_t *load, const char *name, const char *value) {
  options_t *options = &load->options;
  traffic_t *traffic = &load->traffic;
  if (strcmp(name, "host") == 0) {
    options->host = value;
  } else if (strcmp(name, "port") == 0) {
    parse_count(name, value, 1, UINT16_MAX);
    options->port = value;
  } else if (strcmp(name, "path") == 0) {
    options->path = value;
  } else if (strcmp(name, "connections") == 0) {
    options->connections = parse_count(name, value, 1, 20000);
  } else if (strcmp(name, "in-flight") == 0) {
    traffic->in_flight = parse_count(name, value, 1, 65536);
  } else if (strcmp(name, "size") == 0) {
    traffic->size = parse_count(name, value, 0, 1 << 28);
  } else if (strcmp(name, "type") == 0) {
    traffic->opcode = parse_type(value);
  } else if (strcmp(name, "warmup") == 0) {
    options->warmup = parse_number(name, value, 0, 3600);
  } else if (strcmp(name, "duration") == 0) {
    options->duration = parse_number(name, value, 0, 3600);
  } else if (strcmp(name, "tls") == 0) {
#ifdef WITH_TLS
    load->transport = &tls_transport;
#else
    fail("--tls: this program was compiled without TLS");
#endif
  } else {
    options->pid = (pid_t)parse_count(name, value, 1, INT32_MAX);
  }
}

static void parse_options(load_t *load, int argc, char **argv) {
  static const struct option names[] = {
      {"host", required_argument, NULL, 0},
      {"port", required_argument, NULL, 0},
      {"path", required_argument, NULL, 0},
      {"connections", required_argument, NULL, 0},
      {"in-flight", required_argument, NULL, 0},
      {"size", required_argument, NULL, 0},
      {"type", required_argument, NULL, 0},
      {"warmup", required_argument, NULL, 0},
      {"duration", required_argument, NULL, 0},
      {"tls", no_argument, NULL, 0},
      {"pid", required_argument, NULL, 0},
      {NULL, 0, NULL, 0},
  };
  int found = 0;
  int result;
  while ((result = getopt_long(argc, argv, "", names, &found)) == 0) {
    set_option(load, names[found].name, optarg);
  }
  if (result != -1) {
    exit(EXIT_FAILURE);
  }
  if (optind < argc) {
    fail("unexpected argument '%s'", argv[optind]);
  }
  if (load->options.port == NULL || load->options.pid == 0) {
    fail("--port and --pid are needed");
  }
}

static void prepare(load_t *load) {
  const options_t *options = &load->options;
  traffic_init(&load->traffic);
  if (2.0 * (double)load->traffic.ring_len * options->connections > 1 << 30) {
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

static void report(const load_t *load, sample_t from, sample_t to) {
  double wall = to.wall - from.wall;
  double cpu = to.server_cpu - from.server_cpu;
  uint64_t messages = to.echoes - from.echoes;
  printf("{\"messages\":%" PRIu64 ",\"wall\":%.6f,\"cpu\":%.6f,"
         "\"perCpuSecond\":%.1f,\"perSecond\":%.1f,\"loadCpu\":%.6f,"
         "\"errors\":%" PRIu64 "}\n",
         messages, wall, cpu, cpu > 0 ? (double)messages / cpu : 0,
         wall > 0 ? (double)messages / wall : 0, to.load_cpu - from.load_cpu,
         load->outstanding);
}

int main(int argc, char **argv) {
  load_t load = {
      .options = {.host = "127.0.0.1",
                  .path = "/",
                  .connections = 64,
                  .warmup = 1,
                  .duration = 3},
      .transport = &plain_transport,
      .traffic = {.opcode = OPCODE_BINARY, .size = 64, .in_flight = 1},
  };
  const options_t *options = &load.options;
  parse_options(&load, argc, argv);
  prepare(&load);
  connect_clients(&load);
  for (uint32_t i = 0; i < options->connections; i++) {
    send_messages(&load, &load.clients[i], load.traffic.in_flight);
  }
  run_until(&load, seconds(CLOCK_MONOTONIC) + options->warmup);
  sample_t from = take_sample(&load);
  run_until(&load, from.wall + options->duration);
  sample_t to = take_sample(&load);
  load.draining = true;
  run_until(&load, to.wall + DRAIN_SECONDS);
  report(&load, from, to);
  if (load.outstanding > 0) {
    fail("%" PRIu64 " messages were not echoed within %d s of the last one",
         load.outstanding, DRAIN_SECONDS);
  }
  if (to.echoes == from.echoes) {
    fail("no echo within the measured window");
  }
  return EXIT_SUCCESS;
}
