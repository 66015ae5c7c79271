/* Max pooling of window sums, compiled once for each instruction set (TC_SET names it), without fused products. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "lookup_state.h"
#include "vectors.h"

#define TC_AHEAD 12       /* words whose rows are fetched from memory before they are added */
#define TC_USUAL_WIDTH 96 /* filters of the default model: a loop of its own */
#define TC_ALWAYS static inline __attribute__((always_inline))
#if defined(__clang__)
#define TC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define TC_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define TC_ITEM float
#define TC_SUM float
#define TC_LEAST (-INFINITY)
#define TC_NAME(name) float_##name
#include "lookup_windows.h"
#undef TC_ITEM
#undef TC_SUM
#undef TC_LEAST
#undef TC_NAME

#define TC_ITEM int8_t
#define TC_SUM int16_t
#define TC_LEAST INT16_MIN
#define TC_NAME(name) whole_##name
#include "lookup_windows.h"

#define TC_JOIN(name, set) name##_##set
#define TC_NAMED(name, set) TC_JOIN(name, set)

extern const tc_lookup_kernels TC_NAMED(tc_lookup, TC_SET);
const tc_lookup_kernels TC_NAMED(tc_lookup, TC_SET) = {float_text_windows, whole_text_windows};
