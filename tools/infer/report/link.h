/* Where the page finds a recording: a relative reference (RFC 3986), so that page and recordings can move together. */
#ifndef TOOLS_INFER_REPORT_LINK_H
#define TOOLS_INFER_REPORT_LINK_H

#include "engine/error.h"
#include "tools/common/text.h"

/* Appends the way from the folder of the page to file, percent-encoded byte by byte. Links among the folders are
 * followed, the file's own name is kept. page: as it was given; NULL or "-": the working directory. Errors: ENG_E_IO when
 * there is no such folder. Running out of memory is t's failure. */
eng_status infer_report_link(tool_text *t, const char *page, const char *file, eng_error *err);

#endif
