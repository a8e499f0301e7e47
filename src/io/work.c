#include "work.h"

#include <stdlib.h>

static void on_work(uv_work_t *request) {
  wsu_work_t *work = request->data;

  work->run(work);
}

/* Nobody cancels work, so that `status` is always 0. */
static void after_work(uv_work_t *request, int status) {
  wsu_work_t *work = request->data;

  (void)status;
  free(request);
  work->loop->works--;
  work->done(work);
}

int wsu_work_start(wsu_work_t *work, wsu_loop_t *loop) {
  int err;

  /* The size is that of the libuv that runs, not of its header. */
  work->request = malloc(uv_req_size(UV_WORK));
  if (work->request == NULL)
    return UV_ENOMEM;
  work->loop = loop;
  work->request->data = work;
  err = uv_queue_work(loop->uv, work->request, on_work, after_work);
  if (err) {
    free(work->request);
    return err;
  }
  loop->works++;
  return 0;
}
