#define _GNU_SOURCE

#include "handshake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The sample of RFC 6455, 1.3, saves this program a SHA-1. */
static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char accept_key[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/* Checks what the server says to the offer of compression. The parameters that
   it may add concern what it sends, and this client inflates any of that. */
static void check_extensions(const client_t *client, const deflate_t *deflate,
                             const char *response) {
  static const char name[] = "\r\nSec-WebSocket-Extensions:";
  const char *header = strcasestr(response, name);
  if (deflate == NULL) {
    if (header != NULL) {
      fail("connection %" PRIu32 ": an extension that was not offered",
           client->index);
    }
    return;
  }
  if (header == NULL) {
    fail("connection %" PRIu32 ": the server has not accepted compression",
         client->index);
  }
  char answer[256];
  header += sizeof name - 1;
  header += strspn(header, " ");
  snprintf(answer, sizeof answer, "%.*s", (int)strcspn(header, "\r"), header);
  bool takeover = strstr(answer, "server_no_context_takeover") == NULL;
  if (strncmp(answer, "permessage-deflate", 18) != 0 ||
      strchr(answer, ',') != NULL ||
      strstr(answer, "client_max_window_bits") != NULL) {
    fail("connection %" PRIu32 ": the offer '%s' does not allow '%s'",
         client->index, deflate->offer, answer);
  }
  if (takeover != deflate->takeover) {
    fail("connection %" PRIu32 ": the server compresses %s context takeover: "
         "'%s'",
         client->index, takeover ? "with" : "without", answer);
  }
}

void handshake(const options_t *options, client_t *client) {
  const transport_t *transport = options->transport;
  const deflate_t *deflate = options->traffic.deflate;
  char request[1024];
  int request_len = snprintf(
      request, sizeof request,
      "GET %s HTTP/1.1\r\n"
      "Host: %s:%s\r\n"
      "Upgrade: websocket\r\n"
      "Connection: Upgrade\r\n"
      "Sec-WebSocket-Key: %s\r\n"
      "Sec-WebSocket-Version: 13\r\n"
      "%s%s%s\r\n",
      options->path, options->host, options->port, key,
      deflate != NULL ? "Sec-WebSocket-Extensions: " : "",
      deflate != NULL ? deflate->offer : "", deflate != NULL ? "\r\n" : "");
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
  check_extensions(client, deflate, response);
  if (end + 4 != response + len) {
    fail("connection %" PRIu32 ": the server spoke first", client->index);
  }
}
