/* The readers of the formats. Each gets a set with its path and text, adds the file's segments in their order, and leaves
 * with the first error: ENG_E_FORMAT with file and line, or ENG_E_MEMORY. */
#ifndef TOOLS_COMMON_SEGMENTS_READERS_H
#define TOOLS_COMMON_SEGMENTS_READERS_H

#include "tools/common/segments/segment.h"

/* Columns, whatever the case: file, path or FileName (the recording; without one the file is of one recording); start;
 * end, empty or absent to the end of the recording, or duration; channel, from 0; speaker; text. The others are kept. */
eng_status tool_segments_read_table(tool_segment_set *set, char separator, eng_error *err);

/* NIST's RTTM (RT-09 evaluation plan, appendix A): "SPEAKER file channel start duration <NA> <NA> speaker <NA> <NA>".
 * Lines of its other types are skipped and counted; ";" begins a comment. Channels are counted from 1 there; 0, which
 * Kaldi writes, and <NA> are no channel. */
eng_status tool_segments_read_rttm(tool_segment_set *set, eng_error *err);

/* Audacity's labels: "start TAB end TAB label"; the label is the text. Points (start = end) are skipped and counted, lines
 * that begin with a backslash (the label above's frequencies) skipped. */
eng_status tool_segments_read_labels(tool_segment_set *set, eng_error *err);

/* Praat's TextGrid, long or short. A tier's name is the speaker, an interval without text no segment; points are skipped
 * and counted. */
eng_status tool_segments_read_textgrid(tool_segment_set *set, eng_error *err);

/* WebVTT (webvtt): <v Name> is the speaker, other tags go, as do notes, styles, regions, settings and names of cues. SRT:
 * the numbers may be missing, tags go. Lines of a cue are joined by a space. Text that belongs to no cue is skipped, and
 * counted. */
eng_status tool_segments_read_cues(tool_segment_set *set, bool webvtt, eng_error *err);

#endif
