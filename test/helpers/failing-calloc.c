/*
 * To be preloaded: has each calloc() of the addon fail once there is an
 * environment variable FAILING_CALLOC.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_of_addon(const void *caller) {
  Dl_info info;

  return dladdr(caller, &info) != 0 && info.dli_fname != NULL &&
         strstr(info.dli_fname, ".node") != NULL;
}

/* The real one may need itself to be found. */
void *calloc(size_t nmemb, size_t size) {
  void *memory;

  if (size != 0 && nmemb > SIZE_MAX / size)
    return NULL;
  size *= nmemb;
  if (is_of_addon(__builtin_return_address(0)) &&
      getenv("FAILING_CALLOC") != NULL)
    return NULL;
  memory = malloc(size == 0 ? 1 : size);
  if (memory != NULL)
    memset(memory, 0, size);
  return memory;
}
