#include "error.h"

#include "test.h"

/* What users of ws know; only WSU_ERR_OUT_OF_MEMORY is our own. */
static const struct {
  int err;
  uint16_t close_code;
  bool is_range_error;
  bool has_detail;
  const char *code;
  const char *message;
} expected[] = {
    {WSU_ERR_EXPECTED_FIN, 1002, true, false, "WS_ERR_EXPECTED_FIN",
     "Invalid WebSocket frame: FIN must be set"},
    {WSU_ERR_EXPECTED_MASK, 1002, true, false, "WS_ERR_EXPECTED_MASK",
     "Invalid WebSocket frame: MASK must be set"},
    {WSU_ERR_UNEXPECTED_MASK, 1002, true, false, "WS_ERR_UNEXPECTED_MASK",
     "Invalid WebSocket frame: MASK must be clear"},
    {WSU_ERR_INVALID_CLOSE_CODE, 1002, true, true, "WS_ERR_INVALID_CLOSE_CODE",
     "Invalid WebSocket frame: invalid status code "},
    {WSU_ERR_INVALID_CONTROL_PAYLOAD_LENGTH, 1002, true, true,
     "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH",
     "Invalid WebSocket frame: invalid payload length "},
    {WSU_ERR_INVALID_OPCODE, 1002, true, true, "WS_ERR_INVALID_OPCODE",
     "Invalid WebSocket frame: invalid opcode "},
    {WSU_ERR_UNEXPECTED_RSV_1, 1002, true, false, "WS_ERR_UNEXPECTED_RSV_1",
     "Invalid WebSocket frame: RSV1 must be clear"},
    {WSU_ERR_UNEXPECTED_RSV_2_3, 1002, true, false, "WS_ERR_UNEXPECTED_RSV_2_3",
     "Invalid WebSocket frame: RSV2 and RSV3 must be clear"},
    {WSU_ERR_INVALID_UTF8, 1007, false, false, "WS_ERR_INVALID_UTF8",
     "Invalid WebSocket frame: invalid UTF-8 sequence"},
    {WSU_ERR_TOO_MANY_FRAGMENTS, 1008, true, false,
     "WS_ERR_TOO_MANY_BUFFERED_PARTS", "Too many message fragments"},
    {WSU_ERR_UNSUPPORTED_PAYLOAD_LENGTH, 1009, true, false,
     "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
     "Unsupported WebSocket frame: payload length > 2^53 - 1"},
    {WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH, 1009, true, false,
     "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "Max payload size exceeded"},
    {WSU_ERR_OUT_OF_MEMORY, 1011, false, false, "WSU_ERR_OUT_OF_MEMORY",
     "Not enough memory for the message"},
    {WSU_ERR_TOO_MANY_CHUNKS, 1008, true, false,
     "WS_ERR_TOO_MANY_BUFFERED_PARTS", "Too many buffered chunks"},
    {WSU_ERR_INVALID_BLOCK_TYPE, 1007, false, false, "Z_DATA_ERROR",
     "invalid block type"},
    {WSU_ERR_INVALID_STORED_LENGTHS, 1007, false, false, "Z_DATA_ERROR",
     "invalid stored block lengths"},
    {WSU_ERR_TOO_MANY_SYMBOLS, 1007, false, false, "Z_DATA_ERROR",
     "too many length or distance symbols"},
    {WSU_ERR_INVALID_CODE_LENGTHS, 1007, false, false, "Z_DATA_ERROR",
     "invalid code lengths set"},
    {WSU_ERR_INVALID_LENGTH_REPEAT, 1007, false, false, "Z_DATA_ERROR",
     "invalid bit length repeat"},
    {WSU_ERR_MISSING_END_OF_BLOCK, 1007, false, false, "Z_DATA_ERROR",
     "invalid code -- missing end-of-block"},
    {WSU_ERR_INVALID_LITERAL_SET, 1007, false, false, "Z_DATA_ERROR",
     "invalid literal/lengths set"},
    {WSU_ERR_INVALID_DISTANCE_SET, 1007, false, false, "Z_DATA_ERROR",
     "invalid distances set"},
    {WSU_ERR_INVALID_LITERAL_CODE, 1007, false, false, "Z_DATA_ERROR",
     "invalid literal/length code"},
    {WSU_ERR_INVALID_DISTANCE_CODE, 1007, false, false, "Z_DATA_ERROR",
     "invalid distance code"},
    {WSU_ERR_DISTANCE_TOO_FAR, 1007, false, false, "Z_DATA_ERROR",
     "invalid distance too far back"},
    {WSU_ERR_INVALID_DEFLATE, 1007, false, false, "Z_DATA_ERROR", "Zlib error"},
};

TEST("every error has the code, class, text and close code of ws") {
  int count;
  const wsu_error_info_t *table = wsu_error_table(&count);

  if (!CHECK_EQ(count, sizeof(expected) / sizeof(expected[0])))
    return;
  for (int i = 0; i < count; i++) {
    test_about(expected[i].code, (size_t)i);
    CHECK_EQ(table[i].err, expected[i].err);
    CHECK_EQ(table[i].close_code, expected[i].close_code);
    CHECK_EQ(table[i].is_range_error, expected[i].is_range_error);
    CHECK_EQ(table[i].has_detail, expected[i].has_detail);
    CHECK_TEXT(table[i].code, expected[i].code);
    CHECK_TEXT(table[i].message, expected[i].message);
    CHECK_EQ(wsu_error_close_code(table[i].err), expected[i].close_code);
  }
}

TEST("errors are negative and differ") {
  int count;
  const wsu_error_info_t *table = wsu_error_table(&count);

  for (int i = 0; i < count; i++) {
    CHECK(table[i].err < 0);
    for (int k = 0; k < i; k++)
      CHECK(table[k].err != table[i].err);
  }
}

TEST("what is no error of the table is answered as an error of our own") {
  CHECK_EQ(wsu_error_close_code(0), 1011);
  CHECK_EQ(wsu_error_close_code(-10000), 1011);
}

int main(void) {
  return test_run();
}
