/* Any bytes as chunks, for libFuzzer (`make fuzz-tokens`): memory is as large as it must be and no larger. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tokens.h"

static void require(int holds) {
    if (!holds) abort();
}

/* The first byte is the form, the second a length of chunks: each has up to so many bytes of the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 2) return 0;
    int form = bytes[0] & 7, step = 1 + bytes[1];
    int64_t num_bytes = (int64_t)size - 2, num_chunks = (num_bytes + step - 1) / step;
    int64_t most_points = tc_room_for_points(num_bytes < step ? num_bytes : step);
    int64_t most_bytes = tc_room_for_words(num_bytes, form);
    uint8_t *data = malloc((size_t)num_bytes + 1), *words = malloc((size_t)most_bytes);
    uint32_t *points = malloc((size_t)most_points * sizeof *points);
    int64_t *ends = malloc((size_t)(num_chunks + 1) * sizeof *ends), *counts = malloc((size_t)(num_chunks + 1) * sizeof *counts);
    require(data && words && points && ends && counts);
    uint8_t *text = data + 1; /* its end is that of the memory */
    memcpy(text, bytes + 2, (size_t)num_bytes);
    for (int64_t k = 0; k < num_chunks; k++) ends[k] = (k + 1) * step < num_bytes ? (k + 1) * step : num_bytes;

    int64_t written = tc_split_words(
        text, num_bytes, ends, num_chunks, form, points, most_points, words, most_bytes, counts
    );
    require(written >= 0 && written <= most_bytes);
    int64_t ended = 0, counted = 0;
    for (int64_t k = 0; k < written; k++) {
        ended += words[k] == '\n';
        require(words[k] != ' ' && (words[k] != '\n' || (k > 0 && words[k - 1] != '\n')));
    }
    for (int64_t k = 0; k < num_chunks; k++) counted += counts[k];
    require(ended == counted && (written == 0 || words[written - 1] == '\n'));

    /* With less memory it refuses, and writes nothing behind it. */
    int64_t less = written / 2;
    uint8_t *few = malloc((size_t)less + 1);
    require(few != NULL);
    int64_t again = tc_split_words(text, num_bytes, ends, num_chunks, form, points, most_points, few, less, counts);
    require(again == -1 || (again == written && written == 0));
    if (num_chunks > 1) {
        ends[0] = num_bytes + 1;
        require(tc_split_words(text, num_bytes, ends, num_chunks, form, points, 0, words, most_bytes, counts) == -1);
    }
    free(data), free(words), free(points), free(ends), free(counts), free(few);
    return 0;
}
