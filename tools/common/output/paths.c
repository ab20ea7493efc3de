#include "tools/common/output/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"

size_t tool_paths_common(const tool_list *list)
{
    if (!list->row_count) return 0;
    const char *first = list->rows[0].file;
    size_t common = 0;
    for (size_t i = 0; first[i]; i++)
        if (first[i] == '/') common = i + 1;
    for (size_t r = 1; r < list->row_count && common; r++) {
        const char *file = list->rows[r].file;
        size_t i = 0, folders = 0;
        for (; i < common && file[i] == first[i]; i++)
            if (file[i] == '/') folders = i + 1;
        common = folders;
    }
    return common;
}

void tool_paths_name(const tool_list *list, size_t row, size_t common, const char *ending, tool_text *out)
{
    const char *p = list->rows[row].file;
    if (strcmp(p, "-") == 0) p = "stdin";
    else p += common;
    const char *slash = strrchr(p, '/'), *last = slash ? slash + 1 : p, *dot = strrchr(last, '.');
    const char *end = dot && dot != last ? dot : p + strlen(p);
    bool parted = false;
    while (p < end) {
        size_t n = strcspn(p, "/");
        if (p + n > end) n = (size_t)(end - p);
        bool dots = n == 2 && memcmp(p, "..", 2) == 0;
        if (n && !(n == 1 && *p == '.')) {
            if (parted) tool_text_string(out, "/");
            tool_text_bytes(out, dots ? "__" : p, n);
            parted = true;
        }
        p += n;
        if (p < end) p++;
    }
    tool_text_string(out, ".");
    tool_text_string(out, ending);
}

typedef struct named_row {
    const char *name;
    size_t offset, row;
} named_row;

static int by_name(const void *a, const void *b)
{
    const named_row *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

eng_status tool_paths_check(const tool_output_spec *spec, size_t common, bool stems, const char *ending, eng_error *err)
{
    const tool_list *list = spec->list;
    tool_text names = {0};
    char stem[1024];
    named_row *rows = eng_alloc(list->row_count, sizeof *rows);
    for (size_t i = 0; rows && i < list->row_count; i++) {
        rows[i] = (named_row){.offset = names.size, .row = i};
        if (stems) {
            tool_stem(list->rows[i].file, stem, sizeof stem);
            tool_text_string(&names, stem);
        } else {
            tool_paths_name(list, i, common, ending, &names);
        }
        tool_text_bytes(&names, "", 1);
    }
    eng_status status = ENG_OK;
    if (!rows || names.failed) status = eng_fail(err, ENG_E_MEMORY, "out of memory for the names of results");
    for (size_t i = 0; !status && i < list->row_count; i++) rows[i].name = names.bytes + rows[i].offset;
    if (!status) qsort(rows, list->row_count, sizeof *rows, by_name);
    for (size_t i = 1; !status && i < list->row_count; i++) {
        size_t a = rows[i - 1].row, b = rows[i].row;
        bool same = spec->listed && tool_list_same_file(list, a, b);
        if (strcmp(rows[i - 1].name, rows[i].name) != 0 || (same && b == a + 1)) continue;
        if (same)
            status = eng_fail(err, ENG_E_MISMATCH, "%s: its rows are not one after the other in the list, which this format needs",
                              list->rows[a].file);
        else
            status = eng_fail(err, ENG_E_MISMATCH, "%s and %s: both would be called %s in the results",
                              list->rows[a].file, list->rows[b].file, rows[i].name);
    }
    eng_free(rows);
    eng_free(names.bytes);
    return status;
}

eng_status tool_paths_make(const char *path, eng_error *err)
{
    char *folder = eng_strdup(path);
    if (!folder) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    eng_status status = ENG_OK;
    for (char *slash = strchr(folder + (*folder == '/'), '/'); slash && !status; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        struct stat info;
        if (mkdir(folder, 0777) != 0 && (errno != EEXIST || (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode))))
            status = eng_fail(err, ENG_E_IO, "%s: cannot make this folder: %s", folder,
                              strerror(errno == EEXIST ? ENOTDIR : errno));
        *slash = '/';
    }
    eng_free(folder);
    return status;
}
