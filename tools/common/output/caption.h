/* What the formats of annotations say of a result, for people. All of it is UTF-8 on one line: other bytes become U+FFFD,
 * control characters spaces. */
#ifndef TOOLS_COMMON_OUTPUT_CAPTION_H
#define TOOLS_COMMON_OUTPUT_CAPTION_H

#include "tools/common/output/writer.h"

/* s as said above. NULL is "". */
void tool_caption_clean(tool_text *t, const char *s);

/* "angry 0.81", or "arousal 0.52, dominance 0.41, valence 0.63". */
void tool_caption(const tool_writing *w, const tool_result *r, tool_text *t);

/* Who speaks: the speaker, the channel ("channel 0"), both ("Ann, channel 0"), or nothing. */
void tool_caption_who(const tool_writing *w, const tool_result *r, tool_text *t);

/* A result as annotations, each on a tier of its own: the label and its score, or the values, and the text where results
 * have one. Their number; the name of the tier and the annotation of one of them, with a NUL behind each. The label's tier
 * is called as who speaks, the others "Ann score", "Ann arousal", "Ann text"; without a speaker "emotion", "score", ... */
size_t tool_caption_tiers(const tool_writing *w);
void tool_caption_tier(const tool_writing *w, const tool_result *r, size_t tier, tool_text *name, tool_text *annotation);

/* Seconds in whole milliseconds, the nearest. */
uint64_t tool_caption_ms(double seconds);

#endif
