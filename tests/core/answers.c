/* What the core makes of drawn texts and weights, as one number for each part: the same on every machine.
 *
 * tests/core/test_everywhere.py has the numbers. Each part runs with every instruction set, without a pool and with one;
 * the program fails where they differ. Inputs are whole numbers of powers of two, made without a library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunks.h"
#include "cpu.h"
#include "lookup.h"
#include "mix.h"
#include "numeric.h"
#include "text_features.h"
#include "tokens.h"
#include "type_rows.h"

enum { TEXTS = 300, FORM = TC_COMPATIBLE | TC_LOWERCASE, SLOTS = 1 << 16, BUCKETS = 1000, MOST_LOGARITHMS = 4096 };
enum { FIXED = 8, DIM = 24, TAPS = 5, FILTERS = 20, WIDTH = 32, LABELS = 3, SIZES = 3, WHOLE_TAPS = 12 };
enum { COLUMNS = TAPS * FILTERS + LABELS, PANELS = (COLUMNS + TC_PANEL - 1) / TC_PANEL };

static const int64_t sizes[SIZES] = {3, 4, 5}, nested[SIZES] = {0, 0, 0}, own[SIZES] = {0, 3, 7};
static uint64_t drawn, hash;

static void require(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "answers: %s\n", what);
    exit(1);
}

static void *room(int64_t count, size_t size) {
    void *found = calloc((size_t)count + 1, size);
    require(found != NULL, "no memory");
    return found;
}

static int64_t below(int64_t bound) {
    return (int64_t)(tc_mixed(7, drawn++) % (uint64_t)bound);
}

static float fraction(void) {
    return (float)(below(1 << 21) - (1 << 20)) / (float)(1 << 20);
}

static float *fractions(int64_t count) {
    float *found = room(count, sizeof *found);
    for (int64_t k = 0; k < count; k++) found[k] = fraction();
    return found;
}

static void add(const void *bytes, size_t size) {
    for (size_t k = 0; k < size; k++) hash = (hash ^ ((const uint8_t *)bytes)[k]) * UINT64_C(1099511628211);
}

/* ---- texts and their ids */

static uint8_t *data;
static int64_t num_bytes, ends[TEXTS], offsets[TEXTS + 1], num_types;
static int32_t *ids;
static tc_chunk_table chunks;

static void write_point(int64_t point) {
    if (point < 0x80) {
        data[num_bytes++] = (uint8_t)point;
        return;
    }
    int rest = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    data[num_bytes++] = (uint8_t)((rest == 1 ? 0xC0 : rest == 2 ? 0xE0 : 0xF0) | point >> (6 * rest));
    while (rest-- > 0) data[num_bytes++] = (uint8_t)(0x80 | (point >> (6 * rest) & 0x3F));
}

static void draw_texts(void) {
    /* Latin, Greek and Cyrillic, marks, Indic scripts, signs, kana, Han, Hangul, compatible forms, emoji and bold letters */
    static const int64_t ranges[][2] = {{0x20, 0x7F}, {0xA0, 0x250}, {0x2B0, 0x530}, {0x300, 0x370}, {0x900, 0xE00}, {0x1E00, 0x2400},
                                        {0x3040, 0x3100}, {0x4E00, 0x9000}, {0xAC00, 0xD7A4}, {0xF900, 0x10000}, {0x1D400, 0x1FA00}};
    data = room(1 << 20, 1);
    for (int b = 0; b < TEXTS; b++) {
        for (int64_t words = below(60); words > 0; words--) {
            const int64_t *range = ranges[below(3) ? 0 : below(11)];
            for (int64_t points = 1 + below(4); points > 0; points--)
                write_point(range == ranges[0] ? (below(8) ? 'a' + below(6) : 0x20 + below(0x5F)) : range[0] + below(range[1] - range[0]));
            if (below(100) == 0) data[num_bytes++] = (uint8_t)(0x80 + below(0x80)); /* no UTF-8 */
            data[num_bytes++] = " \n\t"[below(3)];
        }
        ends[b] = num_bytes;
    }
}

static int64_t split(int form, uint8_t *words, int64_t *counts) {
    int64_t most = tc_room_for_words(num_bytes, form), points = tc_room_for_points(num_bytes);
    uint32_t *work = room(points, sizeof *work);
    int64_t written = tc_split_words(data, num_bytes, ends, TEXTS, form, work, points, words, most, counts);
    require(written > 0, "texts are not split");
    free(work);
    return written;
}

static void tokens(tc_pool *pool) {
    (void)pool;
    uint8_t *words = room(tc_room_for_words(num_bytes, 0) + tc_room_for_words(num_bytes, 7), 1);
    int64_t counts[TEXTS];
    for (int form = 0; form < 8; form++) {
        add(words, (size_t)split(form, words, counts));
        add(counts, sizeof counts);
    }
    free(words);
}

static void number_words(void) {
    uint8_t *words = room(tc_room_for_words(num_bytes, FORM), 1);
    int64_t counts[TEXTS], ended[TEXTS], place = 0;
    int64_t written = split(FORM, words, counts);
    for (int b = 0; b < TEXTS; b++) {
        for (int64_t left = counts[b]; left > 0; place++) left -= words[place] == '\n';
        ended[b] = place;
    }
    chunks = (tc_chunk_table){
        .seed = 1, .table = room(2 * SLOTS, 8), .starts = room(SLOTS, 8), .pool = room(written, 1), .num_slots = SLOTS,
        .most_chunks = SLOTS / 2, .most_bytes = written
    };
    tc_chunk_progress progress = {0, 0, 0};
    int64_t *numbers = room(written, sizeof *numbers);
    require(tc_number_chunks(words, written, ended, TEXTS, &chunks, &progress, numbers, written, offsets) == 0, "words have no numbers");
    ids = room(offsets[TEXTS], sizeof *ids);
    for (int64_t k = 0; k < offsets[TEXTS]; k++) ids[k] = (int32_t)numbers[k];
    num_types = chunks.used;
    free(numbers), free(words);
}

/* ---- features */

static int64_t num_features, num_entries, wide_offsets[TEXTS + 1], *bag_offsets;
static int32_t *feature_rows, *bags;
static float *feature_weights;

static int by_size(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void features(tc_pool *pool) {
    (void)pool;
    drawn = 1000000;
    int64_t num_ids = offsets[TEXTS], *keys = room(num_types + num_ids, sizeof *keys), count = 0, unique = 0;
    for (int64_t id = 0; id < num_types; id++)
        if (id % 3 != 0) keys[count++] = id;
    for (int64_t k = 0; k + 1 < num_ids; k++)
        if (below(2)) keys[count++] = (int64_t)(ids[k] + 1) << 32 | ids[k + 1];
    qsort(keys, (size_t)count, sizeof *keys, by_size);
    for (int64_t k = 0; k < count; k++)
        if (k == 0 || keys[k] != keys[k - 1]) keys[unique++] = keys[k];
    int32_t *word_rows = room(num_types, sizeof *word_rows), *pairs = room(SLOTS, sizeof *pairs);
    memset(word_rows, -1, (size_t)num_types * sizeof *word_rows);
    memset(pairs, -1, SLOTS * sizeof *pairs);
    require(tc_index_ngrams(keys, unique, word_rows, num_types, pairs, SLOTS) == 0, "n-grams have no rows");

    float *idf = fractions(unique);
    double *logarithms = room(MOST_LOGARITHMS, sizeof *logarithms), *exact = room(2 * num_ids, sizeof *exact);
    for (int n = 1; n <= MOST_LOGARITHMS; n++) logarithms[n - 1] = 1.0 + tc_log(n) + tc_exp(-n);
    int32_t *scratch = room(4 * num_ids, sizeof *scratch);
    int64_t counts[TEXTS];
    tc_texts texts = {ids, num_ids, offsets, TEXTS};
    free(feature_rows), free(feature_weights), free(bags), free(bag_offsets);
    feature_rows = room(2 * num_ids, sizeof *feature_rows);
    feature_weights = room(2 * num_ids, sizeof *feature_weights);
    num_features = unique;
    num_entries = tc_weigh_ngrams(
        texts, keys, word_rows, num_types, pairs, SLOTS, idf, unique, logarithms, MOST_LOGARITHMS, feature_rows,
        feature_weights, 2 * num_ids, counts, scratch, exact, num_ids
    );
    require(num_entries > 0, "n-grams have no weights");
    for (int b = 0; b < TEXTS; b++) wide_offsets[b + 1] = wide_offsets[b] + counts[b];
    add(feature_rows, (size_t)num_entries * sizeof *feature_rows);
    add(feature_weights, (size_t)num_entries * sizeof *feature_weights);
    add(counts, sizeof counts);

    bag_offsets = room(num_types, sizeof *bag_offsets);
    require(tc_ngram_offsets(chunks.pool, chunks.starts[num_types], chunks.starts + 1, num_types, 3, 5, 40, bag_offsets) == 0, "no offsets");
    int64_t num_bags = bag_offsets[num_types], *buckets = room(num_bags, sizeof *buckets);
    require(
        tc_ngram_buckets(chunks.pool, chunks.starts[num_types], chunks.starts + 1, num_types, 3, 5, 40, BUCKETS, bag_offsets, buckets, num_bags) == 0,
        "no buckets"
    );
    bags = room(num_bags, sizeof *bags);
    for (int64_t k = 0; k < num_bags; k++) bags[k] = (int32_t)buckets[k];
    add(buckets, (size_t)num_bags * sizeof *buckets);
    free(keys), free(word_rows), free(pairs), free(idf), free(logarithms), free(exact), free(scratch), free(buckets);
}

/* ---- rows of products, and what is looked up in them */

/* Rows of all types behind an empty one, and their shares of the mean. */
static void fill_rows(tc_pool *pool, const double *steps, void *rows, int64_t row_size, int64_t *shares) {
    drawn = 2000000;
    int64_t known = num_types * 3 / 4;
    float *fixed = fractions(known * FIXED), *vectors = fractions(known * DIM), *ngrams = fractions(BUCKETS * DIM), *scores = fractions(BUCKETS * LABELS);
    double *panels = room(PANELS * (FIXED + DIM) * TC_PANEL, sizeof *panels), scales[COLUMNS];
    for (int64_t c = 0; c < COLUMNS; c++) {
        scales[c] = 1.0 / (1 << 20);
        for (int64_t d = 0; d < FIXED + DIM; d++)
            panels[(c / TC_PANEL * (FIXED + DIM) + d) * TC_PANEL + c % TC_PANEL] = (double)(below(1 << 20) - (1 << 19));
    }
    int64_t *types = room(num_types, sizeof *types);
    for (int64_t id = 0; id < num_types; id++) types[id] = id;
    uint8_t *clipped = room(num_types, 1);
    tc_vector_tables tables = {fixed, vectors, ngrams, known, BUCKETS, FIXED, DIM, 0, scores, 0.75};
    tc_whole_weights weights = {panels, scales, COLUMNS, 26};
    tc_row_layout layout = {TAPS, FILTERS, WIDTH, LABELS, SIZES, sizes, nested, steps};
    tc_bags all = {bags, bag_offsets[num_types], bag_offsets};
    int status = tc_fill_rows(pool, &tables, &weights, &layout, types, num_types, &all, (char *)rows + row_size, shares + LABELS, clipped);
    require(status == 0, "rows are not filled");
    add(rows, (size_t)((num_types + 1) * row_size));
    add(shares, (size_t)(num_types + 1) * LABELS * sizeof *shares);
    add(clipped, (size_t)num_types);
    free(fixed), free(vectors), free(ngrams), free(scores), free(panels), free(types), free(clipped);
}

static void look_up(tc_pool *pool, int is_whole) {
    int64_t row_size = is_whole ? WHOLE_TAPS * WIDTH : TAPS * WIDTH * 4, num_ids = offsets[TEXTS], count = TEXTS * SIZES * WIDTH;
    void *rows = room((num_types + 1) * row_size, 1), *best = room(count, 4);
    int64_t *shares = room((num_types + 1) * LABELS, 8), *numbers = room(num_ids, 8);
    int64_t *mean_sums = room(TEXTS * LABELS, 8), *wide_sums = room(TEXTS * LABELS, 8);
    int32_t *places = room(count, sizeof *places);
    double steps[SIZES * FILTERS];
    for (int k = 0; k < SIZES * FILTERS; k++) steps[k] = (double)(16 + k) / 2048.0;
    fill_rows(pool, is_whole ? steps : NULL, rows, row_size, shares);

    float *table = fractions(num_features * LABELS), *head = fractions(SIZES * FILTERS * LABELS), *bias = fractions(SIZES * FILTERS);
    for (int64_t k = 0; k < num_ids; k++) numbers[k] = ids[k] + 1;
    tc_products products = {rows, num_types + 1, is_whole ? WHOLE_TAPS : TAPS, WIDTH, sizes, is_whole ? own : nested, SIZES, is_whole};
    tc_row_texts texts = {numbers, offsets, num_ids, TEXTS};
    tc_wide_features wide = {table, num_features, 0.75, feature_rows, feature_weights, num_entries, wide_offsets};
    int status = tc_collect(pool, &products, &texts, shares, LABELS, &wide, best, mean_sums, wide_sums);
    require(status == 0 && tc_find_winners(pool, &products, &texts, best, places) == 0, "texts are not looked up");
    add(best, (size_t)count * (is_whole ? 2 : 4));
    add(places, (size_t)count * sizeof *places);

    double logits[TEXTS * LABELS] = {0};
    uint8_t empty[TEXTS] = {0};
    if (!is_whole)
        for (int activation = TC_ACTIVATE_RELU; activation <= TC_ACTIVATE_IDENTITY; activation++)
            require(
                tc_add_scores(pool, best, TEXTS, SIZES, WIDTH, bias, FILTERS, head, LABELS, activation, empty, logits) == 0, "no scores"
            );
    else
        for (int b = 0; b < TEXTS; b++)
            for (int k = 0; k < SIZES * FILTERS * LABELS; k++) /* whole numbers of 2^-20: exact */
                logits[b * LABELS + k % LABELS]
                    += (double)((const int16_t *)best)[(b * SIZES + k / LABELS / FILTERS) * WIDTH + k / LABELS % FILTERS] * (double)head[k];
    for (int k = 0; k < TEXTS * LABELS; k++) logits[k] += (double)(mean_sums[k] / 4096 + wide_sums[k] / (1 << 24)) / (1 << 24);
    add(logits, sizeof logits);
    free(rows), free(best), free(shares), free(numbers), free(mean_sums), free(wide_sums), free(places), free(table), free(head), free(bias);
}

static void float32(tc_pool *pool) {
    look_up(pool, 0);
}

static void int8(tc_pool *pool) {
    look_up(pool, 1);
}

int main(void) {
    static const struct {
        const char *name;
        void (*run)(tc_pool *pool);
    } parts[] = {{"tokens", tokens}, {"features", features}, {"float32", float32}, {"int8", int8}};
    tc_pool *pool = tc_pool_new(3);
    require(pool != NULL, "no pool");
    draw_texts();
    number_words();
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        uint64_t first = 0;
        for (int set = TC_BASELINE; set <= tc_best_instruction_set(); set++)
            for (int with_pool = 0; with_pool < 2; with_pool++) {
                tc_use_instruction_set(set);
                hash = UINT64_C(14695981039346656037);
                parts[k].run(with_pool ? pool : NULL);
                if (set == TC_BASELINE && !with_pool) first = hash;
                require(hash == first, "an instruction set or a pool changes what is found");
            }
        printf("%s %016" PRIx64 "\n", parts[k].name, first);
    }
    tc_pool_free(pool);
    return 0;
}
