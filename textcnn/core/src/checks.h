/* Checks that entry points share. */
#ifndef TEXTCNN_CHECKS_H
#define TEXTCNN_CHECKS_H

#include <stdint.h>

#define TC_MOST (INT64_C(1) << 40) /* of anything that is multiplied with something else */

static inline int tc_is_between(int64_t x, int64_t least, int64_t most) {
    return x >= least && x <= most;
}

static inline int tc_is_power_of_two(int64_t number) {
    return number > 0 && (number & (number - 1)) == 0;
}

/* Whether `count` numbers do not fall, and lie from `least` to `most`. */
static inline int tc_are_ascending(const int64_t *numbers, int64_t count, int64_t least, int64_t most) {
    for (int64_t k = 0; k < count; k++) {
        if (numbers[k] < least || numbers[k] > most) return 0;
        least = numbers[k];
    }
    return 1;
}

#endif
