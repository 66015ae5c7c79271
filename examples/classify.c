/* Classifies standard input, a text a line, by the tables that `textcnn export --format tables` wrote: docs/export.md. */
#define _POSIX_C_SOURCE 200809L /* getline */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

static void fail(const char *name, const char *problem) {
    fprintf(stderr, "%s: %s\n", name, problem);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    if (argc != 2) fail(argv[0], "expected one argument, the tables file");
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail(argv[1], "cannot be read");
    size_t size = (size_t)ftell(file), length, room = 0;
    void *bytes = malloc(size + 1);
    rewind(file);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) fail(argv[1], "cannot be read");
    char problem[256], *line = NULL;
    textcnn_tables *tables = textcnn_tables_open(bytes, size, problem, sizeof problem);
    if (tables == NULL) fail(argv[1], problem);
    for (ssize_t read; (read = getline(&line, &room, stdin)) >= 0;) {
        const textcnn_answer *answer = textcnn_tables_classify(tables, line, (size_t)read);
        if (answer == NULL) fail("standard input", "a text is too long");
        int is_graded = answer->grades != NULL; /* of an ordered scale, to which the number leads */
        const char *label = is_graded ? textcnn_tables_grade(tables, answer->best_grade, &length)
                                      : textcnn_tables_label(tables, answer->best, &length);
        double number = is_graded ? answer->grades[answer->best_grade] : answer->probabilities[answer->best];
        printf("%.*s\t%.6f\n", (int)length, label, number);
    }
    free(line), free(bytes), textcnn_tables_close(tables);
    return fclose(file);
}
