#include "tests/support/report_files.h"

#include <stdio.h>

#include "tests/support/files.h"
#include "tests/support/support.h"

const char report_classes[] =
    "{\"step\":2,\"epoch\":1,\"split\":\"dev\",\"loss\":1.5,\"macro_f1\":0.3125,\"accuracy\":0.35,\"uar\":0.33,"
    "\"classes\":[\"anger\",\"happy\",\"sad\"],\"precision\":[0.5,0.25,0],\"recall\":[1,0.125,0],"
    "\"f1\":[0.667,0.167,0],\"confusion\":[[17,1,2],[4,5,31],[0,0,0]],\"count\":60,\"best\":true}\n";

report_files report_files_new(const char *text, size_t size)
{
    report_files f = {.folder = support_temporary()};
    snprintf(f.metrics, sizeof f.metrics, "%s/metrics.jsonl", f.folder);
    snprintf(f.page, sizeof f.page, "%s/report.html", f.folder);
    bytes b = {0};
    bytes_add(&b, text, size);
    bytes_write(&b, f.metrics);
    bytes_free(&b);
    return f;
}
