/* What infer's page is about: its model, and a row of a recording. */
#ifndef TOOLS_INFER_REPORT_SPEC_H
#define TOOLS_INFER_REPORT_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INFER_REPORT_MIXED SIZE_MAX /* a row about all channels together */

#define INFER_REPORT_AUDIO_CHOICES "link|embed|none" /* for the option table, in the enum's order */

typedef enum infer_report_audio {
    INFER_REPORT_LINK,  /* the page names the file, by its way from the page's folder */
    INFER_REPORT_EMBED, /* the page holds the audio, 16 kHz and 16 bits, as far as embed_most allows; else a link */
    INFER_REPORT_SILENT /* no player */
} infer_report_audio;

typedef struct infer_report_spec {
    const char *path;           /* of the page; NULL or "-": standard output. Written as FILE.part, see part_file.h */
    const char *model;          /* its name, for a reader */
    const char *const *classes; /* [class_count] in id order, copied; 0 for a backbone */
    size_t class_count;
    bool values; /* classes are values (arousal, dominance, valence): numbers in the model's scale, without a label */
    infer_report_audio audio;
    size_t embed_most; /* INFER_REPORT_EMBED: bytes of audio in the page, before base64, which makes 4 of 3 */
} infer_report_spec;

/* A segment, or a recording that was labelled whole. Strings are copied; they may be any bytes. */
typedef struct infer_report_row {
    size_t channel;             /* from 0, or INFER_REPORT_MIXED */
    double start, end;          /* seconds; of a whole recording 0 and its length; NaN where nothing is known */
    size_t label;               /* < class_count; not read with values or without classes */
    const float *scores;        /* [class_count] probabilities or values; what is not finite is shown as a gap */
    const char *speaker, *text; /* NULL or "": none */
    const char *error;          /* not NULL: the row failed; label and scores are not read */
} infer_report_row;

#endif
