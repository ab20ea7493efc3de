/* Strict JSON (RFC 8259) into a tree of values. Beyond the standard: NaN, Infinity and -Infinity as Python's json
 * module writes them. Stricter than most: a key may occur once, text is valid UTF-8 and holds no NUL, at most 64
 * levels.
 *
 * Memory: 64 bytes a value and one byte a byte of text, so a hostile document costs at most a small multiple of its
 * own size. Items of the lists and dicts that are still open wait on one stack and move to the arena when they close.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weights/doc.h"

enum { MAX_DEPTH = 64, MAX_NUMBER = 1000, MAX_FILE = 256 << 20 };

typedef struct parser {
    const char *name;
    const char *text;
    size_t length, at;
    wts_doc *doc;
    char *strings;    /* decoded texts: never longer than the document */
    size_t string_at;
    wts_member *open; /* members (items: without a key) of the open dicts and lists */
    size_t open_count, open_size;
    size_t depth;
    locale_t locale;  /* "C": the decimal point must not depend on the program's */
    eng_error *err;
} parser;

static void locate(const parser *p, size_t at, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at && i < p->length; i++, ++*column)
        if (p->text[i] == '\n') {
            ++*line;
            *column = 0;
        }
}

static eng_status fail_at(parser *p, size_t at, const char *what)
{
    size_t line, column;
    locate(p, at, &line, &column);
    return eng_fail(p->err, ENG_E_FORMAT, "%s: line %zu, column %zu: %s", p->name, line, column, what);
}

static eng_status fail_duplicate(parser *p, size_t at, const char *key)
{
    size_t line, column;
    locate(p, at, &line, &column);
    return eng_fail(p->err, ENG_E_FORMAT, "%s: line %zu, column %zu: key \"%.200s\" occurs twice in this object",
                    p->name, line, column, key);
}

static eng_status fail_memory(parser *p)
{
    return eng_fail(p->err, ENG_E_MEMORY, "%s: out of memory while reading JSON", p->name);
}

static void skip_space(parser *p)
{
    while (p->at < p->length && strchr(" \t\n\r", p->text[p->at]) && p->text[p->at]) p->at++;
}

/* The next character, or NUL at the end. */
static char peek(const parser *p)
{
    return p->at < p->length ? p->text[p->at] : '\0';
}

static bool take(parser *p, const char *word)
{
    size_t n = strlen(word);
    if (p->length - p->at < n || memcmp(p->text + p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

/* ---- Strings ---- */

static bool read_hex4(parser *p, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        char c = peek(p);
        unsigned digit;
        if (c >= '0' && c <= '9') digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f') digit = (unsigned)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F') digit = (unsigned)(c - 'A') + 10;
        else return false;
        *unit = *unit * 16 + digit;
    }
    return true;
}

static void put_utf8(parser *p, unsigned code)
{
    char *out = p->strings + p->string_at;
    if (code < 0x80) {
        out[0] = (char)code;
        p->string_at += 1;
    } else if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        p->string_at += 2;
    } else if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        p->string_at += 3;
    } else {
        out[0] = (char)(0xF0 | code >> 18);
        out[1] = (char)(0x80 | (code >> 12 & 0x3F));
        out[2] = (char)(0x80 | (code >> 6 & 0x3F));
        out[3] = (char)(0x80 | (code & 0x3F));
        p->string_at += 4;
    }
}

/* Behind a backslash. */
static eng_status read_escape(parser *p)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t start = p->at - 1;
    char c = peek(p);
    const char *named = c ? strchr(letters, c) : NULL;
    if (named) {
        p->at++;
        put_utf8(p, (unsigned char)meanings[named - letters]);
        return ENG_OK;
    }
    if (c != 'u') return fail_at(p, start, "an unknown escape in a string");
    p->at++;
    unsigned code, low;
    if (!read_hex4(p, &code)) return fail_at(p, start, "\\u without four hexadecimal digits");
    if (code == 0) return fail_at(p, start, "a NUL inside a string");
    if (code >= 0xDC00 && code <= 0xDFFF) return fail_at(p, start, "a lone surrogate in a string");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (!take(p, "\\u") || !read_hex4(p, &low) || low < 0xDC00 || low > 0xDFFF)
            return fail_at(p, start, "a lone surrogate in a string");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    put_utf8(p, code);
    return ENG_OK;
}

/* At the opening quote. */
static eng_status read_string(parser *p, const char **text)
{
    size_t start = p->at++;
    *text = p->strings + p->string_at;
    for (;;) {
        if (p->at >= p->length) return fail_at(p, start, "a string that does not end");
        char c = p->text[p->at];
        if (c == '"') break;
        if (c == '\\') {
            p->at++;
            eng_status status = read_escape(p);
            if (status != ENG_OK) return status;
            continue;
        }
        if ((unsigned char)c < 0x20) return fail_at(p, p->at, "a control character inside a string");
        size_t step = wts_utf8_step(p->text + p->at, p->length - p->at);
        if (step == 0) return fail_at(p, p->at, "invalid UTF-8 in a string");
        memcpy(p->strings + p->string_at, p->text + p->at, step);
        p->string_at += step;
        p->at += step;
    }
    p->at++;
    p->strings[p->string_at++] = '\0';
    return ENG_OK;
}

/* ---- Numbers ---- */

static size_t skip_digits(parser *p)
{
    size_t start = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') p->at++;
    return p->at - start;
}

static void set_float(wts_value *v, double number)
{
    v->kind = WTS_FLOAT;
    v->number = number;
}

static double to_double(parser *p, const char *literal)
{
    locale_t before = uselocale(p->locale);
    double number = strtod(literal, NULL);
    uselocale(before);
    return number;
}

static eng_status read_number(parser *p, wts_value *v)
{
    size_t start = p->at;
    bool negative = take(p, "-"), whole = true;
    if (negative && take(p, "Infinity")) {
        set_float(v, -INFINITY);
        return ENG_OK;
    }
    bool zero = peek(p) == '0';
    size_t digits = skip_digits(p);
    if (digits == 0) return fail_at(p, start, "a value was expected here");
    if (zero && digits > 1) return fail_at(p, start, "a number with leading zeros");
    if (take(p, ".")) {
        whole = false;
        if (skip_digits(p) == 0) return fail_at(p, start, "a number without digits behind the point");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        whole = false;
        p->at++;
        if (peek(p) == '+' || peek(p) == '-') p->at++;
        if (skip_digits(p) == 0) return fail_at(p, start, "a number without digits in its exponent");
    }
    size_t length = p->at - start;
    if (length > MAX_NUMBER) return fail_at(p, start, "a number of more than 1000 characters");
    char literal[MAX_NUMBER + 1];
    memcpy(literal, p->text + start, length);
    literal[length] = '\0';
    set_float(v, to_double(p, literal));
    if (!whole) return ENG_OK;
    errno = 0;
    long long integer = strtoll(literal, NULL, 10);
    if (errno == 0) { /* else beyond int64: stays a float */
        v->kind = WTS_INT;
        v->integer = integer;
    }
    return ENG_OK;
}

/* ---- Lists and dicts ---- */

static eng_status push_open(parser *p, const wts_member *member)
{
    if (p->open_count == p->open_size) {
        size_t size = p->open_size ? 2 * p->open_size : 64;
        wts_member *grown = eng_grow(p->open, p->open_count, size, sizeof *grown);
        if (!grown) return fail_memory(p);
        p->open = grown;
        p->open_size = size;
    }
    p->open[p->open_count++] = *member;
    return ENG_OK;
}

/* Moves the list's items, open[first...], to the arena. */
static eng_status close_list(parser *p, size_t first, wts_value *v)
{
    size_t count = p->open_count - first;
    wts_value *items = eng_arena_alloc(&p->doc->arena, count, sizeof *items);
    if (!items) return fail_memory(p);
    for (size_t i = 0; i < count; i++) items[i] = p->open[first + i].value;
    p->open_count = first;
    v->kind = WTS_LIST;
    v->count = count;
    v->items = items;
    return ENG_OK;
}

/* Moves the dict's members, open[first...], to the arena. start: where the dict began, for messages. */
static eng_status close_dict(parser *p, size_t first, size_t start, wts_value *v)
{
    size_t count = p->open_count - first;
    const char *duplicate;
    const wts_member *found = count ? p->open + first : NULL; /* p->open is NULL as long as nothing was read */
    if (!wts_doc_find_duplicate(found, count, &duplicate)) return fail_memory(p);
    if (duplicate) return fail_duplicate(p, start, duplicate);
    wts_member *members = eng_arena_alloc(&p->doc->arena, count, sizeof *members);
    if (!members) return fail_memory(p);
    if (count) memcpy(members, found, count * sizeof *members);
    p->open_count = first;
    v->kind = WTS_DICT;
    v->count = count;
    v->members = members;
    return ENG_OK;
}

static eng_status read_value(parser *p, wts_value *v);

/* Reads what stands between the brackets; closing is ']' or '}'. */
static eng_status read_items(parser *p, char closing, size_t start)
{
    bool dict = closing == '}';
    skip_space(p);
    if (peek(p) == closing) {
        p->at++;
        return ENG_OK;
    }
    for (;;) {
        wts_member member = {0};
        eng_status status;
        skip_space(p);
        if (dict) {
            if (peek(p) != '"') return fail_at(p, p->at, "a key in double quotes was expected here");
            if ((status = read_string(p, &member.key)) != ENG_OK) return status;
            skip_space(p);
            if (!take(p, ":")) return fail_at(p, p->at, "':' was expected here");
        }
        if ((status = read_value(p, &member.value)) != ENG_OK) return status;
        if ((status = push_open(p, &member)) != ENG_OK) return status;
        skip_space(p);
        char c = peek(p);
        if (c == closing || c == ',') p->at++;
        if (c == closing) return ENG_OK;
        if (p->at >= p->length)
            return fail_at(p, start, dict ? "an object that does not end" : "a list that does not end");
        if (c != ',') return fail_at(p, p->at, dict ? "',' or '}' was expected here" : "',' or ']' was expected here");
    }
}

static eng_status read_container(parser *p, wts_value *v)
{
    size_t start = p->at, first = p->open_count;
    bool dict = peek(p) == '{';
    if (p->depth == MAX_DEPTH) return fail_at(p, start, "more than 64 levels of lists and objects");
    p->depth++;
    p->at++;
    eng_status status = read_items(p, dict ? '}' : ']', start);
    if (status != ENG_OK) return status;
    p->depth--;
    return dict ? close_dict(p, first, start, v) : close_list(p, first, v);
}

static eng_status read_value(parser *p, wts_value *v)
{
    *v = (wts_value){0};
    skip_space(p);
    if (p->at >= p->length) return fail_at(p, p->at, "the document ends where a value was expected");
    switch (peek(p)) {
    case '{':
    case '[': return read_container(p, v);
    case '"': v->kind = WTS_STRING; return read_string(p, &v->text);
    default: break;
    }
    if (take(p, "null")) return ENG_OK;
    if (take(p, "true")) {
        v->kind = WTS_BOOL;
        v->boolean = true;
    } else if (take(p, "false")) {
        v->kind = WTS_BOOL;
    } else if (take(p, "NaN")) {
        set_float(v, NAN);
    } else if (take(p, "Infinity")) {
        set_float(v, INFINITY);
    } else {
        return read_number(p, v);
    }
    return ENG_OK;
}

static eng_status parse_document(parser *p)
{
    eng_status status = read_value(p, &p->doc->root);
    if (status != ENG_OK) return status;
    skip_space(p);
    if (p->at < p->length) return fail_at(p, p->at, "something follows the end of the document");
    return ENG_OK;
}

eng_status wts_json_parse(const char *name, const char *text, size_t length, wts_doc **doc, eng_error *err)
{
    parser p = {.name = name, .text = text, .length = length, .err = err};
    *doc = NULL;
    p.doc = wts_doc_new();
    p.strings = p.doc ? eng_arena_alloc(&p.doc->arena, length, 1) : NULL;
    p.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    eng_status status = p.strings && p.locale ? parse_document(&p) : fail_memory(&p);
    if (p.locale) freelocale(p.locale);
    eng_free(p.open);
    if (status == ENG_OK) *doc = p.doc;
    else wts_doc_free(p.doc);
    return status;
}

/* ---- Files ---- */

static eng_status read_whole(int fd, const char *path, char *text, size_t size, eng_error *err)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, text + at, size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0) return eng_fail(err, ENG_E_IO, "%s: became shorter while it was read", path);
        at += (size_t)n;
    }
    return ENG_OK;
}

static eng_status read_open_file(int fd, const char *path, wts_doc **doc, eng_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return eng_fail(err, ENG_E_IO, "%s: cannot stat: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return eng_fail(err, ENG_E_IO, "%s: not a regular file", path);
    if (info.st_size > MAX_FILE)
        return eng_fail(err, ENG_E_UNSUPPORTED, "%s: a JSON file of %lld bytes (at most 256 MiB are read)", path,
                        (long long)info.st_size);
    size_t size = (size_t)info.st_size;
    char *text = eng_alloc(size, 1);
    if (!text) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu bytes", path, size);
    eng_status status = read_whole(fd, path, text, size, err);
    if (status == ENG_OK) status = wts_json_parse(path, text, size, doc, err);
    eng_free(text);
    return status;
}

eng_status wts_json_read(const char *path, wts_doc **doc, eng_error *err)
{
    *doc = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return eng_fail(err, errno == ENOENT ? ENG_E_MISSING : ENG_E_IO, "%s: cannot open: %s", path, strerror(errno));
    eng_status status = read_open_file(fd, path, doc, err);
    close(fd);
    return status;
}
