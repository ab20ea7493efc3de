/* infer's page: one self-contained HTML file to look at and listen to what was labelled. It is written as a stream: one
 * recording after the other, of which only the last is held. */
#ifndef TOOLS_INFER_REPORT_REPORT_H
#define TOOLS_INFER_REPORT_REPORT_H

#include <stddef.h>

#include "engine/error.h"
#include "tools/infer/report/sound.h"
#include "tools/infer/report/spec.h"

/* A line of the page's foot: "Precision" "int8", "Speed" "35 times real time", ... */
typedef struct infer_report_fact {
    const char *name, *value;
} infer_report_fact;

typedef struct infer_report infer_report;

/* Opens the page. Errors: ENG_E_IO when it cannot be written, ENG_E_MEMORY; *r is then NULL. */
eng_status infer_report_open(const infer_report_spec *spec, infer_report **r, eng_error *err);

/* The most bytes of a recording's audio that the page still has room for: infer_sound_init's wav_most. 0 where none is
 * embedded. From one thread at a time, like all functions here; a number from before is at worst too large. */
size_t infer_report_embed_room(const infer_report *r);

/* Begins a recording. name: as in the rows' column `file`; path: for the link, NULL or "-" when the audio came from
 * nowhere that a page could read. */
eng_status infer_report_begin(infer_report *r, const char *name, const char *path, eng_error *err);

/* Its rows, in the order in which the page lists them. Errors: ENG_E_MEMORY. */
eng_status infer_report_add(infer_report *r, const infer_report_row *row, eng_error *err);

/* Ends the recording and writes it. seconds: its length, below 0 or NaN when it is not known; sound: NULL when nothing
 * was decoded. Errors: ENG_E_IO (disk full, pipe closed), ENG_E_MEMORY. */
eng_status infer_report_end(infer_report *r, double seconds, infer_sound *sound, eng_error *err);

/* Completes the page and gives it its name; frees r in any case. facts: [count]. */
eng_status infer_report_close(infer_report *r, const infer_report_fact *facts, size_t count, eng_error *err);

/* Gives up: FILE.part stays. Frees r; NULL is fine. */
void infer_report_abandon(infer_report *r);

#endif
