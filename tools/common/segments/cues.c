/* A cue is a line with "-->" and the lines behind it, up to an empty one or the next cue's times; a line before it may name
 * it. (WebVTT: W3C Candidate Recommendation 4 April 2019, section 6; SRT has no specification but SubRip itself.) */
#include <ctype.h>
#include <string.h>

#include "tools/common/segments/readers.h"
#include "tools/common/segments/text.h"
#include "tools/common/segments/time.h"

typedef struct cue_reader {
    tool_segment_set *set;
    bool webvtt;
    bool open;            /* a cue is: */
    tool_segment cue;     /* its times and line */
    char *text;           /* its lines so far, joined in place; NULL: none */
    char *write;          /* where they end */
    char *before;         /* where they ended before the last one, */
    bool last_is_number;  /* which is digits alone, and may be the next cue's number */
    const char *speaker;  /* the last one that was named; the set's */
} cue_reader;

/* ---- Text ---- */

/* Moves a character reference of WebVTT at *read to *write, which is not behind it; false when there is none. */
static bool take_reference(const char **read, char **write)
{
    static const char *const names[][2] = {{"&amp;", "&"},          {"&lt;", "<"},           {"&gt;", ">"},
                                           {"&quot;", "\""},        {"&apos;", "'"},         {"&nbsp;", "\xC2\xA0"},
                                           {"&lrm;", "\xE2\x80\x8E"}, {"&rlm;", "\xE2\x80\x8F"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i][0]), by = strlen(names[i][1]);
        if (strncmp(*read, names[i][0], n) != 0) continue;
        memcpy(*write, names[i][1], by);
        *read += n;
        *write += by;
        return true;
    }
    return false;
}

static void resolve_references(char *text)
{
    const char *read = text;
    char *write = text;
    while (*read)
        if (*read != '&' || !take_reference(&read, &write)) *write++ = *read++;
    *write = 0;
}

/* The speaker of a voice tag, whose inside is [size]; kept once for cues one after the other. */
static eng_status take_voice(cue_reader *r, const char *tag, size_t size, eng_error *err)
{
    size_t begin = 0;
    while (begin < size && !isspace((unsigned char)tag[begin])) begin++; /* "v", or "v" with classes: "v.loud" */
    while (begin < size && isspace((unsigned char)tag[begin])) begin++;
    char *name = eng_arena_alloc(&r->set->strings, size - begin + 1, 1);
    if (!name) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", r->set->path);
    memcpy(name, tag + begin, size - begin);
    name[size - begin] = 0;
    resolve_references(name);
    name = tool_trim(name);
    if (!r->speaker || strcmp(r->speaker, name) != 0) r->speaker = name;
    r->cue.speaker = r->speaker;
    return ENG_OK;
}

/* How long the tag at text is; 0: it is none, but a character. SRT's are of HTML ("<i>", "</font>") or {\an8}. */
static size_t tag_length(const cue_reader *r, const char *text)
{
    const char *end = NULL;
    if (*text == '<' && (r->webvtt || isalpha((unsigned char)text[1]) || text[1] == '/')) end = strchr(text, '>');
    if (*text == '{' && text[1] == '\\' && !r->webvtt) end = strchr(text, '}');
    return end ? (size_t)(end - text) + 1 : 0;
}

/* Takes the tags out of the cue's text, in place, and the speaker of the first voice tag. */
static eng_status strip_tags(cue_reader *r, eng_error *err)
{
    const char *read = r->text;
    char *write = r->text;
    while (*read) {
        size_t n = tag_length(r, read);
        if (n && r->webvtt && read[1] == 'v' && (read[2] == '.' || isspace((unsigned char)read[2])) && !*r->cue.speaker) {
            eng_status status = take_voice(r, read + 1, n - 2, err);
            if (status) return status;
        }
        read += n;
        if (!n && (*read != '&' || !r->webvtt || !take_reference(&read, &write))) *write++ = *read++;
    }
    *write = 0;
    return ENG_OK;
}

/* ---- Cues ---- */

static eng_status close_cue(cue_reader *r, bool next_follows, eng_error *err)
{
    if (!r->open) return ENG_OK;
    r->open = false;
    if (next_follows && r->text && r->last_is_number) r->write = r->before;
    eng_status status = ENG_OK;
    if (r->text) {
        *r->write = 0;
        status = strip_tags(r, err);
        r->cue.text = tool_trim(r->text);
    }
    return status ? status : tool_segment_set_add(r->set, r->cue, err);
}

static bool parse_times(char *line, char *arrow, tool_segment *cue)
{
    char *end = arrow + 3 + strspn(arrow + 3, " \t");
    *arrow = 0;
    end[strcspn(end, " \t")] = 0; /* settings, coordinates */
    if (!strchr(line, ':') || !strchr(end, ':')) return false;
    return tool_time_parse(line, &cue->start) == TOOL_TIME_OK && tool_time_parse(end, &cue->end) == TOOL_TIME_OK;
}

static eng_status open_cue(cue_reader *r, char *line, char *arrow, size_t number, eng_error *err)
{
    eng_status status = close_cue(r, true, err);
    if (status) return status;
    r->cue = (tool_segment){
        .line = number, .recording = "", .speaker = "", .text = "", .channel = TOOL_SEGMENT_NO_CHANNEL};
    r->text = NULL;
    r->open = true;
    if (parse_times(line, arrow, &r->cue)) return ENG_OK;
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: expected times such as 00:01:02%c500 --> 00:01:04%c000", r->set->path,
                    number, r->webvtt ? '.' : ',', r->webvtt ? '.' : ',');
}

/* Joins a line to the cue's text: it moves up to where the text ends. */
static void add_line(cue_reader *r, char *line)
{
    size_t n = strlen(line);
    if (!r->text) {
        r->text = r->write = line;
    } else {
        *r->write++ = ' ';
    }
    r->before = r->write;
    memmove(r->write, line, n);
    r->last_is_number = n && strspn(line, "0123456789") == n;
    r->write += n;
}

static bool begins_block(const char *line, const char *name)
{
    size_t n = strlen(name);
    return strncmp(line, name, n) == 0 && (!line[n] || line[n] == ' ' || line[n] == '\t');
}

eng_status tool_segments_read_cues(tool_segment_set *set, bool webvtt, eng_error *err)
{
    cue_reader r = {.set = set, .webvtt = webvtt};
    eng_status status = tool_segment_text_utf8(set->path, &set->text, &set->size, &set->latin1, err);
    if (status) return status;
    tool_lines lines = {.at = set->text, .end = set->text + set->size};
    char *line, *arrow;
    bool pass = webvtt;          /* up to the next empty line: the head, notes, styles, regions */
    bool begins = true;          /* a block */
    size_t strays = 0;           /* lines of this block outside a cue: its name, or text that is skipped */
    if (webvtt && (!(line = tool_lines_next(&lines)) || !begins_block(line, "WEBVTT")))
        return eng_fail(err, ENG_E_FORMAT, "%s: line 1: expected WEBVTT", set->path);
    while (!status && (line = tool_lines_next(&lines))) {
        if (!line[strspn(line, " \t")]) {
            status = close_cue(&r, false, err);
            set->skipped += strays > 0;
            strays = 0;
            pass = false;
            begins = true;
            continue;
        }
        if (begins && webvtt)
            pass = pass || begins_block(line, "NOTE") || begins_block(line, "STYLE") || begins_block(line, "REGION");
        begins = false;
        if (pass) continue;
        if ((arrow = strstr(line, "-->"))) {
            status = open_cue(&r, line, arrow, lines.line, err);
            strays = 0;
        } else if (r.open) {
            add_line(&r, line);
        } else {
            strays++;
        }
    }
    set->skipped += strays > 0;
    return status ? status : close_cue(&r, false, err);
}
