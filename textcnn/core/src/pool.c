#define _POSIX_C_SOURCE 200809L
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fpmode.h"

#define MOST_TASKS 65000
#define STACK ((size_t)1 << 21) /* bytes: some C libraries give a thread only 128 KiB */
#define SPINS 4000 /* looks at a counter before a thread sleeps: 50 to 200 microseconds, by the processor's pause */

typedef struct {
    tc_pool *pool;
    int number;
} worker;

/* A ticket names the loop that runs, how many tasks it has, and the next one that nobody has taken. Who takes a task by
 * exchanging the ticket knows that the loop is not over; a worker that comes late finds nothing left, and is not waited
 * for: on a busy machine it may be milliseconds until a sleeping thread runs. */
typedef uint64_t ticket;

static ticket ticket_of(uint64_t loop, int tasks) {
    return loop << 32 | (uint64_t)tasks << 16;
}

static int tasks_of(ticket t) {
    return (int)(t >> 16 & 0xffff);
}

static int next_of(ticket t) {
    return (int)(t & 0xffff);
}

struct tc_pool {
    int threads;     /* the caller's included */
    int started;     /* workers that run */
    pid_t process;   /* whose they are: a fork takes only the caller along */
    worker *workers; /* (threads - 1) */
    pthread_t *ids;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    int sleeping;   /* workers that wait for `work` */
    int is_waiting; /* the caller waits for `done` */
    int is_ending;
    int is_running; /* a loop: another one at the same time has only the thread that calls */
    ticket ticket;
    int finished; /* tasks of the loop that are done */
    tc_task task;
    void *context;
    tc_fp_mode mode; /* of the caller */
};

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static ticket look(const tc_pool *pool) {
    return __atomic_load_n(&pool->ticket, __ATOMIC_SEQ_CST);
}

/* Run tasks until none is left. */
static void take_tasks(tc_pool *pool, int thread) {
    ticket seen = look(pool);
    while (next_of(seen) < tasks_of(seen)) {
        if (!__atomic_compare_exchange_n(&pool->ticket, &seen, seen + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
        int tasks = tasks_of(seen);
        if (thread > 0) tc_fp_set(pool->mode);
        pool->task(pool->context, next_of(seen), thread);
        if (__atomic_add_fetch(&pool->finished, 1, __ATOMIC_SEQ_CST) == tasks
            && __atomic_load_n(&pool->is_waiting, __ATOMIC_SEQ_CST)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
        seen = look(pool);
    }
}

static int has_work(const tc_pool *pool) {
    ticket seen = look(pool);
    return next_of(seen) < tasks_of(seen) || __atomic_load_n(&pool->is_ending, __ATOMIC_SEQ_CST);
}

static void wait_for_work(tc_pool *pool) {
    for (int spin = 0; spin < SPINS; spin++) {
        if (has_work(pool)) return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->lock);
    __atomic_add_fetch(&pool->sleeping, 1, __ATOMIC_SEQ_CST);
    while (!has_work(pool)) pthread_cond_wait(&pool->work, &pool->lock);
    __atomic_sub_fetch(&pool->sleeping, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *argument) {
    worker *own = argument;
    tc_pool *pool = own->pool;
    for (;;) {
        wait_for_work(pool);
        if (__atomic_load_n(&pool->is_ending, __ATOMIC_SEQ_CST)) return NULL;
        take_tasks(pool, own->number);
    }
}

static void wake_workers(tc_pool *pool) {
    if (__atomic_load_n(&pool->sleeping, __ATOMIC_SEQ_CST) == 0) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

static int is_done(const tc_pool *pool, int tasks) {
    return __atomic_load_n(&pool->finished, __ATOMIC_SEQ_CST) == tasks;
}

tc_pool *tc_pool_new(int threads) {
    if (threads < 1 || threads > 256) return NULL;
    tc_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return NULL;
    pool->threads = threads;
    pool->process = getpid();
    pool->workers = calloc((size_t)threads, sizeof *pool->workers);
    pool->ids = calloc((size_t)threads, sizeof *pool->ids);
    if (pool->workers == NULL || pool->ids == NULL) {
        free(pool->workers);
        free(pool->ids);
        free(pool);
        return NULL;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    return pool;
}

/* Signals are for the threads of the program: a new thread takes those that the one that starts it takes. */
#ifdef _WIN32 /* no thread takes them there */
typedef int signals;
static void block_signals(signals *before) {
    *before = 0;
}
static void restore_signals(const signals *before) {
    (void)before;
}
#else
typedef sigset_t signals;
static void block_signals(signals *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}
static void restore_signals(const signals *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}
#endif

/* Start the workers; fewer where the system gives no more. */
static void start(tc_pool *pool) {
    pthread_attr_t attributes;
    signals before;
    if (pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setstacksize(&attributes, STACK);
    block_signals(&before);
    while (pool->started < pool->threads - 1) {
        worker *own = &pool->workers[pool->started];
        own->pool = pool;
        own->number = pool->started + 1;
        if (pthread_create(&pool->ids[pool->started], &attributes, work, own) != 0) break;
        pool->started++;
    }
    restore_signals(&before);
    pthread_attr_destroy(&attributes);
}

static int is_forked(const tc_pool *pool) {
    return pool->process != getpid();
}

static void forget_workers(tc_pool *pool) {
    pool->process = getpid();
    pool->started = pool->sleeping = pool->is_waiting = pool->is_running = 0;
    pool->ticket = 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
}

static void run_alone(int tasks, tc_task task, void *context) {
    for (int k = 0; k < tasks; k++) task(context, k, 0);
}

static void run_together(tc_pool *pool, int tasks, tc_task task, void *context) {
    pool->task = task;
    pool->context = context;
    pool->mode = tc_fp_get();
    __atomic_store_n(&pool->finished, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&pool->ticket, ticket_of((look(pool) >> 32) + 1, tasks), __ATOMIC_SEQ_CST);
    wake_workers(pool);
    take_tasks(pool, 0);
    for (int spin = 0; spin < SPINS; spin++) {
        if (is_done(pool, tasks)) return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->lock);
    __atomic_store_n(&pool->is_waiting, 1, __ATOMIC_SEQ_CST);
    while (!is_done(pool, tasks)) pthread_cond_wait(&pool->done, &pool->lock);
    __atomic_store_n(&pool->is_waiting, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&pool->lock);
}

void tc_pool_run(tc_pool *pool, int tasks, tc_task task, void *context) {
    if (pool == NULL || tasks <= 1 || tasks > MOST_TASKS || pool->threads == 1) {
        run_alone(tasks, task, context);
        return;
    }
    if (is_forked(pool)) forget_workers(pool);
    if (__atomic_exchange_n(&pool->is_running, 1, __ATOMIC_ACQUIRE)) {
        run_alone(tasks, task, context);
        return;
    }
    if (pool->started == 0) start(pool);
    if (pool->started == 0)
        run_alone(tasks, task, context);
    else
        run_together(pool, tasks, task, context);
    __atomic_store_n(&pool->is_running, 0, __ATOMIC_RELEASE);
}

int tc_pool_threads(const tc_pool *pool) {
    return pool->threads;
}

void tc_pool_free(tc_pool *pool) {
    if (pool == NULL) return;
    if (!is_forked(pool)) {
        __atomic_store_n(&pool->is_ending, 1, __ATOMIC_SEQ_CST);
        wake_workers(pool);
        for (int k = 0; k < pool->started; k++) pthread_join(pool->ids[k], NULL);
        pthread_cond_destroy(&pool->done);
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->lock);
    }
    free(pool->workers);
    free(pool->ids);
    free(pool);
}
