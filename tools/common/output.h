/* The results of `infer`: a row an input, a channel, a segment of it.
 *
 * CSV and TSV have a header and the columns
 *     file [channel] [start end] [speaker] [text] [label score] <one a class> [logit.<class>, one a class]
 *     <the lists' own columns> error
 * score is the label's probability; a class's column bears its name and holds its probability. Values (arousal, dominance,
 * valence) have their columns, and no label and score; a backbone has neither. start and end are seconds, to a microsecond.
 * A failed row has its error and what is known of it (times, speaker, text, the lists' columns) alone; the others' error is
 * empty. CSV is quoted by RFC 4180, byte for byte what it was given: a cell that begins with = + - or @ stays one, and a
 * spreadsheet may take it for a formula. TSV is not quoted, but escapes \t \n \r \\.
 * A JSON line holds file, [channel,] [start, end,] [speaker,] [text,] label and scores {class: probability}, or values {name:
 * value}, [logits [...] in id order,] the lists' columns as strings; a failed one has an error for what the model says.
 * Bytes that are not UTF-8 become U+FFFD there. tools/common/infer-rows.schema.json is its schema.
 *
 * Names never clash: a list's column named like one of ours (file, channel, label, score, scores, logits, error, a class's
 * column; where they are in use start, end, speaker, text, values) is written as list.<name>, in every format; a class
 * named like one of ours gets the column score.<name>. Numbers are the shortest that give the same float32 again.
 *
 * The other formats are for segments, and leave failed rows out:
 *     rttm       SPEAKER <stem> <channel, from 1> <start> <duration> <NA> <NA> <label> <score> <NA>; spaces become _
 *     srt, vtt   a cue a row: "angry 0.81", or "arousal 0.52, ..."; speaker or channel before it (vtt: as <v>); text below
 *     audacity   start, tab, end, tab, the same on one line, without text
 *     textgrid   a tier a speaker or channel for labels, one for scores (or one a value), one for texts. Tiers have no gaps
 *                (intervals without text) and no overlaps (an interval ends where the next begins)
 *     elan       CSV with tier, begin and end in milliseconds, annotation; tiers as in textgrid
 * All but rttm name no recording: of several inputs, or where the path is a folder or ends in a slash, each has its file
 * there, DIR/<file without extension>.<ending>, without the folders that all files have in common.
 *
 * Each row is written whole, by one write, as soon as it is there (a TextGrid when its recording ends). A file is written as
 * FILE.part and renamed at the end, so FILE is complete or absent, and a run that was killed leaves its complete rows in
 * FILE.part. */
#ifndef TOOLS_COMMON_OUTPUT_H
#define TOOLS_COMMON_OUTPUT_H

#include "engine/error.h"
#include "tools/common/output/result.h"

typedef struct tool_output tool_output;

/* Opens the output and writes the header. ENG_E_MISMATCH for two classes of one name, and two recordings of one name in a
 * format that tells them apart by it; ENG_E_USAGE for a format that cannot say these results (no segments, no labels; a file
 * for several recordings) or cannot be gone on with; ENG_E_IO when the file cannot be written. A path that exists and is no
 * regular file (/dev/null, a pipe) is written directly. */
eng_status tool_output_open(const tool_output_spec *spec, tool_output **out, eng_error *err);

/* Writes one row; those of a recording come one after the other. Scores or logits that are not finite make it a failed row
 * that says so. ENG_E_IO when it cannot be written (disk full, pipe closed: without a signal). */
eng_status tool_output_write(tool_output *o, const tool_result *result, eng_error *err);

/* How long the recording of `row` is, whose rows were the last that were written: where the tiers of a TextGrid end. */
void tool_output_length(tool_output *o, size_t row, double seconds);

/* How many failed rows there were. */
size_t tool_output_failed_rows(const tool_output *o);

/* Ends the output and gives the file its name; frees o in any case. ENG_E_IO when the file could not be completed. */
eng_status tool_output_close(tool_output *o, eng_error *err);

/* Gives up: FILE.part stays with the rows written so far. Frees o; NULL is fine. */
void tool_output_abandon(tool_output *o);

/* Whether a file of this format has the rows of one recording alone, so that several need a folder. */
bool tool_format_is_alone(tool_format format);

#endif
