/* One system call for each direction, as without TLS: OpenSSL by itself reads
 * the header and the rest of a record in two calls, and writes each record in
 * one of its own. So reads go ahead into a large buffer, and records to send
 * gather in a buffer in front of the socket.
 */
#include "client.h"
#include "transport.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>

enum { READ_SIZE = 256 * 1024, WRITE_SIZE = 256 * 1024 };

/* Why the last call of OpenSSL failed. */
static const char *reason(void) {
  const char *text = ERR_reason_error_string(ERR_peek_last_error());
  return text != NULL ? text : strerror(errno);
}

static SSL_CTX *make_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL ||
      SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1) {
    fail("OpenSSL: %s", reason());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, READ_SIZE);
  /* Session tickets come after the handshake, with nothing to be read behind
     them. Auto-retry passes over them, and is OpenSSL's default. */
  SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY |
                                SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  /* OpenSSL has no MSG_NOSIGNAL. */
  signal(SIGPIPE, SIG_IGN);
  return context;
}

/* Turns what OpenSSL says of a call that moved no bytes into what send() and
   recv() say. Bytes that make no sense as TLS end the program. */
static ssize_t socket_result(SSL *ssl, int result) {
  int error = SSL_get_error(ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
    return -1;
  }
  if (error == SSL_ERROR_ZERO_RETURN) {
    return 0;
  }
  if (error != SSL_ERROR_SYSCALL) {
    fail("TLS: %s", reason());
  }
  return -1;
}

static void tls_open(channel_t *channel) {
  static SSL_CTX *context;
  if (context == NULL) {
    context = make_context();
  }
  SSL *ssl = SSL_new(context);
  BIO *in = BIO_new_socket(channel->fd, BIO_NOCLOSE);
  BIO *out = BIO_new_socket(channel->fd, BIO_NOCLOSE);
  BIO *gather = BIO_new(BIO_f_buffer());
  if (ssl == NULL || in == NULL || out == NULL || gather == NULL ||
      BIO_set_write_buffer_size(gather, WRITE_SIZE) != 1) {
    fail("OpenSSL: %s", reason());
  }
  SSL_set_bio(ssl, in, BIO_push(gather, out));
  errno = 0;
  ERR_clear_error();
  int result = SSL_connect(ssl);
  if (result != 1) {
    ssize_t ended = socket_result(ssl, result);
    fail("TLS handshake: %s", ended == 0        ? "the server ended it"
                              : errno == EAGAIN ? "no answer in time"
                                                : strerror(errno));
  }
  channel->session = ssl;
}

static ssize_t tls_send(channel_t *channel, const uint8_t *bytes, size_t len) {
  SSL *ssl = channel->session;
  size_t taken = 0;
  ERR_clear_error();
  while (taken < len) {
    size_t part;
    int result = SSL_write_ex(ssl, bytes + taken, len - taken, &part);
    if (result != 1) {
      ssize_t error = socket_result(ssl, result);
      return taken > 0 && errno == EAGAIN ? (ssize_t)taken : error;
    }
    taken += part;
  }
  BIO *out = SSL_get_wbio(ssl);
  if (BIO_flush(out) != 1 && !BIO_should_retry(out)) {
    return -1;
  }
  return (ssize_t)taken;
}

static ssize_t tls_receive(channel_t *channel, uint8_t *buf, size_t size) {
  SSL *ssl = channel->session;
  size_t received;
  ERR_clear_error();
  int result = SSL_read_ex(ssl, buf, size, &received);
  return result == 1 ? (ssize_t)received : socket_result(ssl, result);
}

static bool tls_has_unsent(const channel_t *channel) {
  return BIO_wpending(SSL_get_wbio(channel->session)) > 0;
}

/* Unlike SSL_pending(), this counts records that were read ahead and are still
   encrypted. */
static bool tls_has_unread(const channel_t *channel) {
  return SSL_has_pending(channel->session) == 1;
}

const transport_t tls_transport = {
    .open = tls_open,
    .send = tls_send,
    .receive = tls_receive,
    .has_unsent = tls_has_unsent,
    .has_unread = tls_has_unread,
};
