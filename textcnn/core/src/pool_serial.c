/* The pool for a platform without threads, such as WebAssembly: the caller runs all tasks. Takes pool.c's place there. */
#include "pool.h"

void tc_pool_run(tc_pool *pool, int tasks, tc_task task, void *context) {
    (void)pool;
    for (int k = 0; k < tasks; k++) task(context, k, 0);
}
