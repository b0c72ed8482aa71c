#include "service/workers.h"

#include <pthread.h>
#include <unistd.h>

#define THREADS_MAX 64

struct workers {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct worker_job *first, *last;
  bool is_closing;
  unsigned threads_n;
  pthread_t threads[THREADS_MAX];
};

static void *work(void *what) {
  struct workers *workers = what;
  pthread_mutex_lock(&workers->lock);
  for (;;) {
    while (!workers->first && !workers->is_closing)
      pthread_cond_wait(&workers->changed, &workers->lock);
    struct worker_job *job = workers->first;
    if (!job)
      break;
    workers->first = job->next_;
    if (!workers->first)
      workers->last = NULL;
    pthread_mutex_unlock(&workers->lock);
    job->run(job->what);
    pthread_mutex_lock(&workers->lock);
  }
  pthread_mutex_unlock(&workers->lock);
  return NULL;
}

int workers_open(unsigned threads, struct workers **ret_workers, struct err *reterr) {
  struct workers *workers = calloc(1, sizeof *workers);
  if (!workers)
    return err_no_memory(reterr);
  pthread_mutex_init(&workers->lock, NULL);
  pthread_cond_init(&workers->changed, NULL);
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned wanted = threads ? threads : cores > 0 ? (unsigned)cores : 2;
  for (; workers->threads_n < wanted && workers->threads_n < THREADS_MAX; workers->threads_n++)
    if (pthread_create(&workers->threads[workers->threads_n], NULL, work, workers) != 0)
      break;
  if (workers->threads_n == 0) {
    workers_close(workers);
    return err_set(reterr, ERR_NO_MEMORY, "", "No thread could be started for requests.");
  }
  *ret_workers = workers;
  return 0;
}

void workers_submit(struct workers *workers, struct worker_job *job) {
  job->next_ = NULL;
  pthread_mutex_lock(&workers->lock);
  if (workers->last)
    workers->last->next_ = job;
  else
    workers->first = job;
  workers->last = job;
  pthread_cond_signal(&workers->changed);
  pthread_mutex_unlock(&workers->lock);
}

void workers_close(struct workers *workers) {
  if (!workers)
    return;
  pthread_mutex_lock(&workers->lock);
  workers->is_closing = true;
  pthread_cond_broadcast(&workers->changed);
  pthread_mutex_unlock(&workers->lock);
  for (unsigned i = 0; i < workers->threads_n; i++)
    pthread_join(workers->threads[i], NULL);
  pthread_cond_destroy(&workers->changed);
  pthread_mutex_destroy(&workers->lock);
  free(workers);
}
