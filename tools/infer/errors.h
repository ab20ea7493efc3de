/* `--errors FILE`: what could not be labelled, and why, in a table of its own. */
#ifndef TOOLS_INFER_ERRORS_H
#define TOOLS_INFER_ERRORS_H

#include "tools/common/output.h"

typedef struct infer_errors infer_errors;

/* A CSV file with the header file,channel,start,end,error (tools/common/part_file.h). Errors: it cannot be written. */
eng_status infer_errors_open(const char *path, infer_errors **out, eng_error *err);

/* A row: what failed; empty cells for a channel, start and end that it has not. Errors: it cannot be written. */
eng_status infer_errors_write(infer_errors *e, const char *file, const tool_result *failed, eng_error *err);

/* Gives the file its name and frees e in any case. Errors: it could not be completed. */
eng_status infer_errors_close(infer_errors *e, eng_error *err);

/* Gives up: FILE.part stays. NULL is fine. */
void infer_errors_abandon(infer_errors *e);

#endif
