#include "one_text.h"

#include <math.h>
#include <stddef.h>

#include "lookup_state.h"
#include "text_features.h"

#define MOST TC_MOST_TOKENS
#define MOST_CHUNKS (MOST + 32) /* they are numbered some at a time */
#define UNIT (1.0 / 68719476736.0) /* 2^-36 */

/* What is made of one text on the way to its logits. */
typedef struct {
    const tc_one_text *model;
    const uint8_t *data;
    int64_t num_bytes;
    int32_t ids[MOST];
    int64_t rows[MOST]; /* of the words that the filters see */
    int64_t length, size; /* words; words that the filters see */
    void *best;
    int64_t *rest;
    double *logits;
    tc_text_facts *facts;
    int status;
} answer;

static int fits(const tc_one_text *m) {
    return tc_are_products(&m->products) && m->products.num_rows > 0 && m->num_labels >= 0 && m->num_labels <= 1 << 24
           && m->num_types >= 0 && m->longest >= 0 && m->num_unseen >= 0 && m->num_filters >= 0
           && m->num_filters <= m->products.width && m->activation >= TC_ACTIVATE_RELU
           && m->activation <= TC_ACTIVATE_IDENTITY && m->chunks.used >= 0 && m->num_chunk_ids >= 0;
}

/* The ids of the text, from the chunks that are remembered. */
static int find_ids(answer *a) {
    const tc_one_text *m = a->model;
    tc_chunk_table table = m->chunks;
    if (table.used > table.most_chunks) return -1;
    table.most_chunks = table.used; /* full: a chunk that is new is not added */
    tc_chunk_progress progress = {0, 0, 0};
    int64_t numbers[MOST_CHUNKS], offsets[2];
    if (tc_number_chunks(a->data, a->num_bytes, &a->num_bytes, 1, &table, &progress, numbers, MOST_CHUNKS, offsets) != 0)
        return TC_NOT_MET;
    a->length = a->facts->unknown = 0;
    for (int64_t k = 0; k < offsets[1]; k++) {
        int64_t first = m->chunk_offsets[numbers[k]], last = m->chunk_offsets[numbers[k] + 1];
        if (first < 0 || last < first || last > m->num_chunk_ids) return -1;
        if (last - first > MOST - a->length) return TC_NOT_MET;
        for (int64_t i = first; i < last; i++) {
            int32_t id = m->chunk_ids[i];
            a->ids[a->length++] = id;
            a->facts->unknown += id >= m->num_types || id == m->unknown;
        }
    }
    return TC_ANSWERED;
}

static int find_rows(answer *a) {
    const tc_one_text *m = a->model;
    a->size = a->length < m->longest ? a->length : m->longest;
    a->facts->tokens = a->length;
    a->facts->clipped = 0;
    a->facts->label = -1;
    a->facts->margin = 0.0;
    for (int64_t i = 0; i < a->size; i++) {
        int64_t id = a->ids[i], row = -1;
        if (id < 0) return -1;
        if (id < m->num_types)
            row = m->row_of[id];
        else if (id - m->num_types < m->num_unseen)
            row = m->row_of_unseen[id - m->num_types];
        if (row < 0) return TC_NOT_MET;
        if (row >= m->products.num_rows) return -1;
        a->rows[i] = row;
        a->facts->clipped |= m->clipped[row];
    }
    return TC_ANSWERED;
}

static int add_wide(const answer *a, int64_t *sums) {
    const tc_one_text *m = a->model;
    int32_t rows[2 * MOST], scratch[4 * MOST];
    float weights[2 * MOST];
    double exact[2 * MOST];
    const int64_t ends[2] = {0, a->length};
    int64_t count = 0;
    const tc_texts texts = {a->ids, a->length, ends, 1};
    if (tc_weigh_ngrams(
            texts, m->keys, m->word_rows, m->num_words, m->pairs, m->num_slots, m->idf, m->num_features, m->logarithms,
            m->num_logarithms, rows, weights, 2 * MOST, &count, scratch, exact, MOST
        )
        < 0)
        return TC_NOT_MET; /* a word comes more often than there are logarithms */
    const tc_wide_features wide = {m->table, m->num_features, m->scale, rows, weights, count, NULL};
    for (int64_t e = 0; e < count; e++)
        if (rows[e] < 0 || rows[e] >= m->num_features) return -1;
    tc_features_of_text(&wide, 0, count, m->num_labels, sums);
    return TC_ANSWERED;
}

static int add_rest(answer *a) {
    const tc_one_text *m = a->model;
    for (int64_t c = 0; c < m->num_labels; c++) a->rest[c] = 0;
    if (m->num_features > 0) {
        int status = add_wide(a, a->rest);
        if (status != TC_ANSWERED) return status;
    }
    tc_rest_of_text(m->means, a->rows, a->size, m->output_bias, m->num_labels, a->rest);
    return TC_ANSWERED;
}

static void find_label(answer *a) {
    double best = -INFINITY, second = -INFINITY;
    for (int64_t c = 0; c < a->model->num_labels; c++) {
        double logit = a->logits[c];
        if (!isfinite(logit)) {
            a->facts->label = -1;
            return;
        }
        if (logit > best)
            second = best, best = logit, a->facts->label = c;
        else if (logit > second)
            second = logit;
    }
    a->facts->margin = best - second;
}

static void add_filters(answer *a) {
    const tc_one_text *m = a->model;
    const tc_products *p = &m->products;
    const int64_t ends[2] = {0, a->size};
    const tc_row_texts texts = {a->rows, ends, a->size, 1};
    tc_windows_of_text(p, &texts, 0, a->best, NULL);
    if (p->is_whole) return;
    for (int64_t c = 0; c < m->num_labels; c++) a->logits[c] = 0.0;
    const tc_scores scores = {m->bias, m->head, p->num_sizes, p->width, m->num_filters, m->num_labels, m->activation};
    if (a->size > 0) tc_scores_of_text(&scores, a->best, a->logits);
    for (int64_t c = 0; c < m->num_labels; c++) a->logits[c] += (double)a->rest[c] * UNIT;
    find_label(a);
}

static void answer_text(void *context, int64_t first, int64_t last) {
    answer *a = context;
    (void)first, (void)last;
    a->status = find_ids(a);
    if (a->status == TC_ANSWERED) a->status = find_rows(a);
    if (a->status == TC_ANSWERED) a->status = add_rest(a);
    if (a->status == TC_ANSWERED) add_filters(a);
}

int tc_answer_one_text(
    const tc_one_text *model, const uint8_t *data, int64_t num_bytes, void *best, int64_t *rest, double *logits,
    tc_text_facts *facts
) {
    if (num_bytes < 0 || !fits(model)) return -1;
    answer a; /* an initializer would write zeros to all of it */
    a.model = model, a.data = data, a.num_bytes = num_bytes, a.best = best, a.rest = rest, a.logits = logits, a.facts = facts;
    a.length = a.size = 0, a.status = -1;
    tc_run_ranges(NULL, 1, 0, answer_text, &a);
    return a.status;
}
