/* Any sizes, rows, offsets and weights as a model and its texts, for libFuzzer (`make fuzz-core`). */
#include "chunks.h"
#include "fuzz.h"
#include "lookup.h"
#include "one_text.h"
#include "shares.h"
#include "text_features.h"
#include "type_rows.h"

static tc_products products;
static tc_row_texts texts;
static int64_t num_labels;

static void draw(void) {
    int64_t taps = below(6), sizes = below(5), width = 16 * below(3), rows = below(6);
    products = (tc_products){.num_rows = rows, .num_taps = taps, .width = width, .num_sizes = sizes, .is_whole = below(2)};
    products.sizes = numbers(sizes, taps);
    products.first_taps = numbers(sizes, taps);
    texts.num_texts = below(5);
    texts.num_tokens = below(20);
    texts.offsets = offsets(texts.num_texts, texts.num_tokens);
    texts.rows = numbers(texts.num_tokens, rows - 1);
    num_labels = below(4);
}

static void look_up(void) {
    int64_t count = texts.num_texts * products.num_sizes * products.width, entries = below(20), features = below(9);
    void *best = room(count, products.is_whole ? 2 : 4);
    tc_wide_features wide = {.num_features = features, .scale = (double)number(99), .num_entries = entries};
    wide.offsets = offsets(texts.num_texts, entries);
    wide.rows = small_numbers(entries, features - 1);
    wide.table = bytes_of(features * num_labels, 4);
    wide.weights = bytes_of(entries, 4);
    products.products = bytes_of(products.num_rows * products.num_taps * products.width, products.is_whole ? 1 : 4);
    tc_collect(
        NULL, &products, &texts, bytes_of(products.num_rows * num_labels, 8), num_labels, &wide, best,
        filled(texts.num_texts * num_labels, 8, 0), filled(texts.num_texts * num_labels, 8, 0)
    );
    int32_t *places = filled(count, 4, 0);
    if (tc_find_winners(NULL, &products, &texts, best, places) != 0 || products.is_whole) return;

    int64_t filters = below(40), all = products.num_sizes * filters, widest = 1 + below(6);
    tc_add_scores(
        NULL, best, texts.num_texts, products.num_sizes, products.width, bytes_of(all, 4), filters,
        bytes_of(all * num_labels, 4), num_labels, number(3), filled(texts.num_texts, 1, byte() % 2),
        filled(texts.num_texts * num_labels, 8, 0)
    );
    int64_t each = texts.num_texts * all;
    tc_window_words words = {room(each, 8), room(each, 8), room(each * widest, 8), texts.num_texts, all, widest};
    if (byte() % 4 == 3 && count > 0) places[below((int)(count < 256 ? count : 256))] = (int32_t)number(20);
    if (tc_find_window_words(NULL, &products, &texts, places, &words) != 0) return;
    if (byte() % 4 == 3 && each > 0) words.first[below((int)(each < 256 ? each : 256))] = number(20);
    tc_spread_shares(
        NULL, &words, bytes_of(each, 8), bytes_of(each, 8), bytes_of(each * num_labels, 8), num_labels, texts.num_tokens,
        filled(texts.num_tokens * num_labels, 8, 0), filled(texts.num_tokens * widest * num_labels, 8, 0),
        filled(texts.num_tokens * widest, 1, 0)
    );
}

/* The rows of types, of drawn weights; each size has taps of its own where rows are whole. */
static void fill(void) {
    int64_t types = below(8), known = below(6), ngrams = below(6), fixed = 4 * below(2), dim = 1 + below(8), filters = below(6);
    int64_t width = number(20), shares = below(3), taps = products.num_taps, size = 0, columns = taps * filters + shares;
    for (int64_t g = 0; g < products.num_sizes; g++)
        if (products.sizes[g] >= 1 && products.sizes[g] <= taps) size += products.sizes[g];
    if (!products.is_whole) size = taps;
    tc_bags bags = {.num_rows = below(12)};
    bags.offsets = offsets(types, bags.num_rows);
    bags.rows = small_numbers(bags.num_rows, ngrams - 1);
    if (width > 64) return; /* as many as are asked for */
    int64_t *of_types = numbers(types, 8), room_of_row = size * (width > 0 ? width : 0);
    tc_vector_tables tables = {
        fixed ? bytes_of(known * fixed, 4) : NULL, bytes_of(known * dim, 4), bytes_of(ngrams * dim, 4), known, ngrams, fixed, dim, below(2),
        NULL, *(const double *)bytes_of(1, 8)
    };
    if (below(2)) tables.scores = bytes_of(ngrams * shares, 4);
    tc_whole_weights weights = {
        bytes_of((columns + TC_PANEL - 1) / TC_PANEL * TC_PANEL * (fixed + dim), 8), bytes_of(columns, 8), columns, number(60)
    };
    tc_row_layout layout = {
        taps, filters, width, shares, products.num_sizes, products.sizes, products.first_taps,
        products.is_whole ? bytes_of(products.num_sizes * filters, 8) : NULL
    };
    tc_compose_vectors(NULL, &tables, of_types, types, &bags, room(types * (fixed + dim), 4));
    tc_fill_rows(
        NULL, &tables, &weights, &layout, of_types, types, &bags, room(types * room_of_row, products.is_whole ? 1 : 4),
        room(types * shares, 8), room(types, 1)
    );
}

static void choose(void) {
    int64_t count = below(6), values = below(30), top = number(9), order = below(30);
    tc_find_strongest(
        NULL, offsets(count, values), count, bytes_of(values, 8), values, top, offsets(count, order), room(order, 8), order,
        room(count, 8)
    );
}

/* A text of any bytes, of whose chunks those of its first half have been met. */
static void answer(void) {
    int64_t types = below(8), unseen = below(4), features = below(6), words = below(8), slots = INT64_C(1) << below(4), filters = below(20);
    int64_t spare = below(4), *keys = numbers(slots / 2, types);
    int32_t *table = filled(slots, 4, -1), *word_rows = filled(words, 4, -1);
    if (tc_index_ngrams(keys, slots / 2, word_rows, words, table, slots) != 0) word_rows = small_numbers(words, features);
    int64_t *row_of = numbers(types, products.num_rows - 1), *row_of_unseen = numbers(unseen, products.num_rows - 1);
    int64_t logarithms = 1 + below(4), unknown = number(types), longest = below(30), activation = number(3);
    int64_t all = products.num_sizes * products.width;
    tc_one_text model = {
        .chunks = {.seed = 1, .table = filled(128, 8, 0), .starts = filled(33, 8, 0), .pool = room(256, 1), .num_slots = 64,
                   .most_chunks = 32, .most_bytes = 256},
        .num_types = types, .unknown = unknown, .longest = longest, .row_of = row_of, .row_of_unseen = row_of_unseen,
        .num_unseen = unseen, .num_labels = num_labels, .keys = features > slots / 2 ? bytes_of(features, 8) : keys, .word_rows = word_rows, .pairs = table, .num_words = words,
        .num_slots = slots, .num_features = features, .num_logarithms = logarithms, .scale = 0.5,
        .num_filters = filters < products.width ? filters : products.width, .activation = activation
    };
    int64_t num_bytes = input_end - input < 64 ? input_end - input : 64, half = num_bytes / 2, starts[2], chunk_numbers[64];
    uint8_t *text = room(num_bytes, 1);
    memcpy(text, input, (size_t)num_bytes);
    tc_chunk_progress progress = {0, 0, 0};
    require(tc_number_chunks(text, half, &half, 1, &model.chunks, &progress, chunk_numbers, 64, starts) == 0);
    model.num_chunk_ids = model.chunks.used + spare;
    model.chunk_ids = small_numbers(model.num_chunk_ids, types + unseen);
    model.chunk_offsets = offsets(model.chunks.used, model.num_chunk_ids);
    model.products = products;
    model.products.products = bytes_of(products.num_rows * products.num_taps * products.width, products.is_whole ? 1 : 4);
    model.means = bytes_of(products.num_rows * num_labels, 8);
    model.clipped = filled(products.num_rows, 1, 0);
    model.idf = bytes_of(features, 4);
    model.table = bytes_of(features * num_labels, 4);
    model.logarithms = bytes_of(logarithms, 8);
    model.output_bias = filled(num_labels, 8, 1);
    model.bias = bytes_of(all, 4);
    model.head = bytes_of(all * num_labels, 4);
    tc_text_facts facts;
    int status = tc_answer_one_text(
        &model, text, num_bytes, room(all, products.is_whole ? 2 : 4), room(num_labels, 8), room(num_labels, 8), &facts
    );
    require(status >= -1 && status <= TC_NOT_MET);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    begin(bytes, size);
    int part = byte() % 8;
    draw();
    (part < 3 ? look_up : part < 5 ? answer : part < 7 ? fill : choose)();
    end();
    return 0;
}
