/* Classifies a text by tables: its words, their rows, and sums in the same order as in the other runtimes. */
#include <string.h>

#include "checks.h"
#include "numeric.h"
#include "tables_state.h"
#include "text_features.h"
#include "tokens.h"
#include "whole_numbers.h"

#define MOST_BYTES (INT64_C(1) << 30) /* of a text: numbers of words and types together fit 32 bits */
#define UNIT (1.0 / 68719476736.0) /* 2^-36 */

/* A text on the way to its answer. */
typedef struct {
    textcnn_tables *tables;
    const uint8_t *text;
    int64_t num_bytes;
    const uint8_t *words; /* of the text, a line end after each */
    int64_t num_words_bytes, num_words, num_seen;
    int32_t *ids;         /* (num_words): from the number of types on, those of unseen words that n-grams make */
    int64_t num_unseen;
    int64_t *bag_offsets; /* (num_unseen + 1): where the n-gram rows of each begin in bag_rows */
    int32_t *bag_rows;
    int64_t *rows;        /* (num_seen) */
} answer;

/* ---- words */

int64_t tc_slot_of_word(const tc_word_set *set, const uint8_t *word, int64_t size) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (int64_t k = 0; k < size; k++) hash = (hash ^ word[k]) * 16777619u;
    int64_t slot = hash & (uint64_t)(set->num_slots - 1);
    for (; set->slots[slot] != 0; slot = (slot + 1) & (set->num_slots - 1)) {
        int64_t k = set->slots[slot] - 1, start = k == 0 ? 0 : set->ends[k - 1];
        if (set->ends[k] - start == size && memcmp(set->bytes + start, word, (size_t)size) == 0) break;
    }
    return slot;
}

static int split_words(answer *a) {
    textcnn_tables *t = a->tables;
    if (!tc_is_between(a->num_bytes, 0, MOST_BYTES)) return -1;
    int64_t most_points = tc_room_for_points(a->num_bytes), most_bytes = tc_room_for_words(a->num_bytes, t->form);
    uint32_t *points = tc_scratch_for(t, TC_POINTS, most_points, sizeof *points);
    uint8_t *words = tc_scratch_for(t, TC_WORDS, most_bytes, 1);
    if (points == NULL || words == NULL) return -1;
    a->words = words;
    a->num_words_bytes = tc_split_words(
        a->text, a->num_bytes, &a->num_bytes, 1, t->form, points, most_points, words, most_bytes, &a->num_words
    );
    return a->num_words_bytes < 0 ? -1 : 0;
}

/* The row of a bucket of n-grams; -1: it was not trained. */
static int32_t row_of_bucket(const textcnn_tables *t, int64_t bucket) {
    int64_t low = 0, high = t->vectors.num_ngrams;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (t->buckets[middle] < bucket) low = middle + 1;
        else high = middle;
    }
    return low < t->vectors.num_ngrams && t->buckets[low] == bucket ? (int32_t)low : -1;
}

/* The n-gram rows of different unseen words; numbers (count) are those that words with rows have among each other. */
static int compose_unseen(answer *a, const tc_word_set *unseen, int32_t *numbers) {
    textcnn_tables *t = a->tables;
    const int64_t *ends = unseen->ends;
    int64_t num_bytes = unseen->count > 0 ? ends[unseen->count - 1] : 0;
    int64_t *offsets = tc_scratch_for(t, TC_BAG_OFFSETS, unseen->count + 1, sizeof *offsets);
    if (offsets == NULL) return -1;
    if (tc_ngram_offsets(
            unseen->bytes, num_bytes, ends, unseen->count, t->ngram_min, t->ngram_max, t->ngrams_per_token, offsets
        ) != 0)
        return -1;
    int64_t count = offsets[unseen->count];
    int64_t *buckets = tc_scratch_for(t, TC_BUCKETS, count, sizeof *buckets);
    a->bag_rows = tc_scratch_for(t, TC_BAG_ROWS, count, sizeof *a->bag_rows);
    if (buckets == NULL || a->bag_rows == NULL) return -1;
    if (tc_ngram_buckets(
            unseen->bytes, num_bytes, ends, unseen->count, t->ngram_min, t->ngram_max, t->ngrams_per_token,
            t->ngram_buckets, offsets, buckets, count
        ) != 0)
        return -1;
    int64_t written = 0, first = 0;
    for (int64_t k = 0; k < unseen->count; k++) {
        int64_t before = written, last = offsets[k + 1];
        for (; first < last; first++) {
            int32_t row = row_of_bucket(t, buckets[first]);
            if (row >= 0) a->bag_rows[written++] = row;
        }
        numbers[k] = written > before ? (int32_t)a->num_unseen++ : -1;
        offsets[a->num_unseen] = written; /* after what has been read */
    }
    a->bag_offsets = offsets;
    return 0;
}

/* Ids of the words of the text. Unseen ones are numbered first as they come, then by those that n-grams make. */
static int find_ids(answer *a) {
    textcnn_tables *t = a->tables;
    tc_word_set unseen = {.num_slots = 2};
    while (unseen.num_slots < 2 * a->num_words) unseen.num_slots *= 2;
    uint8_t *bytes = tc_scratch_for(t, TC_UNSEEN, a->num_words_bytes, 1);
    a->ids = tc_scratch_for(t, TC_IDS, a->num_words, sizeof *a->ids);
    unseen.bytes = bytes;
    unseen.ends = tc_scratch_for(t, TC_UNSEEN_ENDS, a->num_words, sizeof *unseen.ends);
    unseen.slots = tc_scratch_for(t, TC_UNSEEN_SLOTS, unseen.num_slots, sizeof *unseen.slots);
    int32_t *numbers = tc_scratch_for(t, TC_NUMBERS, a->num_words, sizeof *numbers);
    if (bytes == NULL || a->ids == NULL || unseen.ends == NULL || unseen.slots == NULL || numbers == NULL) return -1;
    memset(unseen.slots, 0, (size_t)unseen.num_slots * sizeof *unseen.slots);

    const int32_t num_types = (int32_t)t->words.count;
    int64_t filled = 0;
    const uint8_t *word = a->words;
    for (int64_t k = 0; k < a->num_words; k++) {
        int64_t size = (const uint8_t *)memchr(word, '\n', (size_t)(a->words + a->num_words_bytes - word)) - word;
        uint32_t found = t->words.slots[tc_slot_of_word(&t->words, word, size + 1)];
        a->ids[k] = found > 0 ? (int32_t)(found - 1) : (int32_t)t->unknown;
        if (found == 0 && t->vectors.ngrams != NULL) {
            int64_t slot = tc_slot_of_word(&unseen, word, size);
            if (unseen.slots[slot] == 0) {
                memcpy(bytes + filled, word, (size_t)size);
                unseen.ends[unseen.count++] = filled += size;
                unseen.slots[slot] = (uint32_t)unseen.count;
            }
            a->ids[k] = num_types + (int32_t)unseen.slots[slot] - 1;
        }
        word += size + 1;
    }
    if (unseen.count == 0) return 0;
    if (compose_unseen(a, &unseen, numbers) != 0) return -1;
    for (int64_t k = 0; k < a->num_words; k++) {
        if (a->ids[k] < num_types) continue;
        int32_t composed = numbers[a->ids[k] - num_types];
        a->ids[k] = composed >= 0 ? num_types + composed : (int32_t)t->unknown;
    }
    return 0;
}

/* ---- rows */

static void copy_vector(const tc_vectors *v, int64_t type, float *out) {
    for (int64_t d = 0; d < v->dim; d++)
        out[d] = v->floats != NULL ? v->floats[type * v->dim + d] : (float)v->whole[type * v->dim + d] * v->scales[type];
}

static void add_character_shares(const textcnn_tables *t, const int64_t *types, int64_t num_new, int64_t *means) {
    for (int64_t k = 0; k < num_new; k++)
        for (int64_t c = 0; c < t->num_labels; c++) {
            int64_t *mean = means + k * t->num_labels + c;
            *mean = (int64_t)((uint64_t)*mean + (uint64_t)t->character_shares[types[k] * t->num_labels + c]);
        }
}

/* Make the rows of types that are new, then those of unseen words, after the cached rows. */
static int fill_rows(answer *a, const int64_t *types, int64_t num_new, int64_t num_unseen) {
    textcnn_tables *t = a->tables;
    const int64_t count = num_new + num_unseen;
    int64_t *numbers = tc_scratch_for(t, TC_ROWS, a->num_seen + 2 * count + 1, sizeof *numbers);
    float *fixed = tc_scratch_for(t, TC_FIXED, num_new * t->fixed.dim, sizeof *fixed);
    float *own = tc_scratch_for(t, TC_FLOATS, num_new * t->own.dim, sizeof *own);
    if (numbers == NULL || fixed == NULL || own == NULL) return -1;
    int64_t *offsets = numbers + count;
    for (int64_t k = 0; k < count; k++) numbers[k] = k;
    for (int64_t k = 0; k <= count; k++) offsets[k] = k < num_new || num_unseen == 0 ? 0 : a->bag_offsets[k - num_new];
    for (int64_t k = 0; k < num_new; k++) {
        if (t->fixed.dim > 0) copy_vector(&t->fixed, types[k], fixed + k * t->fixed.dim);
        copy_vector(&t->own, types[k], own + k * t->own.dim);
    }
    tc_vector_tables tables = t->vectors;
    tables.fixed = t->fixed.dim > 0 ? fixed : NULL;
    tables.words = own;
    tables.num_types = num_new;
    const tc_bags bags = {a->bag_rows, offsets[count], offsets};
    uint8_t *rows = (uint8_t *)t->row_bytes + t->used * t->row_size;
    int64_t *means = t->means + t->used * t->layout.num_shares;
    int status = tc_fill_rows(
        NULL, &tables, &t->weights, &t->layout, numbers, count, &bags, rows, means, t->clipped + t->used
    );
    if (status == 0 && t->character_shares != NULL) add_character_shares(t, types, num_new, means);
    return status;
}

static int find_rows(answer *a) {
    textcnn_tables *t = a->tables;
    if (t->used + a->num_seen > t->products.num_rows && tc_make_room_for_rows(t, 1 + a->num_seen) != 0) return -1;
    int64_t *types = tc_scratch_for(t, TC_NEW_TYPES, a->num_seen, sizeof *types), num_new = 0, num_unseen = 0;
    if (types == NULL) return -1;
    for (int64_t k = 0; k < a->num_seen; k++) {
        int64_t unseen = a->ids[k] - t->words.count;
        if (unseen >= num_unseen) num_unseen = unseen + 1; /* they are numbered as they come */
        if (unseen >= 0 || t->row_of[a->ids[k]] >= 0) continue;
        t->row_of[a->ids[k]] = (int32_t)(t->used + num_new);
        types[num_new++] = a->ids[k];
    }
    if (num_new + num_unseen > 0 && fill_rows(a, types, num_new, num_unseen) != 0) {
        for (int64_t k = 0; k < num_new; k++) t->row_of[types[k]] = -1;
        return -1;
    }
    t->used += num_new;
    a->rows = tc_scratch_for(t, TC_ROWS, a->num_seen, sizeof *a->rows);
    if (a->rows == NULL) return -1;
    for (int64_t k = 0; k < a->num_seen; k++) {
        int64_t unseen = a->ids[k] - t->words.count;
        a->rows[k] = unseen >= 0 ? t->used + unseen : t->row_of[a->ids[k]];
    }
    return 0;
}

/* ---- logits */

/* The sums of the wide branch, in 2^-48. */
static int add_wide(answer *a, int64_t *sums) {
    textcnn_tables *t = a->tables;
    const int64_t ends[2] = {0, a->num_words}, longest = a->num_words;
    int32_t *rows = tc_scratch_for(t, TC_WIDE_ROWS, 2 * longest, sizeof *rows);
    float *weights = tc_scratch_for(t, TC_WIDE_WEIGHTS, 2 * longest, sizeof *weights);
    int32_t *scratch = tc_scratch_for(t, TC_WIDE_SCRATCH, 4 * longest, sizeof *scratch);
    double *exact = tc_scratch_for(t, TC_WIDE_EXACT, 2 * longest, sizeof *exact);
    if (rows == NULL || weights == NULL || scratch == NULL || exact == NULL || tc_extend_logarithms(t, longest) != 0) return -1;
    const tc_texts texts = {a->ids, longest, ends, 1};
    int64_t count;
    if (tc_weigh_ngrams(
            texts, t->keys, t->word_rows, t->words.count, t->pairs, t->num_slots, t->idf, t->wide.num_features,
            t->logarithms, t->num_logarithms, rows, weights, 2 * longest, &count, scratch, exact, longest
        ) < 0)
        return -1;
    tc_wide_features wide = t->wide;
    wide.rows = rows;
    wide.weights = weights;
    wide.num_entries = count;
    tc_features_of_text(&wide, 0, count, t->num_labels, sums);
    return 0;
}

static int find_logits(answer *a) {
    textcnn_tables *t = a->tables;
    const int64_t ends[2] = {0, a->num_seen};
    const tc_row_texts texts = {a->rows, ends, a->num_seen, 1};
    for (int64_t c = 0; c < t->num_labels; c++) t->rest[c] = 0, t->logits[c] = 0.0;
    if (t->wide.num_features > 0 && add_wide(a, t->rest) != 0) return -1;
    tc_rest_of_text(t->layout.num_shares > 0 ? t->means : NULL, a->rows, a->num_seen, t->bias, t->num_labels, t->rest);
    if (a->num_seen > 0) {
        tc_windows_of_text(&t->products, &texts, 0, t->best, NULL);
        if (t->products.is_whole) tc_whole_scores_of_text(&t->whole_scores, t->best, t->logits);
        else tc_scores_of_text(&t->scores, t->best, t->logits);
    }
    for (int64_t c = 0; c < t->num_labels; c++) {
        if (t->products.is_whole) t->logits[c] = (double)(int64_t)((uint64_t)tc_whole(t->logits[c]) + (uint64_t)t->rest[c]) * UNIT;
        else t->logits[c] += (double)t->rest[c] * UNIT;
    }
    return 0;
}

/* The probability of each grade, by cumulative logits of the number (McCullagh 1980). */
static void choose_grade(textcnn_tables *t, double score) {
    double before = 0.0;
    t->answer.best_grade = 0;
    for (int64_t k = 0; k < t->num_grades; k++) {
        double below = k + 1 < t->num_grades ? 1.0 / (1.0 + tc_exp(-(t->slope * (t->cuts[k] - score)))) : 1.0;
        t->grades[k] = below - before;
        before = below;
        if (t->grades[k] > t->grades[t->answer.best_grade]) t->answer.best_grade = (size_t)k;
    }
}

/* Probabilities, and the labels that are given. */
static void choose(textcnn_tables *t) {
    int64_t best = 0;
    double total = 0.0;
    for (int64_t c = 1; c < t->num_labels; c++)
        if (t->logits[c] > t->logits[best]) best = c;
    t->answer.best = (size_t)best;
    for (int64_t c = 0; t->target_stds != NULL && c < t->num_labels; c++) {
        t->probabilities[c] = t->target_means[c] + t->target_stds[c] * (t->logits[c] / t->temperature);
        t->is_given[c] = 0;
    }
    if (t->num_grades > 0) choose_grade(t, t->probabilities[0]);
    if (t->target_stds != NULL) return;
    for (int64_t c = 0; c < t->num_labels; c++) {
        double score = t->logits[c] / t->temperature, top = t->logits[best] / t->temperature;
        t->probabilities[c] = t->is_multi_label ? 1.0 / (1.0 + tc_exp(-score)) : tc_exp(score - top);
        total += t->probabilities[c];
    }
    for (int64_t c = 0; c < t->num_labels; c++) {
        if (!t->is_multi_label) t->probabilities[c] /= total;
        t->is_given[c] = t->is_multi_label ? t->probabilities[c] >= t->thresholds[c] : c == best;
    }
}

/* ---- entry points */

static void answer_text(void *context, int64_t first, int64_t last) {
    answer *a = context;
    textcnn_tables *t = a->tables;
    (void)first, (void)last;
    t->answer.logits = NULL;
    if (split_words(a) != 0 || find_ids(a) != 0) return;
    a->num_seen = a->num_words < t->max_length ? a->num_words : t->max_length;
    if (find_rows(a) != 0 || find_logits(a) != 0) return;
    choose(t);
    t->answer.logits = t->logits;
    t->answer.probabilities = t->probabilities;
    t->answer.is_given = t->is_given;
    t->answer.grades = t->grades;
    t->answer.num_tokens = (size_t)a->num_words;
    t->answer.num_seen = (size_t)a->num_seen;
}

const textcnn_answer *textcnn_tables_classify(textcnn_tables *tables, const void *text, size_t length) {
    answer a = {.tables = tables, .text = text, .num_bytes = (int64_t)length};
    tc_run_ranges(NULL, 1, 0, answer_text, &a);
    return tables->answer.logits == NULL ? NULL : &tables->answer;
}

const char *textcnn_tables_words(textcnn_tables *tables, const void *text, size_t length, size_t *written) {
    answer a = {.tables = tables, .text = text, .num_bytes = (int64_t)length};
    int status = split_words(&a);
    *written = status == 0 ? (size_t)a.num_words_bytes : 0;
    return status == 0 ? (const char *)a.words : NULL;
}
