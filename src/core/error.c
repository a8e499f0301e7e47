#include "error.h"

static const wsu_error_info_t table[] = {
#define XX(name, number, close_code, is_range, has_detail, code, message)      \
  {number, close_code, is_range, has_detail, code, message},
    WSU_ERROR_MAP(XX)
#undef XX
};

const wsu_error_info_t *wsu_error_table(int *count) {
  *count = (int)(sizeof(table) / sizeof(table[0]));
  return table;
}

uint16_t wsu_error_close_code(int err) {
  switch (err) {
#define XX(name, number, close_code, ...)                                      \
  case number:                                                                 \
    return close_code;
    WSU_ERROR_MAP(XX)
#undef XX
  default:
    return 1011;
  }
}
