/* Floating-point mode of the current thread: rounding, and flushing of denormals.
 *
 * Other libraries of a process change both (some set "flush to zero" when they are loaded), so entry points set them and
 * put back what was: training flushes denormals to zero, which saves up to a hundred cycles each where weights die away;
 * features and look-up keep IEEE 754, for their bits are promised. Exceptions are masked in either.
 *
 * Compilers move arithmetic over these calls: what is to run in the mode belongs in a function called through a pointer
 * or in another file. */
#ifndef TEXTCNN_FPMODE_H
#define TEXTCNN_FPMODE_H

#include <stdint.h>

typedef uint64_t tc_fp_mode;

#if defined(__x86_64__) || defined(__SSE2__)
#include <xmmintrin.h>

#define TC_FP_EXACT 0x1f80u /* MXCSR: all exceptions masked, to nearest */
#define TC_FP_FLUSH 0x9fc0u /* results (FTZ) and operands (DAZ) too small are 0 */

static inline tc_fp_mode tc_fp_get(void) {
    return _mm_getcsr();
}

static inline void tc_fp_set(tc_fp_mode mode) {
    _mm_setcsr((unsigned)mode);
}

#elif defined(__aarch64__)

#define TC_FP_EXACT 0u          /* FPCR: no traps, to nearest */
#define TC_FP_FLUSH (1u << 24) /* FZ */

static inline tc_fp_mode tc_fp_get(void) {
    tc_fp_mode mode;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
    return mode;
}

static inline void tc_fp_set(tc_fp_mode mode) {
    __asm__ __volatile__("msr fpcr, %0" : : "r"(mode));
}

#else /* as the process has it */

#define TC_FP_EXACT 0u
#define TC_FP_FLUSH 0u

static inline tc_fp_mode tc_fp_get(void) {
    return 0;
}

static inline void tc_fp_set(tc_fp_mode mode) {
    (void)mode;
}
#endif

/* Set TC_FP_EXACT or TC_FP_FLUSH; gives the mode before, for tc_fp_leave. */
static inline tc_fp_mode tc_fp_enter(tc_fp_mode mode) {
    tc_fp_mode before = tc_fp_get();
    tc_fp_set(mode);
    return before;
}

static inline void tc_fp_leave(tc_fp_mode before) {
    tc_fp_set(before);
}

#endif
