#include "cpu.h"

#if defined(__x86_64__) && defined(TC_HAS_X86_SETS)
#include <cpuid.h>

/* Bits of CPUID (leaf 1: ECX; leaf 7: EBX) and of the state that the system saves when it switches threads (XCR0). */
#define FMA (1u << 12)
#define OSXSAVE (1u << 27)
#define AVX2 (1u << 5)
#define AVX512 (1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) /* F, DQ, BW, VL */
#define SAVES_256 0x06u
#define SAVES_512 0xe6u

static unsigned saved_state(void) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Asked of the processor itself: __builtin_cpu_supports knows nothing without the start-up code of the compiler's library,
 * which not every linker brings. */
static int ask_processor(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & FMA) || !(c & OSXSAVE)) return TC_BASELINE;
    unsigned saved = saved_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2) || (saved & SAVES_256) != SAVES_256) return TC_BASELINE;
    return (b & AVX512) == AVX512 && (saved & SAVES_512) == SAVES_512 ? TC_AVX512 : TC_AVX2;
}
#else
static int ask_processor(void) {
    return TC_BASELINE;
}
#endif

static int best = -1, chosen = -1;

/* Remembered: in a virtual machine the question takes tens of microseconds. */
int tc_best_instruction_set(void) {
    int set = __atomic_load_n(&best, __ATOMIC_RELAXED);
    if (set < 0) __atomic_store_n(&best, set = ask_processor(), __ATOMIC_RELAXED);
    return set;
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

const char *tc_sources(void) {
#ifdef TC_SOURCES
    return TC_SOURCES;
#else
    return "";
#endif
}
