#include "buffer.h"

#include "error.h"
#include "test.h"

/* Without this, AddressSanitizer ends the process when a size is too large. */
const char *sanitizer_options(void) __asm__("__asan_default_options");

const char *sanitizer_options(void) {
  return "allocator_may_return_null=1";
}

static void check_is_empty(const wsu_buffer_t *buffer) {
  CHECK(buffer->data == NULL);
  CHECK_EQ(buffer->capacity, 0);
  CHECK_EQ(wsu_buffer_length(buffer), 0);
  CHECK(wsu_buffer_bytes(buffer) == NULL);
}

static void append(wsu_buffer_t *buffer, test_bytes_t bytes) {
  CHECK_EQ(wsu_buffer_append(buffer, bytes.data, bytes.len), 0);
}

TEST("an empty buffer owns no memory") {
  wsu_buffer_t buffer = {0};

  check_is_empty(&buffer);
  wsu_buffer_consume(&buffer, 0);
  check_is_empty(&buffer);
  wsu_buffer_free(&buffer);
  check_is_empty(&buffer);
}

TEST("appending no bytes takes no memory") {
  wsu_buffer_t buffer = {0};

  CHECK_EQ(wsu_buffer_append(&buffer, NULL, 0), 0);
  check_is_empty(&buffer);
}

TEST("bytes come out in the order in which they went in") {
  wsu_buffer_t buffer = {0};

  append(&buffer, hex("010203"));
  append(&buffer, hex("0405"));
  wsu_buffer_consume(&buffer, 2);
  append(&buffer, hex("06"));
  CHECK_BYTES(wsu_buffer_bytes(&buffer), wsu_buffer_length(&buffer),
              hex("03040506"));
  wsu_buffer_free(&buffer);
}

TEST("what is reserved counts only once it is committed") {
  wsu_buffer_t buffer = {0};
  uint8_t *dest = wsu_buffer_reserve(&buffer, 4, 0);

  CHECK_EQ(wsu_buffer_length(&buffer), 0);
  memcpy(dest, "\x01\x02\x03\x04", 4);
  wsu_buffer_commit(&buffer, 3);
  CHECK_BYTES(wsu_buffer_bytes(&buffer), wsu_buffer_length(&buffer),
              hex("010203"));
  wsu_buffer_free(&buffer);
}

TEST("room for no bytes is not a failure") {
  wsu_buffer_t buffer = {0};

  CHECK(wsu_buffer_reserve(&buffer, 0, 0) != NULL);
  wsu_buffer_free(&buffer);
}

TEST("an emptied buffer gives its memory back and can be used again") {
  wsu_buffer_t buffer = {0};

  append(&buffer, hex("61*100000"));
  wsu_buffer_consume(&buffer, 99999);
  CHECK(buffer.data != NULL);
  wsu_buffer_consume(&buffer, 1);
  check_is_empty(&buffer);
  append(&buffer, hex("62"));
  CHECK_BYTES(wsu_buffer_bytes(&buffer), wsu_buffer_length(&buffer), hex("62"));
  wsu_buffer_free(&buffer);
  check_is_empty(&buffer);
}

TEST("growth doubles, so that small pieces are copied seldom") {
  wsu_buffer_t buffer = {0};
  size_t growths = 0;
  size_t capacity = 0;

  for (size_t i = 0; i < 100000; i++) {
    wsu_buffer_append(&buffer, (const uint8_t *)"a", 1);
    if (buffer.capacity != capacity)
      growths++;
    capacity = buffer.capacity;
  }
  CHECK_EQ(wsu_buffer_length(&buffer), 100000);
  CHECK(growths <= 10);
  CHECK(buffer.capacity <= 2 * 100000);
  wsu_buffer_free(&buffer);
}

TEST("growth stops at what was announced") {
  static const size_t announced[] = {1, 10, 255, 256, 257, 1000, 65536, 100000};

  for (size_t i = 0; i < sizeof(announced) / sizeof(announced[0]); i++) {
    wsu_buffer_t buffer = {0};

    test_about("announced bytes", announced[i]);
    for (size_t len = 0; len < announced[i]; len++) {
      CHECK(wsu_buffer_reserve(&buffer, 1, announced[i]) != NULL);
      wsu_buffer_commit(&buffer, 1);
      CHECK(buffer.capacity <= announced[i]);
    }
    CHECK_EQ(buffer.capacity, announced[i]);
    wsu_buffer_free(&buffer);
  }
}

TEST("what was announced takes no memory until it has arrived") {
  wsu_buffer_t buffer = {0};

  CHECK(wsu_buffer_reserve(&buffer, 1000, (size_t)1 << 40) != NULL);
  wsu_buffer_commit(&buffer, 1000);
  CHECK(buffer.capacity <= 2000);
  wsu_buffer_free(&buffer);
}

TEST("bytes beyond what was announced get room all the same") {
  wsu_buffer_t buffer = {0};

  CHECK(wsu_buffer_reserve(&buffer, 600, 500) != NULL);
  wsu_buffer_commit(&buffer, 600);
  CHECK_EQ(buffer.capacity, 600);
  wsu_buffer_free(&buffer);
}

TEST("room that consumed bytes have left is used before memory grows") {
  wsu_buffer_t buffer = {0};
  size_t capacity;

  append(&buffer, hex("61*300"));
  capacity = buffer.capacity;
  for (size_t i = 0; i < 10000; i++) {
    wsu_buffer_consume(&buffer, 250);
    append(&buffer, hex("62*250"));
  }
  CHECK_EQ(buffer.capacity, capacity);
  CHECK_EQ(wsu_buffer_length(&buffer), 300);
  wsu_buffer_free(&buffer);
}

TEST("a long run of bytes is not moved for every few that leave it") {
  wsu_buffer_t buffer = {0};
  size_t moves = 0;

  append(&buffer, hex("61*10000"));
  append(&buffer, hex("61*9990"));
  for (size_t i = 0; i < 20000; i++) {
    wsu_buffer_consume(&buffer, 1);
    append(&buffer, hex("62"));
    if (buffer.start == 0)
      moves++;
  }
  CHECK(moves <= 4);
  CHECK(buffer.capacity <= 80000);
  wsu_buffer_free(&buffer);
}

TEST("sizes that overflow get no room and change nothing") {
  wsu_buffer_t buffer = {0};

  CHECK(wsu_buffer_reserve(&buffer, SIZE_MAX, 0) == NULL);
  CHECK_EQ(wsu_buffer_append(&buffer, (const uint8_t *)"a", SIZE_MAX),
           WSU_ERR_OUT_OF_MEMORY);
  check_is_empty(&buffer);
  append(&buffer, hex("01020304"));
  wsu_buffer_consume(&buffer, 1);
  CHECK(wsu_buffer_reserve(&buffer, SIZE_MAX, 0) == NULL);
  CHECK(wsu_buffer_reserve(&buffer, SIZE_MAX - 2, 0) == NULL);
  CHECK(wsu_buffer_reserve(&buffer, SIZE_MAX - 3, 0) == NULL);
  CHECK(wsu_buffer_reserve(&buffer, SIZE_MAX / 2, 0) == NULL);
  CHECK_BYTES(wsu_buffer_bytes(&buffer), wsu_buffer_length(&buffer),
              hex("020304"));
  wsu_buffer_free(&buffer);
}

/* A model of the buffer: all bytes ever appended, and how many are consumed. */
typedef struct model {
  uint8_t bytes[200000];
  size_t start;
  size_t end;
} model_t;

static void put(wsu_buffer_t *buffer, model_t *model, size_t len) {
  size_t expected = test_random_below(2) == 0 ? 0 : test_random_size(20000);
  uint8_t *bytes = model->bytes + model->end;

  test_random_fill(bytes, len);
  model->end += len;
  if (test_random_below(2) == 0) {
    CHECK_EQ(wsu_buffer_append(buffer, bytes, len), 0);
  } else {
    size_t reserved = len + test_random_below(100);
    uint8_t *dest = wsu_buffer_reserve(buffer, reserved, expected);

    memset(dest, 0xee, reserved);
    memcpy(dest, bytes, len);
    wsu_buffer_commit(buffer, len);
  }
}

TEST("any sequence of operations keeps the bytes that a plain array keeps") {
  model_t *model = test_alloc(sizeof(*model));

  for (size_t round = 0; round < 100; round++) {
    wsu_buffer_t buffer = {0};

    model->start = 0;
    model->end = 0;
    for (size_t step = 0; step < 40; step++) {
      test_about("step", step);
      if (test_random_below(3) > 0) {
        put(&buffer, model, test_random_size(4000));
      } else {
        size_t len = test_random_below(model->end - model->start + 1);

        wsu_buffer_consume(&buffer, len);
        model->start += len;
      }
      CHECK_BYTES(wsu_buffer_bytes(&buffer), wsu_buffer_length(&buffer),
                  ((test_bytes_t){model->bytes + model->start,
                                  model->end - model->start}));
    }
    wsu_buffer_free(&buffer);
  }
}

int main(void) {
  return test_run();
}
