#include "cpu.h"

static int chosen = -1;

int tc_best_instruction_set(void) {
#if defined(__x86_64__) && defined(TC_HAS_X86_SETS)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        return TC_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return TC_AVX2;
#endif
    return TC_BASELINE;
}

int tc_instruction_set(void) {
    int set = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    return set >= 0 ? set : tc_best_instruction_set();
}

int tc_use_instruction_set(int set) {
    if (set < TC_BASELINE || set > tc_best_instruction_set()) return -1;
    __atomic_store_n(&chosen, set, __ATOMIC_RELAXED);
    return 0;
}
