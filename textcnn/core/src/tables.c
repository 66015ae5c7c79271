/* Opens a tables file: its header, its sections, and the checks that let all else trust them. */
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "numeric.h"
#include "tables_state.h"
#include "text_features.h"
#include "tokens.h"

#define MAGIC "textcnn\n"
#define VERSION 3
#define HEADER 64 /* bytes of the header, of the entry of a section, and of what a section begins at a multiple of */
#define MOST_SECTIONS 256
#define MOST_NUMBER (INT64_C(1) << 30)  /* words, features, columns */
#define MOST_SIZE (INT64_C(1) << 20)    /* numbers of a vector, labels, taps, filters */
#define CACHE_BYTES (INT64_C(1) << 25)  /* for the rows of words; a longer text takes what it needs */
#define FEWEST_ROWS 1024

/* The file as it is read. After the first problem all that is asked for is NULL or 0. */
typedef struct {
    const uint8_t *bytes;
    size_t size;
    uint32_t num_sections;
    char *problem;
    size_t room, written;
    int has_failed;
} file;

/* ---- messages: what printf would do, without its forty kilobytes */

static void say(file *f, const char *text) {
    for (; *text && f->written + 1 < f->room; text++) f->problem[f->written++] = *text;
    if (f->room > 0) f->problem[f->written] = 0;
}

static void say_number(file *f, int64_t number) {
    char digits[24];
    int at = sizeof digits - 1;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[at] = 0;
    do digits[--at] = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    if (number < 0) digits[--at] = '-';
    say(f, digits + at);
}

/* Begins the message of a problem, unless there is one already. */
static int fails(file *f) {
    if (f->has_failed) return 0;
    f->has_failed = 1;
    return 1;
}

static void fail(file *f, const char *text) {
    if (fails(f)) say(f, text);
}

static void fail_with(file *f, const char *before, int64_t number, const char *between, int64_t other, const char *after) {
    if (!fails(f)) return;
    say(f, before);
    say_number(f, number);
    say(f, between);
    say_number(f, other);
    say(f, after);
}

/* ---- sections */

static uint64_t unsigned_at(const file *f, size_t place) {
    uint64_t value;
    memcpy(&value, f->bytes + place, sizeof value);
    return value;
}

/* Where the entry of a section is; 0 if there is none. */
static size_t entry_of(const file *f, const char *name) {
    for (uint32_t k = 0; k < f->num_sections; k++)
        if (strncmp((const char *)f->bytes + HEADER * (1 + (size_t)k), name, 32) == 0) return HEADER * (1 + (size_t)k);
    return 0;
}

static int has(const file *f, const char *name) {
    return !f->has_failed && entry_of(f, name) != 0;
}

static void fail_section(file *f, const char *name, const char *text) {
    if (!fails(f)) return;
    say(f, "section '");
    say(f, name);
    say(f, "': ");
    say(f, text);
}

/* The items of a section of this kind, such as f4, and how many they are. */
static const void *items(file *f, const char *name, const char *kind, int64_t *count) {
    size_t entry = f->has_failed ? 0 : entry_of(f, name);
    *count = 0;
    if (entry == 0) {
        fail_section(f, name, "expected one in this tables file, found none");
        return NULL;
    }
    if (memcmp(f->bytes + entry + 32, kind, 3) != 0) {
        fail_section(f, name, "expected items of kind ");
        say(f, kind);
        return NULL;
    }
    uint64_t offset = unsigned_at(f, entry + 40), size = unsigned_at(f, entry + 48), item = (uint64_t)(kind[1] - '0');
    if (offset % HEADER != 0 || offset > f->size || size > f->size - offset || size % item != 0) {
        fail_section(f, name, "expected whole items inside of the file, at a multiple of 64 bytes; the file is damaged");
        return NULL;
    }
    *count = (int64_t)(size / item);
    return f->bytes + offset;
}

/* The same of a section that must have so many items. */
static const void *array(file *f, const char *name, const char *kind, int64_t count) {
    int64_t found;
    const void *start = items(f, name, kind, &found);
    if (start == NULL || found == count) return start;
    if (fails(f)) {
        say(f, "section '"), say(f, name), say(f, "': expected ");
        say_number(f, count), say(f, " items, found "), say_number(f, found);
    }
    return NULL;
}

/* The number that a section holds. */
static int64_t number(file *f, const char *name, int64_t least, int64_t most) {
    const int64_t *found = array(f, name, "i8", 1);
    if (found == NULL) return least;
    if (tc_is_between(*found, least, most)) return *found;
    if (fails(f)) {
        say(f, "section '"), say(f, name), say(f, "': expected a number from ");
        say_number(f, least), say(f, " to "), say_number(f, most), say(f, ", found "), say_number(f, *found);
    }
    return least;
}

/* A number from `least` on, or -1, which stands for none. */
static int64_t number_or_all(file *f, const char *name) {
    int64_t found = number(f, name, -1, INT64_MAX);
    return found < 0 ? INT64_MAX : found;
}

static double real(file *f, const char *name) {
    const double *found = array(f, name, "f8", 1);
    return found == NULL ? 1.0 : *found;
}

static void read_header(file *f) {
    if (f->size < HEADER || memcmp(f->bytes, MAGIC, 8) != 0) {
        fail(f, "expected a tables file, which begins with 'textcnn'; write one with `textcnn export --format tables`");
        return;
    }
    uint32_t version, sections;
    memcpy(&version, f->bytes + 8, 4);
    memcpy(&sections, f->bytes + 12, 4);
    if (version != VERSION) {
        fail_with(f, "expected tables of version ", VERSION, ", found version ", version, "; export the model again");
    } else if (unsigned_at(f, 16) != f->size) {
        fail_with(f, "expected ", (int64_t)unsigned_at(f, 16), " bytes, found ", (int64_t)f->size, "; the file is damaged");
    } else if (sections > MOST_SECTIONS || HEADER * (1 + (size_t)sections) > f->size) {
        fail_with(f, "expected at most ", MOST_SECTIONS, " sections in the file, found ", sections, "; the file is damaged");
    } else {
        f->num_sections = sections;
    }
}

/* ---- memory */

static void *memory(file *f, int64_t count, size_t size) {
    if (f->has_failed) return NULL;
    void *made = (uint64_t)count > SIZE_MAX / size - 1 ? NULL : calloc((size_t)count + 1, size);
    if (made == NULL) fail(f, "not enough memory for the tables");
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

static void read_labels(file *f, textcnn_tables *t) {
    int64_t num_bytes;
    t->bias = items(f, "bias", "i8", &t->num_labels);
    if (!f->has_failed && !tc_is_between(t->num_labels, 1, MOST_SIZE)) fail_section(f, "bias", "expected a number for each label");
    t->labels = items(f, "labels", "u1", &num_bytes);
    t->label_ends = array(f, "label_ends", "i8", t->num_labels);
    t->thresholds = array(f, "thresholds", "f8", t->num_labels);
    t->temperature = real(f, "temperature");
    t->is_multi_label = (int)number(f, "multi_label", 0, 1);
    if (f->has_failed) return;
    if (!tc_are_ascending(t->label_ends, t->num_labels, 0, num_bytes))
        fail_section(f, "label_ends", "expected ascending ends inside of the section 'labels'");
    if (!(t->temperature > 0.0)) fail_section(f, "temperature", "expected a number above 0");
}

static void read_words(file *f, textcnn_tables *t) {
    int64_t num_bytes;
    tc_word_set *words = &t->words;
    t->form = (int)number(f, "form", 0, 7);
    t->max_length = number_or_all(f, "max_length");
    const uint8_t *bytes = items(f, "words", "u1", &num_bytes);
    if (f->has_failed) return;
    int64_t count = 0;
    for (int64_t k = 0; k < num_bytes; k++) count += bytes[k] == '\n';
    if (count == 0 || count >= MOST_NUMBER || bytes[num_bytes - 1] != '\n') {
        fail_section(f, "words", "expected words with a line end behind each");
        return;
    }
    t->unknown = number(f, "unknown", 0, count - 1);
    words->bytes = bytes;
    words->num_slots = 2;
    while (words->num_slots < 2 * count) words->num_slots *= 2;
    words->ends = memory(f, count, sizeof *words->ends);
    words->slots = memory(f, words->num_slots, sizeof *words->slots);
    t->row_of = memory(f, count, sizeof *t->row_of);
    if (f->has_failed) return;
    /* A word begins behind the line end of the one before: its bytes are those in front of its own. */
    for (int64_t k = 0, start = 0; k < num_bytes; k++) {
        if (bytes[k] != '\n') continue;
        words->ends[words->count] = k + 1;
        int64_t slot = tc_slot_of_word(words, bytes + start, k + 1 - start);
        if (words->slots[slot] == 0) words->slots[slot] = (uint32_t)(words->count + 1);
        words->count++;
        start = k + 1;
    }
}

static tc_vectors read_vectors(file *f, const char *name, const char *whole, const char *scales, int64_t num_types, int64_t dim) {
    tc_vectors v = {.dim = dim};
    if (has(f, whole)) {
        v.whole = array(f, whole, "i1", num_types * dim);
        v.scales = array(f, scales, "f4", num_types);
    } else {
        v.floats = array(f, name, "f4", num_types * dim);
    }
    return v;
}

static void read_ngrams(file *f, textcnn_tables *t) {
    if (!has(f, "ngram_vectors")) return;
    t->buckets = items(f, "buckets", "i4", &t->vectors.num_ngrams);
    t->ngram_min = number(f, "ngram_min", 1, MOST_SIZE);
    t->ngram_max = number(f, "ngram_max", 1, MOST_SIZE);
    t->ngram_buckets = number(f, "ngram_buckets", 1, INT32_MAX);
    t->ngrams_per_token = number_or_all(f, "ngrams_per_token");
    if (!f->has_failed && t->vectors.num_ngrams >= MOST_NUMBER) fail_section(f, "buckets", "expected fewer of them");
    t->vectors.ngrams = array(f, "ngram_vectors", "f4", t->vectors.num_ngrams * t->vectors.dim);
    for (int64_t k = 0; !f->has_failed && k < t->vectors.num_ngrams; k++)
        if (t->buckets[k] < 0 || (k > 0 && t->buckets[k] <= t->buckets[k - 1])) fail_section(f, "buckets", "expected ascending numbers");
}

/* Whole weights as float64: panels of 16 columns. */
static void read_weights(file *f, textcnn_tables *t) {
    int64_t dim = t->vectors.fixed_dim + t->vectors.dim, columns;
    const double *scales = items(f, "weight_scales", "f8", &columns);
    if (!f->has_failed && columns >= MOST_NUMBER) fail_section(f, "weight_scales", "expected fewer of them");
    int64_t count = (columns + TC_PANEL - 1) / TC_PANEL * TC_PANEL * dim;
    const int32_t *whole = array(f, "weights", "i4", count);
    t->weights = (tc_whole_weights){NULL, scales, columns, number(f, "vector_bits", 1, 52)};
    t->panels = memory(f, count, sizeof *t->panels);
    for (int64_t k = 0; !f->has_failed && k < count; k++) t->panels[k] = whole[k];
    t->weights.panels = t->panels;
}

static void read_filters(file *f, textcnn_tables *t) {
    tc_row_layout *l = &t->layout;
    int64_t all_taps = 0, widest = 0, is_whole = has(f, "steps");
    l->sizes = items(f, "sizes", "i8", &l->num_sizes);
    l->num_filters = number(f, "num_filters", 0, MOST_SIZE);
    l->width = (l->num_filters + TC_LOOKUP_LANES - 1) / TC_LOOKUP_LANES * TC_LOOKUP_LANES;
    int64_t is_nested = number(f, "nested", 0, 1), activation = number(f, "activation", TC_ACTIVATE_RELU, TC_ACTIVATE_IDENTITY);
    if (!f->has_failed && l->num_sizes * l->num_filters >= MOST_NUMBER) fail_section(f, "sizes", "expected fewer of them");
    t->first_taps = memory(f, l->num_sizes, sizeof *t->first_taps);
    t->weight_taps = memory(f, l->num_sizes, sizeof *t->weight_taps);
    for (int64_t g = 0; !f->has_failed && g < l->num_sizes; g++) {
        if (!tc_is_between(l->sizes[g], 1, is_whole ? TC_MOST_WORDS_OF_WHOLE : MOST_SIZE - all_taps)) {
            fail_section(f, "sizes", "expected windows of one word or more, and fewer");
            return;
        }
        t->weight_taps[g] = is_nested ? 0 : all_taps;
        t->first_taps[g] = is_whole ? all_taps : t->weight_taps[g];
        all_taps += l->sizes[g];
        widest = l->sizes[g] > widest ? l->sizes[g] : widest;
    }
    if (!f->has_failed && all_taps > MOST_SIZE) fail_section(f, "sizes", "expected fewer words in all windows");
    l->num_taps = is_nested ? widest : all_taps;
    l->num_shares = t->weights.num_columns - l->num_taps * l->num_filters;
    if (!f->has_failed && l->num_shares != 0 && l->num_shares != t->num_labels)
        fail_section(f, "weight_scales", "expected one for each tap of each filter and for each label's mean");
    l->first_taps = t->weight_taps;
    int64_t row_taps = is_whole ? all_taps : l->num_taps, features = l->num_sizes * l->num_filters;
    t->products = (tc_products){NULL, 0, row_taps, l->width, l->sizes, t->first_taps, l->num_sizes, is_whole};
    t->row_size = row_taps * l->width * (is_whole ? 1 : (int64_t)sizeof(float));
    if (is_whole) {
        const double *steps = l->steps = array(f, "steps", "f8", features), *bias = array(f, "filter_bias", "f8", features);
        const double *head = array(f, "head", "f8", features * t->num_labels);
        t->whole_scores = (tc_whole_scores){steps, bias, head, l->num_sizes, l->width, l->num_filters, t->num_labels, activation};
    } else {
        const float *bias = array(f, "filter_bias", "f4", features), *head = array(f, "head", "f4", features * t->num_labels);
        t->scores = (tc_scores){bias, head, l->num_sizes, l->width, l->num_filters, t->num_labels, activation};
    }
}

static void read_wide(file *f, textcnn_tables *t) {
    if (!has(f, "wide_keys")) return;
    int64_t count, num_logarithms;
    const int64_t *keys = items(f, "wide_keys", "i8", &count);
    if (!f->has_failed && count >= MOST_NUMBER) fail_section(f, "wide_keys", "expected fewer of them");
    t->idf = array(f, "wide_idf", "f4", count);
    t->wide.table = array(f, "wide_table", "f4", count * t->num_labels);
    t->wide.scale = real(f, "wide_scale");
    t->wide.num_features = count;
    const double *logarithms = items(f, "logarithms", "f8", &num_logarithms);
    t->num_slots = 2;
    while (t->num_slots < 2 * count) t->num_slots *= 2;
    t->word_rows = memory(f, t->words.count, sizeof *t->word_rows);
    t->pairs = memory(f, 2 * t->num_slots, sizeof *t->pairs);
    t->logarithms = memory(f, num_logarithms, sizeof *t->logarithms);
    if (f->has_failed) return;
    memcpy(t->logarithms, logarithms, (size_t)num_logarithms * sizeof *t->logarithms);
    t->num_logarithms = num_logarithms;
    for (int64_t id = 0; id < t->words.count; id++) t->word_rows[id] = -1;
    for (int64_t k = 0; k < 2 * t->num_slots; k++) t->pairs[k] = -1;
    if (tc_index_ngrams(keys, count, t->word_rows, t->words.count, t->pairs, t->num_slots) != 0)
        fail_section(f, "wide_keys", "expected keys of words and of pairs of words");
}

static void read_model(file *f, textcnn_tables *t) {
    read_labels(f, t);
    read_words(f, t);
    t->vectors.fixed_dim = number(f, "fixed_dim", 0, MOST_SIZE);
    t->vectors.dim = number(f, "dim", 1, MOST_SIZE);
    t->own = read_vectors(f, "vectors", "vectors.int8", "vectors.int8_scale", t->words.count, t->vectors.dim);
    if (t->vectors.fixed_dim > 0)
        t->fixed = read_vectors(f, "fixed", "fixed.int8", "fixed.int8_scale", t->words.count, t->vectors.fixed_dim);
    read_ngrams(f, t);
    read_weights(f, t);
    read_filters(f, t);
    read_wide(f, t);
    t->best = memory(f, t->layout.num_sizes * t->layout.width, sizeof(float));
    t->rest = memory(f, t->num_labels, sizeof *t->rest);
    t->logits = memory(f, t->num_labels, sizeof *t->logits);
    t->probabilities = memory(f, t->num_labels, sizeof *t->probabilities);
    t->is_given = memory(f, t->num_labels, sizeof *t->is_given);
    if (f->has_failed) return;
    int64_t all = t->words.count + FEWEST_ROWS, most = CACHE_BYTES / (t->row_size + 8 * t->layout.num_shares + 1);
    if (tc_make_room_for_rows(t, most < FEWEST_ROWS ? FEWEST_ROWS : most < all ? most : all) != 0)
        fail(f, "not enough memory for the rows of words");
}

textcnn_tables *textcnn_tables_open(const void *bytes, size_t size, char *problem, size_t room) {
    file f = {.bytes = bytes, .size = size, .problem = problem, .room = room};
    if (room > 0) problem[0] = 0;
    if ((uintptr_t)bytes % 8 != 0) fail(&f, "expected bytes that begin at a multiple of 8 in memory");
    textcnn_tables *t = memory(&f, 1, sizeof *t);
    if (!f.has_failed) read_header(&f);
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
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    for (int k = 0; k < TC_NUM_SCRATCH; k++) free(t->scratch[k].bytes);
    free(t);
}

size_t textcnn_tables_num_labels(const textcnn_tables *t) {
    return (size_t)t->num_labels;
}

const char *textcnn_tables_label(const textcnn_tables *t, size_t label, size_t *length) {
    *length = 0;
    if (label >= (size_t)t->num_labels) return NULL;
    int64_t start = label == 0 ? 0 : t->label_ends[label - 1];
    *length = (size_t)(t->label_ends[label] - start);
    return (const char *)t->labels + start;
}
