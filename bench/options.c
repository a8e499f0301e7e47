#define _GNU_SOURCE

#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void set_type(traffic_t *traffic, const char *text) {
  traffic->is_json = strcmp(text, "json") == 0;
  if (traffic->is_json || strcmp(text, "text") == 0) {
    traffic->opcode = OPCODE_TEXT;
  } else if (strcmp(text, "binary") == 0) {
    traffic->opcode = OPCODE_BINARY;
  } else {
    fail("--type: '%s' is neither text nor json nor binary", text);
  }
}

static const deflate_t *parse_deflate(const char *text) {
#ifdef WITH_DEFLATE
  if (strcmp(text, "takeover") == 0) {
    return &deflate_takeover;
  }
  if (strcmp(text, "no-takeover") == 0) {
    return &deflate_no_takeover;
  }
  fail("--deflate: '%s' is neither takeover nor no-takeover", text);
#else
  fail("--deflate %s: this program was compiled without it", text);
#endif
}

static void set_option(options_t *options, const char *name,
                       const char *value) {
  traffic_t *traffic = &options->traffic;
  if (strcmp(name, "host") == 0) {
    options->host = value;
  } else if (strcmp(name, "port") == 0) {
    parse_count(name, value, 1, UINT16_MAX);
    options->port = value;
  } else if (strcmp(name, "path") == 0) {
    options->path = value;
  } else if (strcmp(name, "connections") == 0) {
    options->connections = parse_count(name, value, 1, 200000);
  } else if (strcmp(name, "in-flight") == 0) {
    traffic->in_flight = parse_count(name, value, 1, 65536);
  } else if (strcmp(name, "size") == 0) {
    traffic->size = parse_count(name, value, 0, 1 << 28);
  } else if (strcmp(name, "type") == 0) {
    set_type(traffic, value);
  } else if (strcmp(name, "deflate") == 0) {
    traffic->deflate = parse_deflate(value);
  } else if (strcmp(name, "warmup") == 0) {
    options->warmup = parse_number(name, value, 0, 3600);
  } else if (strcmp(name, "duration") == 0) {
    options->duration = parse_number(name, value, 0, 3600);
  } else if (strcmp(name, "messages") == 0) {
    options->messages = parse_count(name, value, 1, 1 << 30);
  } else if (strcmp(name, "tls") == 0) {
#ifdef WITH_TLS
    options->transport = &tls_transport;
#else
    fail("--tls: this program was compiled without TLS");
#endif
  } else {
    options->pid = (pid_t)parse_count(name, value, 1, INT32_MAX);
  }
}

void parse_options(options_t *options, int argc, char **argv) {
  static const struct option names[] = {
      {"host", required_argument, NULL, 0},
      {"port", required_argument, NULL, 0},
      {"path", required_argument, NULL, 0},
      {"connections", required_argument, NULL, 0},
      {"in-flight", required_argument, NULL, 0},
      {"size", required_argument, NULL, 0},
      {"type", required_argument, NULL, 0},
      {"deflate", required_argument, NULL, 0},
      {"warmup", required_argument, NULL, 0},
      {"duration", required_argument, NULL, 0},
      {"messages", required_argument, NULL, 0},
      {"tls", no_argument, NULL, 0},
      {"pid", required_argument, NULL, 0},
      {NULL, 0, NULL, 0},
  };
  int found = 0;
  int result;
  while ((result = getopt_long(argc, argv, "", names, &found)) == 0) {
    set_option(options, names[found].name, optarg);
  }
  if (result != -1) {
    exit(EXIT_FAILURE);
  }
  if (optind < argc) {
    fail("unexpected argument '%s'", argv[optind]);
  }
  if (options->port == NULL || options->pid == 0) {
    fail("--port and --pid are needed");
  }
  if (options->traffic.deflate != NULL && !options->traffic.is_json) {
    fail("--deflate needs --type json");
  }
  if (options->messages > 0 && options->messages < options->traffic.in_flight) {
    fail("--messages has to be at least --in-flight");
  }
}
