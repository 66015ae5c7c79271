/* Opens a tables file: validates its sections, on which all other code relies, and allocates memory for texts. */
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "numeric.h"
#include "tables_file.h"
#include "tables_state.h"
#include "text_features.h"

#define MOST_NUMBER (INT64_C(1) << 30) /* words, features, columns */
#define MOST_SIZE (INT64_C(1) << 20)   /* numbers of a vector, labels, taps, filters */
#define CACHE_BYTES (INT64_C(1) << 25) /* for the rows of words; a longer text takes what it needs */
#define MORE_ROWS 1024                 /* than there are words, for unseen ones */

/* ---- memory */

static void *memory(tc_file *f, int64_t count, size_t size) {
    if (f->has_failed) return NULL;
    void *made = (uint64_t)count > SIZE_MAX / size - 1 ? NULL : calloc((size_t)count + 1, size);
    if (made == NULL) tc_fail(f, "not enough memory for the tables");
    return made;
}

void *tc_scratch_for(textcnn_tables *t, int which, int64_t count, size_t size) {
    tc_scratch *room = t->scratch + which;
    if (count < 0 || (uint64_t)count >= SIZE_MAX / size) return NULL;
    size_t wanted = ((size_t)count + 1) * size;
    if (wanted > room->size) {
        free(room->bytes);
        room->bytes = malloc(wanted);
        room->size = room->bytes == NULL ? 0 : wanted;
    }
    return room->bytes;
}

int tc_make_room_for_rows(textcnn_tables *t, int64_t num_rows) {
    for (int64_t id = 0; id < t->words.count; id++) t->row_of[id] = -1;
    t->used = 1;
    if (num_rows <= t->products.num_rows) return 0;
    free(t->row_bytes), free(t->means), free(t->clipped);
    const int64_t shares = t->layout.num_shares > 0 ? t->layout.num_shares : 1;
    const int fits = num_rows < INT32_MAX && (uint64_t)num_rows < SIZE_MAX / 2 / (uint64_t)(t->row_size + 8 * shares + 1);
    t->row_bytes = fits ? calloc((size_t)num_rows, (size_t)(t->row_size > 0 ? t->row_size : 1)) : NULL;
    t->means = fits ? malloc((size_t)(num_rows * shares) * sizeof *t->means) : NULL;
    t->clipped = fits ? malloc((size_t)num_rows) : NULL;
    int has_all = t->row_bytes != NULL && t->means != NULL && t->clipped != NULL;
    t->products.products = t->row_bytes;
    t->products.num_rows = has_all ? num_rows : 0;
    return has_all ? 0 : -1;
}

int tc_extend_logarithms(textcnn_tables *t, int64_t number) {
    if (number <= t->num_logarithms) return 0;
    double *more = (uint64_t)number < SIZE_MAX / 2 / sizeof *more ? realloc(t->logarithms, (size_t)number * sizeof *more) : NULL;
    if (more == NULL) return -1;
    for (int64_t n = t->num_logarithms; n < number; n++) more[n] = 1.0 + tc_log((double)(n + 1));
    t->logarithms = more;
    t->num_logarithms = number;
    return 0;
}

/* ---- the parts of a model */

static void read_grades(tc_file *f, textcnn_tables *t) {
    int64_t num_bytes, num_cuts;
    t->cuts = tc_items(f, "grade_cuts", "f8", &num_cuts);
    if (!f->has_failed && !tc_is_between(num_cuts, 1, MOST_SIZE)) tc_fail_section(f, "grade_cuts", "expected numbers between grades");
    t->grade_names = tc_items(f, "grades", "u1", &num_bytes);
    t->grade_ends = tc_array(f, "grade_ends", "i8", num_cuts + 1);
    t->slope = tc_real(f, "grade_slope");
    t->grades = memory(f, num_cuts + 1, sizeof *t->grades);
    if (f->has_failed) return;
    t->num_grades = num_cuts + 1;
    if (!tc_are_ascending(t->grade_ends, t->num_grades, 0, num_bytes))
        tc_fail_section(f, "grade_ends", "expected ascending ends inside of the section 'grades'");
    for (int64_t k = 1; k < num_cuts; k++)
        if (!(t->cuts[k - 1] < t->cuts[k])) tc_fail_section(f, "grade_cuts", "expected ascending numbers");
    if (t->target_stds == NULL || t->num_labels != 1) tc_fail_section(f, "grade_cuts", "expected the grades of one number");
}

static void read_labels(tc_file *f, textcnn_tables *t) {
    int64_t num_bytes;
    t->bias = tc_items(f, "bias", "i8", &t->num_labels);
    if (!f->has_failed && !tc_is_between(t->num_labels, 1, MOST_SIZE)) tc_fail_section(f, "bias", "expected a number for each label");
    t->labels = tc_items(f, "labels", "u1", &num_bytes);
    t->label_ends = tc_array(f, "label_ends", "i8", t->num_labels);
    t->thresholds = tc_array(f, "thresholds", "f8", t->num_labels);
    t->temperature = tc_real(f, "temperature");
    t->is_multi_label = (int)tc_number(f, "multi_label", 0, 1);
    if (tc_has(f, "target_stds")) {
        t->target_means = tc_array(f, "target_means", "f8", t->num_labels);
        t->target_stds = tc_array(f, "target_stds", "f8", t->num_labels);
    }
    if (tc_has(f, "grade_cuts")) read_grades(f, t);
    if (f->has_failed) return;
    if (!tc_are_ascending(t->label_ends, t->num_labels, 0, num_bytes))
        tc_fail_section(f, "label_ends", "expected ascending ends inside of the section 'labels'");
    if (!(t->temperature > 0.0)) tc_fail_section(f, "temperature", "expected a number above 0");
}

static void read_words(tc_file *f, textcnn_tables *t) {
    int64_t num_bytes;
    tc_word_set *words = &t->words;
    t->form = (int)tc_number(f, "form", 0, 7);
    t->max_length = tc_number_or_all(f, "max_length");
    const uint8_t *bytes = tc_items(f, "words", "u1", &num_bytes);
    if (f->has_failed) return;
    int64_t count = 0;
    for (int64_t k = 0; k < num_bytes; k++) count += bytes[k] == '\n';
    if (count == 0 || count >= MOST_NUMBER || bytes[num_bytes - 1] != '\n') {
        tc_fail_section(f, "words", "expected words with a line end after each");
        return;
    }
    t->unknown = tc_number(f, "unknown", 0, count - 1);
    words->bytes = bytes;
    words->num_slots = 2;
    while (words->num_slots < 2 * count) words->num_slots *= 2;
    words->ends = memory(f, count, sizeof *words->ends);
    words->slots = memory(f, words->num_slots, sizeof *words->slots);
    t->row_of = memory(f, count, sizeof *t->row_of);
    if (f->has_failed) return;
    /* A word begins after the line end of the previous one: its bytes are those in front of its own. */
    for (int64_t k = 0, start = 0; k < num_bytes; k++) {
        if (bytes[k] != '\n') continue;
        words->ends[words->count] = k + 1;
        int64_t slot = tc_slot_of_word(words, bytes + start, k + 1 - start);
        if (words->slots[slot] == 0) words->slots[slot] = (uint32_t)(words->count + 1);
        words->count++;
        start = k + 1;
    }
}

static tc_vectors read_vectors(tc_file *f, const char *name, const char *whole, const char *scales, int64_t num_types, int64_t dim) {
    tc_vectors v = {.dim = dim};
    if (tc_has(f, whole)) {
        v.whole = tc_array(f, whole, "i1", num_types * dim);
        v.scales = tc_array(f, scales, "f4", num_types);
    } else {
        v.floats = tc_array(f, name, "f4", num_types * dim);
    }
    return v;
}

static void read_ngrams(tc_file *f, textcnn_tables *t) {
    if (!tc_has(f, "ngram_vectors")) return;
    t->buckets = tc_items(f, "buckets", "i4", &t->vectors.num_ngrams);
    t->ngram_min = tc_number(f, "ngram_min", 1, MOST_SIZE);
    t->ngram_max = tc_number(f, "ngram_max", 1, MOST_SIZE);
    t->ngram_buckets = tc_number(f, "ngram_buckets", 1, INT32_MAX);
    t->ngrams_per_token = tc_number_or_all(f, "ngrams_per_token");
    if (!f->has_failed && t->vectors.num_ngrams >= MOST_NUMBER) tc_fail_section(f, "buckets", "expected fewer of them");
    t->vectors.ngrams = tc_array(f, "ngram_vectors", "f4", t->vectors.num_ngrams * t->vectors.dim);
    for (int64_t k = 0; !f->has_failed && k < t->vectors.num_ngrams; k++)
        if (t->buckets[k] < 0 || (k > 0 && t->buckets[k] <= t->buckets[k - 1])) tc_fail_section(f, "buckets", "expected ascending numbers");
}

/* Whole weights as float64: panels of 16 columns. */
static void read_weights(tc_file *f, textcnn_tables *t) {
    int64_t dim = t->vectors.fixed_dim + t->vectors.dim, columns;
    const double *scales = tc_items(f, "weight_scales", "f8", &columns);
    if (!f->has_failed && columns >= MOST_NUMBER) tc_fail_section(f, "weight_scales", "expected fewer of them");
    int64_t count = (columns + TC_PANEL - 1) / TC_PANEL * TC_PANEL * dim;
    const int32_t *whole = tc_array(f, "weights", "i4", count);
    t->weights = (tc_whole_weights){NULL, scales, columns, tc_number(f, "vector_bits", 1, 52)};
    t->panels = memory(f, count, sizeof *t->panels);
    for (int64_t k = 0; !f->has_failed && k < count; k++) t->panels[k] = whole[k];
    t->weights.panels = t->panels;
}

static void read_filters(tc_file *f, textcnn_tables *t) {
    tc_row_layout *l = &t->layout;
    int64_t all_taps = 0, widest = 0, is_whole = tc_has(f, "steps");
    l->sizes = tc_items(f, "sizes", "i8", &l->num_sizes);
    l->num_filters = tc_number(f, "num_filters", 0, MOST_SIZE);
    l->width = (l->num_filters + TC_LOOKUP_LANES - 1) / TC_LOOKUP_LANES * TC_LOOKUP_LANES;
    int64_t is_nested = tc_number(f, "nested", 0, 1), activation = tc_number(f, "activation", TC_ACTIVATE_RELU, TC_ACTIVATE_IDENTITY);
    if (!f->has_failed && l->num_sizes * l->num_filters >= MOST_NUMBER) tc_fail_section(f, "sizes", "expected fewer of them");
    t->first_taps = memory(f, l->num_sizes, sizeof *t->first_taps);
    t->weight_taps = memory(f, l->num_sizes, sizeof *t->weight_taps);
    for (int64_t g = 0; !f->has_failed && g < l->num_sizes; g++) {
        if (!tc_is_between(l->sizes[g], 1, is_whole ? TC_MOST_WORDS_OF_WHOLE : MOST_SIZE - all_taps)) {
            tc_fail_section(f, "sizes", "expected windows of one word or more, and fewer");
            return;
        }
        t->weight_taps[g] = is_nested ? 0 : all_taps;
        t->first_taps[g] = is_whole ? all_taps : t->weight_taps[g];
        all_taps += l->sizes[g];
        widest = l->sizes[g] > widest ? l->sizes[g] : widest;
    }
    if (!f->has_failed && all_taps > MOST_SIZE) tc_fail_section(f, "sizes", "expected fewer words in all windows");
    l->num_taps = is_nested ? widest : all_taps;
    l->num_shares = t->weights.num_columns - l->num_taps * l->num_filters;
    if (!f->has_failed && l->num_shares != 0 && l->num_shares != t->num_labels)
        tc_fail_section(f, "weight_scales", "expected one for each tap of each filter and for each label's mean");
    l->first_taps = t->weight_taps;
    int64_t row_taps = is_whole ? all_taps : l->num_taps, features = l->num_sizes * l->num_filters;
    t->products = (tc_products){NULL, 0, row_taps, l->width, l->sizes, t->first_taps, l->num_sizes, is_whole};
    t->row_size = row_taps * l->width * (is_whole ? 1 : (int64_t)sizeof(float));
    if (is_whole) {
        const double *steps = l->steps = tc_array(f, "steps", "f8", features), *bias = tc_array(f, "filter_bias", "f8", features);
        const double *head = tc_array(f, "head", "f8", features * t->num_labels);
        t->whole_scores = (tc_whole_scores){steps, bias, head, l->num_sizes, l->width, l->num_filters, t->num_labels, activation};
    } else {
        const float *bias = tc_array(f, "filter_bias", "f4", features), *head = tc_array(f, "head", "f4", features * t->num_labels);
        t->scores = (tc_scores){bias, head, l->num_sizes, l->width, l->num_filters, t->num_labels, activation};
    }
}

static void read_wide(tc_file *f, textcnn_tables *t) {
    if (!tc_has(f, "wide_keys")) return;
    int64_t count, num_logarithms;
    t->keys = tc_items(f, "wide_keys", "i8", &count);
    if (!f->has_failed && count >= MOST_NUMBER) tc_fail_section(f, "wide_keys", "expected fewer of them");
    t->idf = tc_array(f, "wide_idf", "f4", count);
    t->wide.table = tc_array(f, "wide_table", "f4", count * t->num_labels);
    t->wide.scale = tc_real(f, "wide_scale");
    t->wide.num_features = count;
    const double *logarithms = tc_items(f, "logarithms", "f8", &num_logarithms);
    t->num_slots = 2;
    while (3 * t->num_slots < 4 * count) t->num_slots *= 2;
    t->word_rows = memory(f, t->words.count, sizeof *t->word_rows);
    t->pairs = memory(f, t->num_slots, sizeof *t->pairs);
    t->logarithms = memory(f, num_logarithms, sizeof *t->logarithms);
    if (f->has_failed) return;
    memcpy(t->logarithms, logarithms, (size_t)num_logarithms * sizeof *t->logarithms);
    t->num_logarithms = num_logarithms;
    for (int64_t id = 0; id < t->words.count; id++) t->word_rows[id] = -1;
    for (int64_t k = 0; k < t->num_slots; k++) t->pairs[k] = -1;
    if (tc_index_ngrams(t->keys, count, t->word_rows, t->words.count, t->pairs, t->num_slots) != 0)
        tc_fail_section(f, "wide_keys", "expected keys of words and of pairs of words");
}

static void read_characters(tc_file *f, textcnn_tables *t) {
    if (!tc_has(f, "character_table")) return;
    t->vectors.scores = tc_array(f, "character_table", "f4", t->vectors.num_ngrams * t->num_labels);
    t->vectors.score_scale = tc_real(f, "character_scale");
    t->character_shares = tc_array(f, "character_shares", "i8", t->words.count * t->num_labels);
    if (!f->has_failed && (t->vectors.ngrams == NULL || t->layout.num_shares != t->num_labels))
        tc_fail_section(f, "character_table", "expected n-gram vectors, and weights of the mean for each label too");
}

static void read_model(tc_file *f, textcnn_tables *t) {
    read_labels(f, t);
    read_words(f, t);
    t->vectors.fixed_dim = tc_number(f, "fixed_dim", 0, MOST_SIZE);
    t->vectors.dim = tc_number(f, "dim", 1, MOST_SIZE);
    t->own = read_vectors(f, "vectors", "vectors.int8", "vectors.int8_scale", t->words.count, t->vectors.dim);
    if (t->vectors.fixed_dim > 0)
        t->fixed = read_vectors(f, "fixed", "fixed.int8", "fixed.int8_scale", t->words.count, t->vectors.fixed_dim);
    read_ngrams(f, t);
    read_weights(f, t);
    read_filters(f, t);
    read_wide(f, t);
    read_characters(f, t);
    t->best = memory(f, t->layout.num_sizes * t->layout.width, sizeof(float));
    t->rest = memory(f, t->num_labels, sizeof *t->rest);
    t->logits = memory(f, t->num_labels, sizeof *t->logits);
    t->probabilities = memory(f, t->num_labels, sizeof *t->probabilities);
    t->is_given = memory(f, t->num_labels, sizeof *t->is_given);
    if (f->has_failed) return;
    int64_t all = t->words.count + MORE_ROWS, most = CACHE_BYTES / (t->row_size + 8 * t->layout.num_shares + 1);
    if (tc_make_room_for_rows(t, most < all ? most : all) != 0)
        tc_fail(f, "not enough memory for the rows of words");
}

textcnn_tables *textcnn_tables_open(const void *bytes, size_t size, char *problem, size_t room) {
    tc_file f = {.bytes = bytes, .size = size, .problem = problem, .room = room};
    if (room > 0) problem[0] = 0;
    if ((uintptr_t)bytes % 8 != 0) tc_fail(&f, "expected bytes that begin at a multiple of 8 in memory");
    textcnn_tables *t = memory(&f, 1, sizeof *t);
    if (!f.has_failed) tc_read_header(&f);
    if (!f.has_failed) read_model(&f, t);
    if (!f.has_failed) return t;
    textcnn_tables_close(t);
    return NULL;
}

void textcnn_tables_close(textcnn_tables *t) {
    if (t == NULL) return;
    void *const all[] = {
        t->words.ends, t->words.slots, t->first_taps, t->weight_taps, t->panels, t->row_of, t->row_bytes, t->means,
        t->clipped, t->word_rows, t->pairs, t->logarithms, t->best, t->rest, t->logits, t->probabilities, t->is_given,
        t->grades,
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    for (int k = 0; k < TC_NUM_SCRATCH; k++) free(t->scratch[k].bytes);
    free(t);
}

int textcnn_tables_are_numbers(const textcnn_tables *t) {
    return t->target_stds != NULL;
}

size_t textcnn_tables_num_labels(const textcnn_tables *t) {
    return (size_t)t->num_labels;
}

/* One of names that stand one after another. */
static const char *name_of(const uint8_t *names, const int64_t *ends, int64_t count, size_t number, size_t *length) {
    *length = 0;
    if (number >= (size_t)count) return NULL;
    int64_t start = number == 0 ? 0 : ends[number - 1];
    *length = (size_t)(ends[number] - start);
    return (const char *)names + start;
}

const char *textcnn_tables_label(const textcnn_tables *t, size_t label, size_t *length) {
    return name_of(t->labels, t->label_ends, t->num_labels, label, length);
}

size_t textcnn_tables_num_grades(const textcnn_tables *t) {
    return (size_t)t->num_grades;
}

const char *textcnn_tables_grade(const textcnn_tables *t, size_t grade, size_t *length) {
    return name_of(t->grade_names, t->grade_ends, t->num_grades, grade, length);
}
