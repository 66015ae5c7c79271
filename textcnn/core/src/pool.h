/* Thread pool for parallel loops whose tasks write to disjoint memory. */
#ifndef TEXTCNN_POOL_H
#define TEXTCNN_POOL_H

typedef struct tc_pool tc_pool;
typedef void (*tc_task)(void *context, int task, int thread);

/* A pool that runs tasks on `threads` threads, the caller's among them (1 to 256); NULL without memory.
 *
 * Threads are started with the first loop that has work for them. Between two loops they wait for some microseconds and
 * then sleep. A pool is for one caller at a time: a loop that is begun while another runs, by another thread or by a task,
 * has no thread but the one that calls, which is thread 0 of it: a task that begins a loop of its own shares no memory by
 * the number of the thread. */
tc_pool *tc_pool_new(int threads);

/* Run task(context, k, thread) for k = 0, ..., tasks - 1; comes back when all are done.
 *
 * Which thread runs which task is not determined, so a task may write only to what no other task touches. All run with
 * the caller's mode of rounding and of denormals. Without a pool (NULL) the caller runs them. */
void tc_pool_run(tc_pool *pool, int tasks, tc_task task, void *context);

int tc_pool_threads(const tc_pool *pool);

/* Ends the threads. In the child of a fork, which has none of them, only the memory is given back. */
void tc_pool_free(tc_pool *pool);

#endif
