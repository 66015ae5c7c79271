/* Damaged tables files and any text, for libFuzzer (`make fuzz-core`): refused with a message, or answered in its memory.
 *
 * An input is a text in TEXT bytes, the first of which say what is done, and a tables file behind them. Files of the tool
 * are what the fuzzer starts from. */
#include "fuzz.h"
#include "tables.h"

enum { TEXT = 64, UNIT = 64, NAME = 32, OFFSET = 40, SIZE = 48 }; /* UNIT: the header, the entry of a section */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static uint64_t number_at(const uint8_t *place) {
    uint64_t found;
    memcpy(&found, place, sizeof found);
    return found;
}

static void use(textcnn_tables *tables, const uint8_t *text, size_t size) {
    size_t num_labels = textcnn_tables_num_labels(tables), length, written, sum = 0;
    for (size_t k = 0; k <= num_labels; k++) {
        const char *label = textcnn_tables_label(tables, k, &length);
        require((label == NULL) == (k == num_labels));
        for (size_t i = 0; label != NULL && i < length; i++) sum += (uint8_t)label[i];
    }
    size_t num_grades = textcnn_tables_num_grades(tables);
    for (size_t k = 0; k <= num_grades; k++) {
        const char *grade = textcnn_tables_grade(tables, k, &length);
        require((grade == NULL) == (k == num_grades));
        for (size_t i = 0; grade != NULL && i < length; i++) sum += (uint8_t)grade[i];
    }
    const char *words = textcnn_tables_words(tables, text, size, &written);
    require(words != NULL && (written == 0 || words[written - 1] == '\n'));
    const size_t halves[3] = {size, size / 2, size};
    double *first = NULL;
    for (int k = 0; k < 3; k++) {
        const textcnn_answer *answer = textcnn_tables_classify(tables, text, halves[k]);
        if (answer == NULL) return; /* no memory, for n-grams or windows of any length */
        require(answer->best < num_labels && answer->num_seen <= answer->num_tokens);
        require((answer->grades == NULL) == (num_grades == 0) && (num_grades == 0 || answer->best_grade < num_grades));
        for (size_t c = 0; c < num_grades; c++) sum += answer->grades[c] > 0.5;
        for (size_t c = 0; c < num_labels; c++) sum += (answer->probabilities[c] > 0.5) + answer->is_given[c];
        /* Rows that are remembered give the same bits. */
        if (k == 0) first = memcpy(room((int64_t)num_labels, 8), answer->logits, num_labels * 8);
        if (k == 2) require(memcmp(first, answer->logits, num_labels * 8) == 0);
    }
    require(sum < SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < TEXT) return 0;
    begin(bytes, size);
    int flags = byte();
    size_t length = (size_t)below(TEXT - 1), num_bytes = size - TEXT, least = (size_t)flags / 8 % 16;
    uint8_t *text = room((int64_t)length, 1), *file = room((int64_t)num_bytes, 1);
    memcpy(text, input, length);
    memcpy(file, bytes + TEXT, num_bytes);
    if (flags % 8 != 7 && num_bytes >= UNIT) { /* a header that says the size, whatever has been cut out or put in */
        uint64_t all = num_bytes;
        memcpy(file + 16, &all, sizeof all);
    }
    char *problem = room((int64_t)least, 1);
    textcnn_tables *tables = textcnn_tables_open(file, num_bytes, problem, least);
    if (tables == NULL) require(least == 0 || memchr(problem, 0, least) != NULL);
    else use(tables, text, length);
    textcnn_tables_close(tables);
    end();
    return 0;
}

/* Half of all changes are of the items of one section, whose size stays true, so that a single number is changed as often
 * as a table of vectors; some are of the text; the others are of anything. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    uint64_t sections = size >= TEXT + UNIT ? number_at(data + TEXT + 8) >> 32 : 0;
    if (size < TEXT || seed % 4 == 0) return LLVMFuzzerMutate(data, size, most);
    if (seed % 4 == 1) return LLVMFuzzerMutate(data, TEXT, TEXT), size;
    if (sections == 0 || sections > (size - TEXT) / UNIT - 1) return LLVMFuzzerMutate(data, size, most);
    uint8_t *entry = data + TEXT + UNIT * (1 + seed / 4 % sections);
    uint64_t offset = number_at(entry + OFFSET), old = number_at(entry + SIZE), all = size - TEXT;
    if (offset > all || old > all - offset) return LLVMFuzzerMutate(data, size, most);
    uint64_t whole = (old + UNIT - 1) / UNIT * UNIT, item = (uint64_t)(entry[NAME + 1] - '0');
    if (whole > all - offset) whole = all - offset;
    if (whole == 0) return LLVMFuzzerMutate(data, size, most);
    uint64_t changed = LLVMFuzzerMutate(data + TEXT + offset, old, whole);
    if (item >= 1 && item <= 8) changed -= changed % item;
    memcpy(entry + SIZE, &changed, sizeof changed);
    return size;
}
