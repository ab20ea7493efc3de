/* A text file of Praat is read as its manual ("TextGrid file formats") says: what counts are texts in quotes, numbers and
 * flags in angle brackets that stand free; everything between them is for people. So the long and the short form are one:
 * "ooTextFile" "TextGrid" xmin xmax <exists> tiers, and for each tier class name xmin xmax intervals, and for each interval
 * xmin xmax text; for each point of a TextTier number and mark. */
#include <string.h>

#include "tools/common/segments/readers.h"
#include "tools/common/segments/text.h"
#include "tools/common/segments/time.h"

typedef enum token_kind { TOKEN_END, TOKEN_TEXT, TOKEN_NUMBER, TOKEN_FLAG, TOKEN_OPEN } token_kind;

typedef struct token {
    token_kind kind; /* TOKEN_OPEN: a text that is never closed */
    char *text;
    size_t line;
} token;

typedef struct scanner {
    tool_segment_set *set;
    char *at, *end; /* at the end stands a NUL */
    size_t line;
} scanner;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The text that begins at a quote, its doubled quotes made single, in place. */
static token take_text(scanner *s)
{
    token t = {TOKEN_TEXT, s->at + 1, s->line};
    char *write = s->at + 1;
    for (s->at++; s->at < s->end; s->at++) {
        if (*s->at == '"') {
            if (s->at[1] != '"') {
                s->at++;
                *write = 0;
                return t;
            }
            s->at++;
        }
        s->line += *s->at == '\n';
        *write++ = *s->at;
    }
    t.kind = TOKEN_OPEN;
    return t;
}

/* To the next text, number or flag that stands free. */
static token take(scanner *s)
{
    for (;;) {
        while (s->at < s->end && is_space(*s->at)) s->line += *s->at++ == '\n';
        if (s->at == s->end) return (token){TOKEN_END, s->at, s->line};
        if (*s->at == '"') return take_text(s);
        if (*s->at == '!') { /* a comment */
            while (s->at < s->end && *s->at != '\n') s->at++;
            continue;
        }
        token t = {TOKEN_NUMBER, s->at, s->line};
        while (s->at < s->end && !is_space(*s->at)) s->at++;
        const char first = *t.text;
        bool number = (first >= '0' && first <= '9') || first == '-' || first == '+';
        if (!number && first != '<') continue;
        if (!number) t.kind = TOKEN_FLAG;
        if (s->at < s->end) { /* ends the word; a line's end that is lost by it is counted here */
            s->line += *s->at == '\n';
            *s->at++ = 0;
        }
        return t;
    }
}

static eng_status expect(scanner *s, token_kind kind, const char *what, token *out, eng_error *err)
{
    *out = take(s);
    if (out->kind == kind) return ENG_OK;
    const char *path = s->set->path;
    if (out->kind == TOKEN_OPEN)
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: a text whose quote is never closed", path, out->line);
    if (out->kind == TOKEN_END)
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: the file ends where %s was expected", path, out->line, what);
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: expected %s, found '%.40s'", path, out->line, what, out->text);
}

static eng_status expect_number(scanner *s, const char *what, double *value, size_t *line, eng_error *err)
{
    token t;
    eng_status status = expect(s, TOKEN_NUMBER, what, &t, err);
    if (status) return status;
    if (line) *line = t.line;
    tool_time found = strpbrk(t.text, ":,") ? TOOL_TIME_BAD : tool_time_parse(t.text, value);
    if (found == TOOL_TIME_OK) return ENG_OK;
    if (found == TOOL_TIME_NEGATIVE && !line) { /* the bounds of a grid or tier may be anything */
        *value = 0;
        return ENG_OK;
    }
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: %s: expected a number%s, found '%.40s'", s->set->path, t.line, what,
                    found == TOOL_TIME_NEGATIVE ? " that is not negative" : "", t.text);
}

static eng_status read_interval(scanner *s, const char *tier, eng_error *err)
{
    tool_segment g = {.recording = "", .speaker = tier, .channel = TOOL_SEGMENT_NO_CHANNEL};
    token text;
    size_t end_line;
    eng_status status = expect_number(s, "an interval's start", &g.start, &g.line, err);
    if (!status) status = expect_number(s, "an interval's end", &g.end, &end_line, err);
    if (!status) status = expect(s, TOKEN_TEXT, "an interval's text", &text, err);
    if (status) return status;
    g.text = tool_trim(text.text);
    return g.text[strspn(g.text, " \t\r\n")] ? tool_segment_set_add(s->set, g, err) : ENG_OK;
}

static eng_status read_tier(scanner *s, eng_error *err)
{
    token class, name, mark;
    double from, to, count, at;
    size_t line;
    eng_status status = expect(s, TOKEN_TEXT, "a tier's class", &class, err);
    if (status) return status;
    const bool intervals = strcmp(class.text, "IntervalTier") == 0;
    if (!intervals && strcmp(class.text, "TextTier") != 0)
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: expected a tier, IntervalTier or TextTier, found '%.40s'",
                        s->set->path, class.line, class.text);
    status = expect(s, TOKEN_TEXT, "a tier's name", &name, err);
    if (!status) status = expect_number(s, "a tier's start", &from, NULL, err);
    if (!status) status = expect_number(s, "a tier's end", &to, NULL, err);
    if (!status) status = expect_number(s, "a number of intervals", &count, NULL, err);
    for (double i = 0; !status && i < count; i++) {
        if (intervals) {
            status = read_interval(s, name.text, err);
            continue;
        }
        status = expect_number(s, "a point's time", &at, &line, err);
        if (!status) status = expect(s, TOKEN_TEXT, "a point's mark", &mark, err);
        s->set->skipped++;
    }
    return status;
}

eng_status tool_segments_read_textgrid(tool_segment_set *set, eng_error *err)
{
    token kind, class, exists;
    double from, to, tiers = 0;
    eng_status status = tool_segment_text_utf8(set->path, &set->text, &set->size, &set->latin1, err);
    scanner s = {set, set->text, set->text + set->size, 1};
    if (!status) status = expect(&s, TOKEN_TEXT, "\"ooTextFile\"", &kind, err);
    if (!status) status = expect(&s, TOKEN_TEXT, "\"TextGrid\"", &class, err);
    if (status) return status;
    if (strncmp(kind.text, "ooTextFile", 10) != 0 || strcmp(class.text, "TextGrid") != 0)
        return eng_fail(err, ENG_E_FORMAT, "%s: expected \"ooTextFile\" and \"TextGrid\", found '%.40s' and '%.40s'", set->path,
                        kind.text, class.text);
    status = expect_number(&s, "the grid's start", &from, NULL, err);
    if (!status) status = expect_number(&s, "the grid's end", &to, NULL, err);
    if (!status) status = expect(&s, TOKEN_FLAG, "<exists>", &exists, err);
    if (!status && strcmp(exists.text, "<exists>") != 0) return ENG_OK; /* <absent>: no tiers */
    if (!status) status = expect_number(&s, "a number of tiers", &tiers, NULL, err);
    for (double i = 0; !status && i < tiers; i++) status = read_tier(&s, err);
    return status;
}
