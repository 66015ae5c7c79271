/* Classify texts by a tables file, which `textcnn export --format tables` writes: what other programs call.
 *
 *     textcnn_tables *tables = textcnn_tables_open(bytes, size, problem, sizeof problem);
 *     const textcnn_answer *answer = textcnn_tables_classify(tables, "what a film", 11);
 *
 * Logits are those of textcnn's look-up runtime to the bit, in the precision that the file was written with. Tables
 * cache the rows of words, so they are for one caller at a time. A file may come from anywhere:
 * whatever its bytes are, nothing outside of them is read. docs/export.md describes the format. */
#ifndef TEXTCNN_TABLES_H
#define TEXTCNN_TABLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct textcnn_tables textcnn_tables;

/* The answer to a text. Its arrays have an entry for each label; they are valid until the next call with the tables. */
typedef struct {
    const double *logits, *probabilities; /* logits before temperature; in regression the numbers are in `probabilities` */
    const uint8_t *is_given; /* 1 for labels that the text is given: the best one, or (multi-label) those from their
                                threshold on */
    size_t best;       /* the label with the largest logit */
    size_t num_tokens; /* words of the text; 0 if there was nothing to classify */
    size_t num_seen;   /* words that the filters have seen; the model's max_length cuts the others off */
    const double *grades; /* the probability of each grade of an ordered scale; NULL where the model has no grades */
    size_t best_grade;    /* the most probable one */
} textcnn_answer;

/* Tables over the bytes of a file, which stay where they are until the tables are closed and begin at a multiple of 8.
 *
 * Gives NULL where the bytes are not those of such a file, or without memory; then `problem`, which has room for so many
 * bytes, says what is wrong. */
textcnn_tables *textcnn_tables_open(const void *bytes, size_t size, char *problem, size_t room);

void textcnn_tables_close(textcnn_tables *tables);

/* 1 if the model predicts numbers, whose names are those of the labels, and gives no label; else 0. */
int textcnn_tables_are_numbers(const textcnn_tables *tables);

size_t textcnn_tables_num_labels(const textcnn_tables *tables);

/* The name of a label in UTF-8, of `length` bytes, without a terminating zero; NULL if there is no such label. */
const char *textcnn_tables_label(const textcnn_tables *tables, size_t label, size_t *length);

/* The grades of an ordered scale to which the number leads, the lowest first; 0 where the model has none. */
size_t textcnn_tables_num_grades(const textcnn_tables *tables);

/* The name of a grade, as that of a label. */
const char *textcnn_tables_grade(const textcnn_tables *tables, size_t grade, size_t *length);

/* The answer to a text of `length` bytes of UTF-8; what is no UTF-8 is read as U+FFFD. NULL without
 * memory, or for a text of more than 1 GiB. */
const textcnn_answer *textcnn_tables_classify(textcnn_tables *tables, const void *text, size_t length);

/* The words of a text, a line end after each: `written` bytes, valid until the next call. NULL likewise. */
const char *textcnn_tables_words(textcnn_tables *tables, const void *text, size_t length, size_t *written);

#endif
