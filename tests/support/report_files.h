/* Lines of metrics.jsonl, and a folder with such a file, for the tests of the report. */
#ifndef TESTS_SUPPORT_REPORT_FILES_H
#define TESTS_SUPPORT_REPORT_FILES_H

#include <stddef.h>

/* A step's line; an evaluation's, with `rest` behind its F1, such as BEST. */
#define STEP(n, epoch, loss) "{\"step\":" #n ",\"epoch\":" #epoch ",\"loss\":" #loss ",\"lr\":1e-05}\n"
#define DEV(n, f1, rest) "{\"step\":" #n ",\"epoch\":1,\"split\":\"dev\",\"loss\":1.5,\"macro_f1\":" #f1 rest "}\n"
#define BEST ",\"best\":true"

/* An evaluation of 60 recordings of three classes, the best one. */
extern const char report_classes[];

typedef struct report_files {
    char *folder;                 /* support_remove */
    char metrics[600], page[600]; /* paths in it */
} report_files;

/* A new folder with metrics.jsonl of that text; there is no page yet. */
report_files report_files_new(const char *text, size_t size);

#endif
