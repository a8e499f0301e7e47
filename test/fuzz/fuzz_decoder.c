/*
 * Decodes a stream in chunks and holds every frame, and the error that ends it,
 * against a decoder that has all of it at once and is written straight from RFC
 * 6455. Frames that were decoded are encoded again, which must come to the same
 * frame, and errors must stay. The input:
 *
 *   1 byte   bit 0 server role, 1 permessage-deflate; high 4: how many chunk
 *            sizes follow
 *   n bytes  the sizes of the chunks, over and over
 *   rest     the stream
 */
#include "decoder.h"

#include "fuzz.h"
#include "mask.h"

/* What the reference knows of the frame at `pos` of the stream. */
typedef struct reference {
  const uint8_t *bytes;
  size_t len;
  size_t pos;
  bool is_server;
  bool allows_rsv1;
  bool in_message;
  /* Of the current frame: */
  size_t start; /* where its payload begins */
  uint64_t length;
  uint8_t opcode;
  bool fin;
  bool rsv1;
  uint8_t key[4];
  int err;
  uint32_t detail;
} reference_t;

static bool refuse(reference_t *reference, bool condition, int err,
                   uint32_t detail) {
  if (!condition)
    return false;
  reference->err = err;
  reference->detail = detail;
  return true;
}

/* RFC 6455, 5.2, 5.4 and 5.5, and RFC 7692, 6. Returns whether it is refused.
 */
static bool judge(reference_t *reference, uint8_t first, uint8_t second) {
  uint8_t opcode = first & 15;
  uint8_t length = second & 127;
  bool masked = second >> 7;
  bool rsv1 = (first & 0x40) != 0;
  bool is_control = opcode >= 8;
  bool is_known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
  bool is_misplaced = !is_control && (opcode == 0) != reference->in_message;

  if (refuse(reference, (first & 0x30) != 0, WSU_ERR_UNEXPECTED_RSV_2_3, 0) ||
      refuse(reference, rsv1 && !reference->allows_rsv1,
             WSU_ERR_UNEXPECTED_RSV_1, 0) ||
      refuse(reference, rsv1 && opcode == 0, WSU_ERR_UNEXPECTED_RSV_1, 0) ||
      refuse(reference, !is_known || is_misplaced, WSU_ERR_INVALID_OPCODE,
             opcode))
    return true;
  if (is_control &&
      (refuse(reference, first >> 7 == 0, WSU_ERR_EXPECTED_FIN, 0) ||
       refuse(reference, rsv1, WSU_ERR_UNEXPECTED_RSV_1, 0) ||
       refuse(reference, length > 125 || (opcode == 8 && length == 1),
              WSU_ERR_INVALID_CONTROL_PAYLOAD_LENGTH, length)))
    return true;
  return refuse(reference, masked && !reference->is_server,
                WSU_ERR_UNEXPECTED_MASK, 0) ||
         refuse(reference, !masked && reference->is_server,
                WSU_ERR_EXPECTED_MASK, 0);
}

/*
 * Finds the next frame. False: there is none whose length is known, or it is
 * refused.
 */
static bool next_frame(reference_t *reference) {
  const uint8_t *bytes = reference->bytes + reference->pos;
  size_t left = reference->len - reference->pos;
  size_t extra;
  size_t size = 2;

  if (left < 2 || judge(reference, bytes[0], bytes[1]))
    return false;
  reference->fin = bytes[0] >> 7;
  reference->rsv1 = (bytes[0] & 0x40) != 0;
  reference->opcode = bytes[0] & 15;
  reference->length = bytes[1] & 127;
  extra = reference->length == 126 ? 2 : reference->length == 127 ? 8 : 0;
  if (left < size + extra)
    return false;
  if (extra > 0)
    reference->length = 0;
  for (; extra > 0; extra--)
    reference->length = reference->length << 8 | bytes[size++];
  if (refuse(reference, reference->length >> 53 != 0,
             WSU_ERR_UNSUPPORTED_PAYLOAD_LENGTH, 0))
    return false;
  if (reference->opcode < 8)
    reference->in_message = !reference->fin;
  memset(reference->key, 0, 4);
  for (size_t i = 0; reference->is_server && i < 4; i++, size++)
    reference->key[i] = size < left ? bytes[size] : 0;
  reference->start = reference->pos + size;
  return true;
}

/* What the decoder has told of the frame so far. */
typedef struct progress {
  bool in_frame;
  uint64_t taken; /* payload bytes */
} progress_t;

/* Encoding the frame and decoding it comes to the same. */
static void check_encoding(const wsu_frame_t *frame) {
  uint8_t *bytes = fuzz_alloc(WSU_FRAME_HEADER_MAX);
  size_t size = wsu_frame_encode_header(bytes, frame);
  wsu_frame_t again = {0};
  uint8_t *copy;

  EXPECT(size == wsu_frame_header_size(bytes[1]));
  copy = fuzz_copy(bytes, size);
  EXPECT(wsu_frame_decode_header(copy, size - 1, &again) == 0);
  EXPECT(wsu_frame_decode_header(copy, size, &again) == size);
  EXPECT(again.length == frame->length && again.opcode == frame->opcode &&
         again.fin == frame->fin && again.rsv1 == frame->rsv1 &&
         again.masked == frame->masked &&
         memcmp(again.mask_key, frame->mask_key, 4) == 0);
  free(copy);
  free(bytes);
}

static void check_part(reference_t *reference, progress_t *progress,
                       const wsu_part_t *part) {
  const wsu_frame_t *frame = part->frame;

  EXPECT(part->starts == !progress->in_frame);
  if (part->starts) {
    EXPECT(next_frame(reference));
    progress->in_frame = true;
    progress->taken = 0;
    EXPECT(frame->length == reference->length &&
           frame->opcode == reference->opcode && frame->fin == reference->fin &&
           frame->rsv1 == reference->rsv1 &&
           frame->masked == reference->is_server);
  }
  EXPECT(part->length <= reference->length - progress->taken);
  for (size_t i = 0; i < part->length; i++) {
    uint64_t at = progress->taken + i;
    uint8_t expected =
        reference->bytes[reference->start + at] ^ reference->key[at % 4];

    EXPECT((part->payload[i] ^ part->key[i % 4]) == expected);
  }
  progress->taken += part->length;
  if (!part->ends)
    return;
  EXPECT(progress->taken == reference->length);
  check_encoding(frame);
  reference->pos = reference->start + (size_t)reference->length;
  progress->in_frame = false;
}

static void expect_sticky(wsu_decoder_t *decoder, const reference_t *expected) {
  static const uint8_t frame[] = {0x89, 0x80, 0, 0, 0, 0};
  size_t consumed = 1;
  wsu_part_t part;

  EXPECT(wsu_decoder_next(decoder, frame, sizeof(frame), &consumed, &part) ==
         expected->err);
  EXPECT(consumed == 0 && decoder->detail == expected->detail);
}

/* Returns what the decoder does in the end: 0, or an error. */
static int feed(wsu_decoder_t *decoder, reference_t *reference,
                progress_t *progress, const uint8_t *bytes, size_t len) {
  uint8_t *copy = fuzz_copy(bytes, len);
  size_t pos = 0;
  wsu_part_t part;
  int result;

  do {
    size_t consumed;

    result = wsu_decoder_next(decoder, copy + pos, len - pos, &consumed, &part);
    EXPECT(consumed <= len - pos);
    pos += consumed;
    if (result == 1)
      check_part(reference, progress, &part);
  } while (result == 1);
  EXPECT(result < 0 || pos == len);
  free(copy);
  return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  reference_t reference = {0};
  progress_t progress = {0};
  wsu_decoder_t decoder;
  const uint8_t *sizes;
  size_t count;
  size_t pos = 0;
  int result = 0;

  if (size < 1)
    return 0;
  reference.is_server = (data[0] & 1) != 0;
  reference.allows_rsv1 = (data[0] & 2) != 0;
  count = data[0] >> 4;
  if (count > size - 1)
    count = size - 1;
  sizes = data + 1;
  reference.bytes = data + 1 + count;
  reference.len = size - 1 - count;
  wsu_decoder_init(&decoder, reference.is_server, reference.allows_rsv1);
  for (size_t i = 0; result == 0 && pos < reference.len; i++) {
    size_t len = count == 0 ? 1 : sizes[i % count];

    if (len > reference.len - pos || i > 4 * reference.len)
      len = reference.len - pos;
    result = feed(&decoder, &reference, &progress, reference.bytes + pos, len);
    pos += len;
  }
  /* What the decoder did not come to is no frame for the reference either. */
  if (!progress.in_frame)
    EXPECT(!next_frame(&reference));
  EXPECT(result == reference.err);
  if (result < 0)
    expect_sticky(&decoder, &reference);
  return 0;
}
