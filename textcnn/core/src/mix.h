/* Counter-based random numbers: pure functions of a state and a position. */
#ifndef TEXTCNN_MIX_H
#define TEXTCNN_MIX_H

#include <stdint.h>

/* A step of splitmix64 (Steele et al. 2014): textcnn.tokenization.masking.uniform is its twin. */
static inline uint64_t tc_mixed(uint64_t state, uint64_t place) {
    state = state * 0x9E3779B97F4A7C15ULL + place;
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ULL;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBULL;
    return state ^ (state >> 31);
}

#endif
