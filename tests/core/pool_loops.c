/* Loops on a pool, for the tests to call; with -DWITH_MAIN, linked with pool.c, a program that stresses pools by itself
 * (run by core_check.py under the sanitizers of threads and of addresses). */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fpmode.h"
#include "pool.h"

typedef void (*runner)(tc_pool *, int, tc_task, void *);

/* Each task adds 1 to its count, and to the inner ones by a loop of its own if there are any. */
typedef struct {
    runner run;
    tc_pool *pool;
    int inner_tasks;
    int64_t *counts, *inner;
} counting;

static void add_one(void *context, int task, int thread) {
    int64_t *counts = context;
    (void)thread;
    counts[task]++;
}

static void count_task(void *context, int task, int thread) {
    counting *c = context;
    c->counts[task]++;
    if (c->inner_tasks > 0) c->run(c->pool, c->inner_tasks, add_one, c->inner + (int64_t)task * c->inner_tasks);
    (void)thread;
}

/* `loops` loops of `tasks` tasks; counts (tasks), inner (tasks, inner_tasks). */
void count_tasks(runner run, tc_pool *pool, int loops, int tasks, int inner_tasks, int64_t *counts, int64_t *inner) {
    counting c = {run, pool, inner_tasks, counts, inner};
    for (int loop = 0; loop < loops; loop++) run(pool, tasks, count_task, &c);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void divide(void *context, int task, int thread) {
    double *numbers = context; /* (tasks, 2): a quotient that must be rounded, a product too small to be normal */
    volatile double least = 2.2250738585072014e-308, third = 3.0 + task, half = 0.5;
    double until = seconds() + 2e-4; /* long enough for all threads to take part */
    while (seconds() < until) continue;
    numbers[2 * task] = 1.0 / third;
    numbers[2 * task + 1] = least * half;
    (void)thread;
}

/* In the mode that the caller has, or in one of our own; gives the caller's mode afterwards. */
uint64_t divide_tasks(runner run, tc_pool *pool, int tasks, double *numbers, int own, int flush) {
    tc_fp_mode before = own ? tc_fp_enter(flush ? TC_FP_FLUSH : TC_FP_EXACT) : tc_fp_get();
    run(pool, tasks, divide, numbers);
    if (own) tc_fp_leave(before);
    return tc_fp_get();
}

uint64_t mode_of(int flush) {
    return flush ? TC_FP_FLUSH : TC_FP_EXACT;
}

uint64_t set_mode(uint64_t mode) {
    return tc_fp_enter(mode);
}

static void work(void *context, int task, int thread) {
    double sum = 0.0;
    for (int i = 1; i < 100000; i++) sum += 1.0 / (double)(i + task);
    ((double *)context)[8 * task] = sum;
    (void)thread;
}

/* Seconds of `loops` loops of `tasks` (at most 64) tasks of about a tenth of a millisecond. */
double time_loops(runner run, tc_pool *pool, int loops, int tasks) {
    double sums[8 * 64], began = seconds();
    for (int loop = 0; loop < loops; loop++) run(pool, tasks, work, sums);
    return seconds() - began;
}

#ifdef WITH_MAIN
static int stress(tc_pool *pool) {
    int64_t counts[300], inner[300 * 7];
    for (int round = 1; round < 60; round++) {
        int tasks = round * 5, inner_tasks = round % 4 == 0 ? 7 : 0;
        memset(counts, 0, sizeof counts);
        memset(inner, 0, sizeof inner);
        count_tasks(tc_pool_run, pool, 10, tasks, inner_tasks, counts, inner);
        for (int k = 0; k < tasks; k++)
            if (counts[k] != 10 || (inner_tasks > 0 && inner[k * inner_tasks + 6] != 10)) return 1;
    }
    return 0;
}

static void *with_own_pool(void *argument) {
    tc_pool *pool = tc_pool_new(*(int *)argument);
    int failed = pool == NULL || stress(pool);
    tc_pool_free(pool);
    return failed ? argument : NULL;
}

static void *with_one_pool(void *argument) {
    return stress(argument) ? argument : NULL;
}

static int together(void *(*caller)(void *), void *argument, int size) {
    pthread_t ids[4];
    int failed = 0;
    for (int k = 0; k < 4; k++) pthread_create(&ids[k], NULL, caller, (char *)argument + k * size);
    for (int k = 0; k < 4; k++) {
        void *found;
        pthread_join(ids[k], &found);
        failed |= found != NULL;
    }
    return failed;
}

int main(void) {
    int threads[4] = {1, 2, 3, 5};
    tc_pool *pool = tc_pool_new(3);
    int failed = together(with_own_pool, threads, sizeof *threads) || together(with_one_pool, pool, 0);
    tc_pool_free(pool);
    puts(failed ? "a task ran twice or not at all" : "every task ran once");
    return failed;
}
#endif
