/*
 * Runs a fuzz target on the files that are named, or on all of its corpus,
 * which is corpus/NAME for a program NAME, so that inputs which once failed are
 * tried by every build. An input that fails ends the process.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const char *path) {
  perror(path);
  fprintf(stderr, "cannot %s\n", what);
  exit(1);
}

static void replay(const char *path) {
  FILE *file = fopen(path, "rb");
  uint8_t *data;
  long size;

  if (file == NULL || fseek(file, 0, SEEK_END) != 0)
    fail("open", path);
  size = ftell(file);
  data = size < 0 ? NULL : malloc((size_t)size + (size == 0));
  rewind(file);
  if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size)
    fail("read", path);
  (void)fclose(file);
  /* What is printed last before a crash names the input. */
  fprintf(stderr, "%s\n", path);
  LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
}

static unsigned replay_corpus(const char *program) {
  const char *slash = strrchr(program, '/');
  const char *name = slash == NULL ? program : slash + 1;
  unsigned count = 0;
  struct dirent *entry;
  char path[1024];
  DIR *dir;

  (void)snprintf(path, sizeof(path), "corpus/%s", name);
  dir = opendir(path);
  if (dir == NULL)
    fail("open", path);
  while ((entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] == '.')
      continue;
    (void)snprintf(path, sizeof(path), "corpus/%s/%s", name, entry->d_name);
    replay(path);
    count++;
  }
  closedir(dir);
  return count;
}

int main(int argc, char **argv) {
  unsigned count = 0;

  for (int i = 1; i < argc; i++, count++)
    replay(argv[i]);
  if (argc == 1)
    count = replay_corpus(argv[0]);
  printf("%u passed, 0 failed\n", count);
  return 0;
}
