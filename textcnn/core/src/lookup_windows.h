/* Largest sums of windows, for rows of one kind: TC_ITEM are the products, TC_SUM their sums, TC_NAME(x) names functions,
 * TC_LEAST is not above any sum. Included once for each kind by lookup_windows.c. */

/* Taps that the windows of some neighbouring sizes share. */
typedef struct {
    const TC_ITEM *products; /* the first tap of row 0 */
    int64_t stride, width;   /* of a row; of a tap */
    const int64_t *sizes;    /* ascending */
    int64_t count;
} TC_NAME(group);

static void TC_NAME(prefetch)(const TC_NAME(group) *g, int64_t row) {
    const char *at = (const char *)(g->products + row * g->stride);
    int64_t bytes = g->sizes[g->count - 1] * g->width * (int64_t)sizeof(TC_ITEM);
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
}

/* Windows of all sizes that begin at word t, anywhere. */
static void TC_NAME(one_place)(
    const TC_NAME(group) *g, const int64_t *rows, int64_t length, int64_t t, TC_SUM *restrict best, int32_t *restrict places
) {
    int64_t low = t < 0 ? -t : 0;
    for (int64_t f = 0; f < g->width; f += TC_LOOKUP_LANES) {
        TC_SUM sum[TC_LOOKUP_LANES] = {0};
        int64_t tap = low;
        for (int64_t k = 0; k < g->count; k++) {
            int64_t size = g->sizes[k], end = size < length - t ? size : length - t;
            for (; tap < end; tap++) {
                const TC_ITEM *restrict row = g->products + rows[t + tap] * g->stride + tap * g->width + f;
                for (int l = 0; l < TC_LOOKUP_LANES; l++) sum[l] = (TC_SUM)(sum[l] + row[l]);
            }
            if (t + size <= 0) continue; /* it ends before the first word */
            TC_SUM *restrict own = best + k * g->width + f;
            if (places != NULL) {
                int32_t *restrict place = places + k * g->width + f;
                for (int l = 0; l < TC_LOOKUP_LANES; l++) place[l] = sum[l] > own[l] ? (int32_t)t : place[l];
            }
            for (int l = 0; l < TC_LOOKUP_LANES; l++) own[l] = sum[l] > own[l] ? sum[l] : own[l];
        }
    }
}

/* Windows of shortest, shortest + 1, ..., longest words that begin at the words t to t + 3, all inside the text. Constant
 * sizes and width make it a loop of additions whose sums stay in registers. */
TC_ALWAYS void TC_NAME(four_places)(
    const TC_NAME(group) *g, const int64_t *rows, int64_t t, TC_SUM *restrict best, int32_t *restrict places,
    const int64_t width, const int shortest, const int longest, const int has_places
) {
    const TC_ITEM *restrict row[8];
    TC_UNROLL
    for (int j = 0; j < longest + 3; j++) row[j] = g->products + rows[t + j] * g->stride;
    TC_INDEPENDENT
    for (int64_t f = 0; f < width; f++) {
        TC_SUM sum[4];
        TC_UNROLL
        /* cppcheck-suppress uninitvar ; longest is 3 to 5, so the loop before has filled all that is read */
        for (int i = 0; i < 4; i++) sum[i] = row[i][f];
        TC_UNROLL
        for (int tap = 1; tap < longest; tap++) {
            TC_UNROLL
            for (int i = 0; i < 4; i++) sum[i] = (TC_SUM)(sum[i] + row[i + tap][tap * width + f]);
            if (tap + 1 < shortest) continue;
            TC_SUM top = best[(tap + 1 - shortest) * width + f];
            int32_t place = has_places ? places[(tap + 1 - shortest) * width + f] : 0;
            TC_UNROLL
            for (int i = 0; i < 4; i++) {
                place = sum[i] > top ? (int32_t)t + i : place;
                top = sum[i] > top ? sum[i] : top;
            }
            best[(tap + 1 - shortest) * width + f] = top;
            if (has_places) places[(tap + 1 - shortest) * width + f] = place;
        }
    }
}

/* The places from 0 on that can be taken four at a time; gives the first that is left. */
TC_ALWAYS int64_t TC_NAME(inner_places)(
    const TC_NAME(group) *g, const int64_t *rows, int64_t length, TC_SUM *best, int32_t *places, const int64_t width,
    const int shortest, const int longest
) {
    int64_t t = 0;
    for (; t + longest + 3 <= length; t += 4) {
        for (int64_t ahead = t + TC_AHEAD; ahead < t + TC_AHEAD + 4 && ahead < length; ahead++)
            TC_NAME(prefetch)(g, rows[ahead]);
        if (places != NULL)
            TC_NAME(four_places)(g, rows, t, best, places, width, shortest, longest, 1);
        else
            TC_NAME(four_places)(g, rows, t, best, places, width, shortest, longest, 0);
    }
    return t;
}

TC_ALWAYS int64_t TC_NAME(inner_of_width)(
    const TC_NAME(group) *g, const int64_t *rows, int64_t length, TC_SUM *best, int32_t *places, const int64_t width
) {
    const int64_t *sizes = g->sizes;
    if (g->count == 3 && sizes[0] == 3 && sizes[1] == 4 && sizes[2] == 5)
        return TC_NAME(inner_places)(g, rows, length, best, places, width, 3, 5);
    if (g->count != 1) return 0;
    if (sizes[0] == 3) return TC_NAME(inner_places)(g, rows, length, best, places, width, 3, 3);
    if (sizes[0] == 4) return TC_NAME(inner_places)(g, rows, length, best, places, width, 4, 4);
    if (sizes[0] == 5) return TC_NAME(inner_places)(g, rows, length, best, places, width, 5, 5);
    return 0;
}

static void TC_NAME(group_windows)(
    const TC_NAME(group) *g, const int64_t *rows, int64_t length, TC_SUM *best, int32_t *places
) {
    int64_t widest = g->sizes[g->count - 1];
    for (int64_t k = 0; k < g->count; k++)
        for (int64_t f = 0; f < g->width; f++) {
            best[k * g->width + f] = TC_LEAST;
            if (places != NULL) places[k * g->width + f] = (int32_t)(1 - g->sizes[k]);
        }
    for (int64_t t = 1 - widest; t < 0; t++) TC_NAME(one_place)(g, rows, length, t, best, places);
    int64_t t = g->width == TC_USUAL_WIDTH ? TC_NAME(inner_of_width)(g, rows, length, best, places, TC_USUAL_WIDTH)
                                           : TC_NAME(inner_of_width)(g, rows, length, best, places, g->width);
    for (; t < length; t++) TC_NAME(one_place)(g, rows, length, t, best, places);
}

/* As tc_text_windows. */
static void TC_NAME(text_windows)(
    const tc_products *p, const int64_t *rows, int64_t length, void *best, int32_t *places
) {
    for (int64_t k = 0; k < p->num_sizes;) {
        TC_NAME(group) g = {
            (const TC_ITEM *)p->products + p->first_taps[k] * p->width, p->num_taps * p->width, p->width, p->sizes + k, 1
        };
        while (k + g.count < p->num_sizes && p->first_taps[k + g.count] == p->first_taps[k]
               && p->sizes[k + g.count] > p->sizes[k + g.count - 1])
            g.count++;
        int64_t before = k * p->width;
        TC_NAME(group_windows)(&g, rows, length, (TC_SUM *)best + before, places == NULL ? NULL : places + before);
        k += g.count;
    }
}
