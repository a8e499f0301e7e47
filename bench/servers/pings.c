/* The limit: a WebSocket server that does nothing but send a ping to each of
 * its clients, again and again, and read what they answer. No checks, no API,
 * nobody is given up. It speaks only to idle.c: see epoll.c.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 1024, MAX_CLIENTS = 200000, REQUEST_SIZE = 4096 };

/* Its Sec-WebSocket-Accept is that of the sample of RFC 6455, 1.3. */
static const char response[] =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const uint8_t ping[2] = {0x89, 0};

static int clients[MAX_CLIENTS];
static size_t client_count;

static void die(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static void watch(int epoll_fd, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
    die("epoll_ctl");
  }
}

static int64_t milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* A client sends its request, in one piece, before it is sent a ping. */
static void accept_client(int epoll_fd, int listener) {
  static char request[REQUEST_SIZE];
  int on = 1;
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0 || client_count == MAX_CLIENTS ||
      recv(fd, request, sizeof request, 0) <= 0 ||
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      send(fd, response, sizeof response - 1, MSG_NOSIGNAL) < 0) {
    die("accept");
  }
  clients[client_count++] = fd;
  watch(epoll_fd, fd);
}

static void receive(int epoll_fd, int listener, int timeout) {
  static struct epoll_event events[MAX_EVENTS];
  static uint8_t pong[REQUEST_SIZE];
  int count = epoll_wait(epoll_fd, events, MAX_EVENTS, timeout);
  for (int i = 0; i < count; i++) {
    int fd = events[i].data.fd;
    if (fd == listener) {
      accept_client(epoll_fd, listener);
    } else if (recv(fd, pong, sizeof pong, MSG_DONTWAIT) <= 0) {
      /* The client has ended, and this program is ended soon. */
      epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
  }
}

static int listen_on(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
      .sin_port = htons(port),
  };
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
      listen(fd, SOMAXCONN) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
    die("listen");
  }
  printf("listening %u\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

/* Arguments: milliseconds between two pings to a client, and the port. */
int main(int argc, char **argv) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  int64_t interval = argc > 1 ? atoi(argv[1]) : 0;
  int listener = listen_on(argc > 2 ? (uint16_t)atoi(argv[2]) : 0);
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(epoll_fd, listener);
  for (int64_t due = milliseconds() + interval;; due += interval) {
    int64_t left;
    while ((left = due - milliseconds()) > 0) {
      receive(epoll_fd, listener, (int)left);
    }
    for (size_t i = 0; i < client_count; i++) {
      send(clients[i], ping, sizeof ping, MSG_NOSIGNAL);
    }
  }
}
