/* Chunks, what stands between ASCII's blanks in a text: numbered by a hash table, put together again.
 *
 * All arrays belong to the caller. Functions give -1 where sizes or numbers do not fit together. */
#ifndef TEXTCNN_CHUNKS_H
#define TEXTCNN_CHUNKS_H

#include <stdint.h>

/* A table of chunks: the k-th to be met has the number k, and its bytes are pool[starts[k]] to pool[starts[k + 1]]. */
typedef struct {
    uint64_t seed;        /* the hash (FNV-1a, 64 bits) begins with it */
    uint64_t *table;      /* (num_slots, 2): hash, and number + 1 or 0; num_slots is a power of 2 */
    int64_t *starts;      /* (most_chunks + 1) */
    uint8_t *pool;        /* (most_bytes) */
    int64_t num_slots, most_chunks, most_bytes;
    int64_t used;         /* chunks that have a number */
} tc_chunk_table;

/* How far tc_number_chunks has come: begin with zeros, call again after making room. */
typedef struct {
    int64_t text, place, count; /* texts done, bytes done, chunks numbered */
} tc_chunk_progress;

/* Number the chunks of texts; data (num_bytes) UTF-8 of all texts, ends (num_texts) where each ends, ascending.
 *
 * numbers (most_numbers) and offsets (num_texts + 1) are filled: the chunks of text b are numbers[offsets[b]] to
 * numbers[offsets[b + 1]]. Gives 0 when all is done, 1 where the table must grow first. */
int tc_number_chunks(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_texts, tc_chunk_table *table,
    tc_chunk_progress *progress, int64_t *numbers, int64_t most_numbers, int64_t *offsets
);

/* Put the entries of a table of chunks into a larger one, which is all 0. */
int tc_move_chunks(const uint64_t *table, int64_t num_slots, uint64_t *larger, int64_t num_larger);

/* Rows of a ragged array, one after another: row r is values[offsets[r]] to values[offsets[r + 1]], of which at most
 * `longest` are taken; out_offsets (num_rows + 1) is given, and says how long `out` is. */
int tc_take_ragged(
    const int32_t *values, int64_t num_values, const int64_t *offsets, int64_t num_ragged, const int64_t *rows,
    int64_t num_rows, const int64_t *out_offsets, int32_t *out, int64_t num_out
);

/* Where the tokens of all texts stand, in characters, by what is known of their chunks.
 *
 * numbers (num_numbers): of the chunks of all texts; spans (num_chunks + 1): where the tokens of each numbered chunk begin
 * in lows and highs (num_spans), characters from the start of the chunk to start and end of the token. starts, stops
 * (num_tokens) and offsets (num_texts + 1) are filled. */
int tc_place_tokens(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_texts, const int64_t *numbers,
    int64_t num_numbers, const int64_t *spans, int64_t num_chunks, const int64_t *lows, const int64_t *highs,
    int64_t num_spans, int64_t *starts, int64_t *stops, int64_t num_tokens, int64_t *offsets
);

/* A hash of each text (num_texts): FNV-1a (64 bits) of its bytes, capital letters of ASCII as small ones, blanks at both
 * ends left out, and one for several between words; Python's str.split has the same blanks in ASCII, \x1c to \x1f among
 * them. */
int tc_hash_texts(const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_texts, uint64_t *hashes);

#endif
