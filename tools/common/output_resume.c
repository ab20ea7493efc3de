#include "tools/common/output_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tools/common/output/writer.h"
#include "tools/common/part_file.h"
#include "weights/value.h"

enum { BLOCK = 1 << 16, MOST_NAME = 1 << 20 }; /* bytes of a row's file, quoted */

static const char json_begin[] = "{\"file\": ";
/* Ours alone: inside a string a quote has a backslash before it. */
static const char json_error[] = ", \"error\": \"";

typedef enum cell_state { CELL_BEGINS, CELL_PLAIN, CELL_QUOTED, CELL_CLOSED } cell_state;

typedef struct reader {
    tool_format format;
    const char *path;
    int fd;
    char *block;
    size_t at, size;  /* in the block */
    uint64_t offset;  /* of the next byte in the file */
    size_t line;      /* of the next byte */
    tool_text name;   /* the row's first cell; of JSON the line's beginning */
    size_t cells, begun_line, bytes; /* of the row */
    bool last_empty;  /* the row's last cell */
    size_t matched;   /* of json_error */
    bool bad;         /* the row is none of these results; only told of a whole one, as a torn one is cut off */
    char last;        /* the row's last byte */
} reader;

static eng_status next_block(reader *r, eng_error *err)
{
    for (;;) {
        ssize_t n = read(r->fd, r->block, BLOCK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", r->path, strerror(errno));
        r->at = 0;
        r->size = (size_t)n;
        return ENG_OK;
    }
}

/* Keeps a byte of the row's name; a longer one than any file's is refused. */
static eng_status keep_byte(reader *r, char c, eng_error *err)
{
    tool_text_bytes(&r->name, &c, 1);
    if (r->name.failed) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory at line %zu", r->path, r->line);
    if (r->name.size < MOST_NAME) return ENG_OK;
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: expected a row of results, found a name of more than 1 MiB", r->path,
                    r->begun_line);
}

/* One byte of a CSV or TSV row, which is no row's end. */
static eng_status take_cell_byte(reader *r, cell_state *state, char c, eng_error *err)
{
    const char separator = r->format == TOOL_TSV ? '\t' : ',';
    const bool quotes = r->format == TOOL_CSV;
    if (*state != CELL_QUOTED && c == separator) {
        r->cells++;
        r->last_empty = true;
        *state = CELL_BEGINS;
        return ENG_OK;
    }
    if (quotes && *state == CELL_BEGINS && c == '"') {
        *state = CELL_QUOTED;
        return ENG_OK;
    }
    if (*state == CELL_QUOTED && c == '"') {
        *state = CELL_CLOSED;
        return ENG_OK;
    }
    if (*state == CELL_CLOSED) *state = c == '"' ? CELL_QUOTED : CELL_PLAIN;
    else if (*state == CELL_BEGINS) *state = CELL_PLAIN;
    r->last_empty = false;
    return r->cells == 1 ? keep_byte(r, c, err) : ENG_OK;
}

/* One byte of a JSON line: its beginning, the name, is kept; the rest is searched for an error. */
static eng_status take_json_byte(reader *r, cell_state *state, char c, eng_error *err)
{
    if (r->matched < sizeof json_error - 1) r->matched = c == json_error[r->matched] ? r->matched + 1 : c == json_error[0];
    if (*state == CELL_CLOSED) return ENG_OK;
    const size_t size = r->name.size, begin = sizeof json_begin - 1;
    if (size < begin ? c != json_begin[size] : size == begin && c != '"') r->bad = true;
    if (r->bad) return ENG_OK;
    if (size > begin && *state == CELL_BEGINS && c == '"') *state = CELL_CLOSED;
    else if (size > begin) *state = *state == CELL_BEGINS && c == '\\' ? CELL_QUOTED : CELL_BEGINS; /* behind a backslash */
    return keep_byte(r, c, err);
}

/* Takes a row; *whole: up to its line's end, which the file may lack. *empty: at the end of the file. */
static eng_status take_row(reader *r, bool *whole, bool *empty, eng_error *err)
{
    cell_state state = CELL_BEGINS;
    r->name.size = 0;
    r->cells = 1;
    r->bytes = r->matched = 0;
    r->last_empty = true;
    r->bad = *whole = *empty = false;
    r->begun_line = r->line;
    r->last = 0;
    for (;;) {
        if (r->at == r->size) {
            eng_status status = next_block(r, err);
            if (status) return status;
            *empty = !r->bytes;
            if (!r->size) return ENG_OK;
            *empty = false;
        }
        char c = r->block[r->at++];
        r->offset++;
        r->bytes++;
        r->line += c == '\n';
        if (c == '\n' && (r->format != TOOL_CSV || state != CELL_QUOTED)) break;
        r->last = c;
        eng_status status =
            r->format == TOOL_JSONL ? take_json_byte(r, &state, c, err) : take_cell_byte(r, &state, c, err);
        if (status) return status;
    }
    *whole = true;
    return ENG_OK;
}

/* The row's file, in r->name, a string; the escapes that its format has are resolved. */
static eng_status resolve_name(reader *r, eng_error *err)
{
    tool_text *t = &r->name;
    if (r->format == TOOL_JSONL) {
        wts_doc *doc;
        const size_t begin = sizeof json_begin - 1;
        if (r->bad || t->size <= begin || r->last != '}')
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: expected a row of results, %s\"...}", r->path, r->begun_line,
                            json_begin);
        eng_status status = wts_json_parse(r->path, t->bytes + begin, t->size - begin, &doc, err);
        if (status) return eng_fail(err, status, "%s: line %zu: expected a row of results", r->path, r->begun_line);
        const wts_value *root = wts_doc_root(doc);
        t->size = 0;
        tool_text_bytes(t, root->text, strlen(root->text) + 1);
        wts_doc_free(doc);
    } else {
        size_t n = 0;
        for (size_t i = 0; i < t->size; i++) {
            char c = t->bytes[i];
            if (r->format == TOOL_TSV && c == '\\' && i + 1 < t->size) {
                c = t->bytes[++i];
                c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
            }
            t->bytes[n++] = c;
        }
        t->size = n;
        if (memchr(t->bytes ? t->bytes : "", 0, n))
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: NUL byte, expected text", r->path, r->begun_line);
        tool_text_bytes(t, "", 1);
    }
    return t->failed ? eng_fail(err, ENG_E_MEMORY, "%s: out of memory", r->path) : ENG_OK;
}

/* Checks the file's header against the one that the spec writes; *header: its bytes, 0 where the file ends within it. */
static eng_status check_header(reader *r, tool_writing *w, size_t *header, eng_error *err)
{
    *header = 0;
    if (r->format == TOOL_JSONL) return ENG_OK;
    tool_writer_of(r->format)->begin(w);
    if (w->text.failed) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", r->path);
    r->cells = 1;
    if (w->spec.no_header) return ENG_OK;
    const size_t size = w->text.size;
    char *found = eng_alloc(size, 1);
    if (!found) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", r->path);
    size_t n = 0;
    eng_status status = ENG_OK;
    for (; n < size && !status; n++) {
        if (r->at == r->size) status = next_block(r, err);
        if (status || !r->size) break;
        found[n] = r->block[r->at++];
        r->line += found[n] == '\n';
    }
    r->offset = n;
    size_t shown = 0;
    while (shown < n && found[shown] != '\n') shown++;
    if (!status && memcmp(found, w->text.bytes, n) != 0)
        status = eng_fail(err, ENG_E_MISMATCH,
                          "%s: its rows are those of other options, model or list: this run's header is '%.*s', found '%.*s'",
                          r->path, (int)(size - 1 < 400 ? size - 1 : 400), w->text.bytes, (int)(shown < 400 ? shown : 400),
                          found);
    if (!status && n == size) *header = size;
    eng_free(found);
    return status;
}

static size_t count_cells(const tool_output_spec *spec)
{
    return 2 + spec->channels + 2 * (size_t)spec->segments + spec->speakers + spec->texts +
           (spec->class_count && !spec->values ? 2 : 0) + spec->class_count * (spec->logits ? 2 : 1) + spec->list->column_count;
}

static eng_status read_rows(reader *r, const tool_output_spec *spec,
                            eng_status (*row)(void *, const tool_resume_row *, eng_error *), void *arg, tool_resume *out,
                            eng_error *err)
{
    const size_t cells = count_cells(spec);
    for (;;) {
        bool whole, empty;
        tool_resume_row found = {.offset = r->offset};
        eng_status status = take_row(r, &whole, &empty, err);
        if (status || empty) return status;
        if (!whole) {
            out->torn = true;
            return ENG_OK;
        }
        if (r->format != TOOL_JSONL && r->cells != cells)
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: expected a row of %zu cells, found %zu", r->path, r->begun_line,
                            cells, r->cells);
        status = resolve_name(r, err);
        if (status) return status;
        found.file = r->name.bytes;
        found.failed = r->format == TOOL_JSONL ? r->matched == sizeof json_error - 1 : !r->last_empty;
        out->rows++;
        out->keep = r->offset;
        status = row ? row(arg, &found, err) : ENG_OK;
        if (status) return status;
    }
}

/* Opens FILE.part or FILE, whichever has more; *fd -1: neither is there. */
static eng_status open_earlier(const tool_part_file *f, int *fd, const char **path, bool *complete, eng_error *err)
{
    struct stat part, final;
    const bool has_part = stat(f->part, &part) == 0, has_final = stat(f->final, &final) == 0;
    *fd = -1;
    if (!has_part && !has_final) return ENG_OK;
    *complete = !has_part || (has_final && final.st_size > part.st_size);
    *path = *complete ? f->final : f->part;
    *fd = open(*path, O_RDONLY | O_CLOEXEC);
    return *fd < 0 ? eng_fail(err, ENG_E_IO, "%s: cannot open: %s", *path, strerror(errno)) : ENG_OK;
}

static eng_status read_earlier(reader *r, const tool_output_spec *spec,
                               eng_status (*row)(void *, const tool_resume_row *, eng_error *), void *arg, tool_resume *out,
                               eng_error *err)
{
    tool_writing w;
    size_t header;
    r->block = eng_alloc(BLOCK, 1);
    eng_status status = tool_writing_init(&w, spec, err);
    if (!status && !r->block) status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", r->path);
    if (!status) status = check_header(r, &w, &header, err);
    if (!status) out->keep = header;
    if (!status && r->format != TOOL_JSONL && !spec->no_header && !header)
        out->torn = r->offset > 0; /* within the header */
    else if (!status)
        status = read_rows(r, spec, row, arg, out, err);
    tool_writing_fini(&w);
    eng_free(r->block);
    eng_free(r->name.bytes);
    return status;
}

eng_status tool_output_resume(const tool_output_spec *spec,
                              eng_status (*row)(void *arg, const tool_resume_row *row, eng_error *err), void *arg,
                              tool_resume *out, eng_error *err)
{
    *out = (tool_resume){0};
    if (spec->format > TOOL_JSONL)
        return eng_fail(err, ENG_E_USAGE, "results can be gone on with in csv, tsv and jsonl alone");
    tool_part_file f;
    reader r = {.format = spec->format, .fd = -1, .line = 1};
    eng_status status = tool_part_file_name(&f, spec->path, err);
    if (!status && !f.part) status = eng_fail(err, ENG_E_USAGE, "%s: is no file that could be gone on with", f.name);
    if (!status) status = open_earlier(&f, &r.fd, &r.path, &out->complete, err);
    if (r.fd >= 0) {
        status = read_earlier(&r, spec, row, arg, out, err);
        close(r.fd);
    }
    tool_part_file_abandon(&f);
    return status;
}

bool tool_resume_is_of(tool_format format, const char *written, const char *file)
{
    if (format != TOOL_JSONL || strcmp(written, file) == 0) return strcmp(written, file) == 0;
    tool_text a = {0}, b = {0};
    tool_text_json(&a, written);
    tool_text_json(&b, file);
    bool same = !a.failed && !b.failed && a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
    eng_free(a.bytes);
    eng_free(b.bytes);
    return same;
}
