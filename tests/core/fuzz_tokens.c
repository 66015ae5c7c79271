/* Any bytes as texts, for libFuzzer (`make fuzz-core`): words, chunks and their numbers, places of tokens, hashes. */
#include "chunks.h"
#include "fuzz.h"
#include "tokens.h"

static uint8_t *text;
static int64_t num_bytes, num_texts, *ends;

/* Each text has up to so many bytes. */
static void cut(int64_t step) {
    num_bytes = input_end - input;
    num_texts = (num_bytes + step - 1) / step;
    text = room(num_bytes, 1);
    ends = room(num_texts, sizeof *ends);
    memcpy(text, input, (size_t)num_bytes);
    for (int64_t k = 0; k < num_texts; k++) ends[k] = (k + 1) * step < num_bytes ? (k + 1) * step : num_bytes;
}

static void split(int form, int64_t step) {
    int64_t most_points = tc_room_for_points(num_bytes < step ? num_bytes : step), most_bytes = tc_room_for_words(num_bytes, form);
    uint8_t *words = room(most_bytes, 1);
    uint32_t *points = room(most_points, sizeof *points);
    int64_t *counts = filled(num_texts, sizeof *counts, 0);
    int64_t written = tc_split_words(text, num_bytes, ends, num_texts, form, points, most_points, words, most_bytes, counts);
    require(written >= 0 && written <= most_bytes);
    int64_t ended = 0, counted = 0;
    for (int64_t k = 0; k < written; k++) {
        ended += words[k] == '\n';
        require(words[k] != ' ' && (words[k] != '\n' || (k > 0 && words[k - 1] != '\n')));
    }
    for (int64_t k = 0; k < num_texts; k++) counted += counts[k];
    require(ended == counted && (written == 0 || words[written - 1] == '\n'));

    /* With less memory it refuses, and writes nothing behind it. */
    int64_t less = written / 2;
    int64_t again = tc_split_words(text, num_bytes, ends, num_texts, form, points, most_points, room(less, 1), less, counts);
    require(again == -1 || (again == written && written == 0));
}

/* Number the chunks from a small table on, which grows as the binding lets it grow. */
static void number_chunks(void) {
    tc_chunk_table table = {.seed = (uint64_t)num_bytes, .num_slots = 2, .most_chunks = 1, .most_bytes = 4};
    table.table = filled(4, sizeof *table.table, 0);
    table.starts = filled(2, sizeof *table.starts, 0);
    table.pool = room(4, 1);
    tc_chunk_progress progress = {0, 0, 0};
    int64_t *found = room(num_bytes, sizeof *found), *starts = room(num_texts + 1, sizeof *starts);
    int status;
    while ((status = tc_number_chunks(text, num_bytes, ends, num_texts, &table, &progress, found, num_bytes, starts)) == 1) {
        tc_chunk_table larger = table;
        larger.num_slots *= 4, larger.most_chunks *= 4, larger.most_bytes = 4 * table.most_bytes + num_bytes;
        larger.table = filled(2 * larger.num_slots, sizeof *larger.table, 0);
        larger.starts = filled(larger.most_chunks + 1, sizeof *larger.starts, 0);
        larger.pool = room(larger.most_bytes, 1);
        require(tc_move_chunks(table.table, table.num_slots, larger.table, larger.num_slots) == 0);
        memcpy(larger.starts, table.starts, (size_t)(table.used + 1) * sizeof *table.starts);
        memcpy(larger.pool, table.pool, (size_t)table.starts[table.used]);
        table = larger;
    }
    require(status == 0 && starts[0] == 0 && starts[num_texts] == progress.count && progress.count >= table.used);
    for (int64_t k = 0; k < progress.count; k++) require(found[k] >= 0 && found[k] < table.used);

    /* Two tokens a chunk, of which the second has any place. */
    int64_t *spans = room(table.used + 1, sizeof *spans), *lows = numbers(2 * table.used, 4), *highs = numbers(2 * table.used, 4);
    for (int64_t k = 0; k <= table.used; k++) spans[k] = 2 * k;
    int64_t *first = room(2 * progress.count, sizeof *first), *last = room(2 * progress.count, sizeof *last);
    tc_place_tokens(
        text, num_bytes, ends, num_texts, found, progress.count, spans, table.used, lows, highs, 2 * table.used, first, last,
        2 * progress.count, room(num_texts + 1, sizeof *starts)
    );
}

/* The first byte is the form and whether ends are wrong, the second a length of texts. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    begin(bytes, size);
    int form = byte();
    int64_t step = 1 + byte();
    cut(step);
    if (form & 8 && num_texts > 1) ends[below((int)(num_texts < 256 ? num_texts : 256))] = number(num_bytes);
    int is_right = 1;
    for (int64_t k = 0; k < num_texts; k++) is_right &= ends[k] >= (k > 0 ? ends[k - 1] : 0) && ends[k] <= num_bytes;
    uint64_t *hashes = room(num_texts, sizeof *hashes);
    require(tc_hash_texts(text, num_bytes, ends, num_texts, hashes) == (is_right ? 0 : -1));
    if (is_right && !(form & 8)) {
        split(form & 7, step);
        number_chunks();
    } else if (!is_right) {
        int64_t count = tc_room_for_words(num_bytes, form & 7);
        int64_t *counts = room(num_texts, sizeof *counts);
        uint32_t *points = room(tc_room_for_points(num_bytes), sizeof *points);
        require(tc_split_words(text, num_bytes, ends, num_texts, form & 7, points, tc_room_for_points(num_bytes), room(count, 1), count, counts) == -1);
    }
    end();
    return 0;
}
