/* What this library and this processor can do: the instruction set that runs is the best of both, or a lesser one that
 * was asked for. */
#ifndef TEXTCNN_CPU_H
#define TEXTCNN_CPU_H

enum { TC_BASELINE, TC_AVX2, TC_AVX512 };

/* The set that new trainers use. */
int tc_instruction_set(void);

/* The best set of this processor that the library was built for. */
int tc_best_instruction_set(void);

/* Use a set from now on; gives 0, or -1 if the processor or the library has it not. The one global state of the core. */
int tc_use_instruction_set(int set);

/* Defines PREFIX_of_set(), which gives the kernels that run: PREFIX_baseline, PREFIX_avx2 or PREFIX_avx512. */
#ifdef TC_HAS_X86_SETS
#define TC_KERNELS_OF_SET(type, prefix)                                                                                \
    extern const type prefix##_baseline, prefix##_avx2, prefix##_avx512;                                               \
    static const type *prefix##_of_set(void) {                                                                         \
        int set = tc_instruction_set();                                                                                \
        return set == TC_AVX512 ? &prefix##_avx512 : set == TC_AVX2 ? &prefix##_avx2 : &prefix##_baseline;             \
    }
#else
#define TC_KERNELS_OF_SET(type, prefix)                                                                                \
    extern const type prefix##_baseline;                                                                               \
    static const type *prefix##_of_set(void) {                                                                         \
        return &prefix##_baseline;                                                                                     \
    }
#endif

/* The fingerprint of the sources that the library was compiled from (TC_SOURCES, given by build.py). */
const char *tc_sources(void);

#endif
