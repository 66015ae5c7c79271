/* Prints the logits of texts, each ended by a byte FF, which UTF-8 does not have, by a tables file: what other processors make of the same file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

static void *read_all(FILE *file, size_t *size) {
    size_t room = 1 << 24;
    char *bytes = malloc(room);
    if (file == NULL || bytes == NULL) exit(2);
    *size = fread(bytes, 1, room, file);
    return bytes;
}

int main(int argc, char **argv) {
    size_t size, length;
    char problem[256];
    if (argc != 2) return 2;
    FILE *file = fopen(argv[1], "rb");
    void *bytes = read_all(file, &size);
    textcnn_tables *tables = textcnn_tables_open(bytes, size, problem, sizeof problem);
    if (tables == NULL) return fputs(problem, stderr), 1;
    const char *texts = read_all(stdin, &length), *text = texts, *end;
    while ((end = memchr(text, 0xFF, (size_t)(texts + length - text))) != NULL) {
        const textcnn_answer *answer = textcnn_tables_classify(tables, text, (size_t)(end - text));
        for (size_t c = 0; c < textcnn_tables_num_labels(tables); c++) printf("%.17g ", answer->logits[c]);
        printf("\n");
        text = end + 1;
    }
    textcnn_tables_close(tables);
    return fclose(file);
}
