/* Text that grows, with what HTML needs; for this folder alone. */
#ifndef TOOLS_TRAIN_REPORT_TEXT_H
#define TOOLS_TRAIN_REPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Begins as {0}; bytes is from eng_grow. After a failure (out of memory) everything else is ignored. */
typedef struct train_text {
    char *bytes;
    size_t size, room;
    bool failed;
} train_text;

void train_text_put(train_text *t, const char *s);

/* As printf; for numbers and markup, at most 1023 bytes at a time (longer is a failure). */
void train_text_format(train_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* s with & < > " ' escaped, so that it is text in an element or in a quoted attribute. Bytes that are not UTF-8, and
 * control characters, which HTML has no place for, become U+FFFD. */
void train_text_escaped(train_text *t, const char *s);

/* The same for the first `most` characters of s, with an ellipsis where that leaves some out. */
void train_text_shortened(train_text *t, const char *s, size_t most);

/* The number of characters in s, as train_text_shortened counts them. */
size_t train_text_length(const char *s);

#endif
