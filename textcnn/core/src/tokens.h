/* The default tokenizer: words of chunks, in normal form.
 *
 * Equal to the `tokenizers` package running the steps of textcnn/core/word_form.py, by tables generated from it
 * (unicode_tables.h): drops invisible characters; applies NFC or NFKC; unifies apostrophes; folds case; and cuts words
 * out: letters, marks, digits and connectors with one apostrophe within, or one sign, or one character of Han or kana. */
#ifndef TEXTCNN_TOKENS_H
#define TEXTCNN_TOKENS_H

#include <stdint.h>

/* Which form, added together. */
#define TC_COMPATIBLE 1 /* NFKC, else NFC */
#define TC_LOWERCASE 2
#define TC_EARLIER 4 /* nothing is dropped, apostrophes stay, case is lower case alone */

/* How many code points tc_split_words needs room for, if the longest chunk has so many bytes. */
int64_t tc_room_for_points(int64_t longest);

/* How many bytes the words of so many bytes of text may have. */
int64_t tc_room_for_words(int64_t num_bytes, int form);

/* Split chunks into words; data (num_bytes) UTF-8 of all chunks, ends (num_chunks) where each ends, ascending.
 *
 * A lone surrogate, and a byte that is no UTF-8, is read as U+FFFD. points (most_points) is memory to work in. words
 * (most_bytes) is filled with the words, a line end after each, and counts (num_chunks) with how many each chunk has.
 * Gives the number of bytes written, -1 where sizes do not fit together. */
int64_t tc_split_words(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_chunks, int form, uint32_t *points,
    int64_t most_points, uint8_t *words, int64_t most_bytes, int64_t *counts
);

#endif
