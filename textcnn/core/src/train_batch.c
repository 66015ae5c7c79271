/* Builds a batch from rows of a corpus: slots of unique types, and the index by which gradients are summed. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

#include "train_state.h"

#define HUGE_PAGE ((size_t)1 << 21)
#define LARGE ((size_t)1 << 18) /* smallest allocation in huge pages */

void *tc_room_for(tc_room *room, int64_t count, size_t size) {
    size_t bytes = (size_t)(count > 0 ? count : 1) * size + 64;
    if (bytes > room->size) {
        free(room->block);
        *room = (tc_room){NULL, NULL, 0};
        bytes += bytes / 2;
        if (bytes >= LARGE) bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        size_t boundary = bytes < LARGE ? 64 : HUGE_PAGE;
        char *block = malloc(bytes + boundary); /* aligned by hand: no function of all systems does it */
        if (block == NULL) return NULL;
        char *data = block + (boundary - (uintptr_t)block % boundary);
#ifdef MADV_HUGEPAGE
        if (bytes >= LARGE) madvise(data, bytes, MADV_HUGEPAGE); /* rows are visited at random */
#endif
        *room = (tc_room){block, data, bytes};
    }
    return room->data;
}

static int64_t length_of(const tc_trainer *trainer, const tc_corpus *corpus, int64_t row) {
    int64_t length = corpus->offsets[row + 1] - corpus->offsets[row], most = trainer->network.max_length;
    return most > 0 && length > most ? most : length;
}

/* Room for all that depends on the number of tokens. */
static int make_room(tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count) {
    tc_batch *batch = &trainer->batch;
    int64_t tokens = 0;
    for (int64_t b = 0; b < count; b++) tokens += length_of(trainer, corpus, rows[b]);
    int64_t places = tokens + 2 * trainer->margin * count;
    if (places > INT32_MAX) return TC_BAD_ARGUMENT; /* places are numbered by int32 */
    tc_room *room = trainer->rooms + BATCH_ROOMS;
    batch->num_texts = count;
    batch->num_places = places;
    batch->rows = rows;
    batch->starts = tc_room_for(room++, count, sizeof *batch->starts);
    batch->lengths = tc_room_for(room++, count, sizeof *batch->lengths);
    batch->slots = tc_room_for(room++, places, sizeof *batch->slots);
    batch->types = tc_room_for(room++, tokens + 1, sizeof *batch->types);
    batch->place_of = tc_room_for(room++, tokens, sizeof *batch->place_of);
    batch->text_of = tc_room_for(room++, tokens, sizeof *batch->text_of);
    int has_room = batch->starts && batch->lengths && batch->slots && batch->types && batch->place_of && batch->text_of;
    return has_room ? TC_OK : TC_NO_MEMORY;
}

static void take_text(
    tc_trainer *trainer, const tc_corpus *corpus, int64_t row, int64_t length, const tc_step *step, int32_t *slots
) {
    tc_batch *batch = &trainer->batch;
    const int32_t *ids = corpus->ids + corpus->offsets[row];
    int drops = step != NULL && trainer->objective.unknown_id >= 0;
    const float *rates = drops ? trainer->objective.word_dropout : NULL;
    int32_t unknown = trainer->objective.unknown_id, *marks = trainer->marks;
    uint64_t state = step == NULL ? 0 : tc_mixed(step->word_state, (uint64_t)row);
    for (int64_t j = 0; j < length; j++) {
        int32_t id = ids[j];
        if (rates != NULL && tc_chance(tc_mixed(state, (uint64_t)j)) < rates[id]) id = unknown;
        int32_t slot = marks[id];
        if (slot == 0) {
            slot = marks[id] = (int32_t)++batch->num_slots;
            batch->types[slot] = id;
        }
        slots[j] = slot;
    }
}

/* The rows that make the vector of each slot. */
static int list_rows(tc_trainer *trainer, const tc_corpus *corpus) {
    tc_batch *batch = &trainer->batch;
    int64_t num_slots = batch->num_slots, num_types = trainer->network.num_types, count = 0;
    tc_room *room = trainer->rooms + ROW_ROOMS;
    batch->row_starts = tc_room_for(room++, num_slots + 2, sizeof *batch->row_starts);
    batch->shares = tc_room_for(room++, num_slots + 1, sizeof *batch->shares);
    if (!batch->row_starts || !batch->shares) return 0;
    batch->row_starts[0] = batch->row_starts[1] = 0;
    for (int64_t k = 1; k <= num_slots; k++) {
        int64_t type = batch->types[k], known = type < num_types;
        int64_t ngrams = corpus->bag_offsets ? corpus->bag_offsets[type + 1] - corpus->bag_offsets[type] : 0;
        int64_t all = ngrams + (trainer->network.adds_ngrams ? 0 : known);
        batch->shares[k] = 1.0f / (float)(all > 0 ? all : 1);
        count += ngrams + known;
        batch->row_starts[k + 1] = count;
    }
    batch->num_entries = count;
    batch->row_of = tc_room_for(room++, count, sizeof *batch->row_of);
    if (!batch->row_of) return 0;
    int32_t *row_of = batch->row_of;
    for (int64_t k = 1; k <= num_slots; k++) {
        int64_t type = batch->types[k];
        if (type < num_types) *row_of++ = (int32_t)type;
        if (corpus->bag_offsets == NULL) continue;
        for (int64_t e = corpus->bag_offsets[type]; e < corpus->bag_offsets[type + 1]; e++)
            *row_of++ = (int32_t)(num_types + corpus->bag_rows[e]);
    }
    batch->distinct = tc_room_for(room++, count, sizeof *batch->distinct);
    batch->entry_starts = tc_room_for(room++, count + 2, sizeof *batch->entry_starts);
    batch->entry_slots = tc_room_for(room++, count, sizeof *batch->entry_slots);
    batch->entry_shares = tc_room_for(room++, count, sizeof *batch->entry_shares);
    batch->place_starts = tc_room_for(room++, num_slots + 2, sizeof *batch->place_starts);
    return batch->distinct && batch->entry_starts && batch->entry_slots && batch->entry_shares && batch->place_starts;
}

int tc_gather(tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step) {
    int status = make_room(trainer, corpus, rows, count);
    if (status != TC_OK) return status;
    tc_batch *batch = &trainer->batch;
    batch->num_slots = 0;
    size_t margin = (size_t)trainer->margin * sizeof *batch->slots;
    int64_t place = 0;
    for (int64_t b = 0; b < count; b++) {
        int64_t length = length_of(trainer, corpus, rows[b]);
        memset(batch->slots + place, 0, margin);
        place += trainer->margin;
        take_text(trainer, corpus, rows[b], length, step, batch->slots + place);
        batch->starts[b] = place;
        batch->lengths[b] = length;
        place += length;
        memset(batch->slots + place, 0, margin);
        place += trainer->margin;
    }
    for (int64_t k = 1; k <= batch->num_slots; k++) trainer->marks[batch->types[k]] = 0;
    return list_rows(trainer, corpus) ? TC_OK : TC_NO_MEMORY;
}

/* The rows of all slots that are trained, sorted by row: a counting sort, so that sums have the order of the slots. */
void tc_sort_rows(tc_trainer *trainer) {
    tc_batch *batch = &trainer->batch;
    const tc_network *network = &trainer->network;
    int32_t *marks = trainer->row_marks;
    int64_t num_rows = 0, *starts = batch->entry_starts, least = network->trains_words ? 0 : network->num_types;
    for (int64_t e = 0; e < batch->num_entries; e++) {
        int32_t row = batch->row_of[e];
        if (row < least) continue;
        if (marks[row] == 0) {
            batch->distinct[num_rows++] = row;
            marks[row] = (int32_t)num_rows;
            starts[num_rows + 1] = 0;
        }
        starts[marks[row] + 1]++;
    }
    starts[0] = starts[1] = 0;
    for (int64_t r = 2; r <= num_rows + 1; r++) starts[r] += starts[r - 1];
    /* A row marked m begins at starts[m], which moves to its end, where the row marked m + 1 begins. */
    for (int64_t k = 1; k <= batch->num_slots; k++) {
        for (int64_t e = batch->row_starts[k]; e < batch->row_starts[k + 1]; e++) {
            int32_t row = batch->row_of[e];
            if (row < least) continue;
            int64_t at = starts[marks[row]]++;
            batch->entry_slots[at] = (int32_t)k;
            batch->entry_shares[at] = network->adds_ngrams && row < network->num_types ? 1.0f : batch->shares[k];
        }
    }
    for (int64_t r = 0; r < num_rows; r++) marks[batch->distinct[r]] = 0;
    batch->num_rows = num_rows;
}

/* The places of each slot, text after text. */
void tc_sort_places(tc_trainer *trainer) {
    tc_batch *batch = &trainer->batch;
    int64_t *starts = batch->place_starts;
    memset(starts, 0, (size_t)(batch->num_slots + 2) * sizeof *starts);
    for (int64_t b = 0; b < batch->num_texts; b++)
        for (int64_t p = batch->starts[b]; p < batch->starts[b] + batch->lengths[b]; p++) starts[batch->slots[p] + 1]++;
    for (int64_t k = 1; k <= batch->num_slots + 1; k++) starts[k] += starts[k - 1];
    for (int64_t b = 0; b < batch->num_texts; b++) {
        for (int64_t p = batch->starts[b]; p < batch->starts[b] + batch->lengths[b]; p++) {
            int64_t at = starts[batch->slots[p]]++;
            batch->place_of[at] = (int32_t)p;
            batch->text_of[at] = (int32_t)b;
        }
    }
    for (int64_t k = batch->num_slots + 1; k > 0; k--) starts[k] = starts[k - 1];
    starts[0] = 0;
}
