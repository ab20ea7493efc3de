/* libFuzzer target: files of segments (tests/fuzz/fuzz.sh). The first byte chooses the format, as a name's ending would. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/segments/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"fuzz", "fuzz.csv", "fuzz.tsv", "fuzz.rttm", "fuzz.txt",
                                        "fuzz.TextGrid", "fuzz.vtt", "fuzz.srt"};
    if (!size) return 0;
    tool_segment_set set;
    eng_error err;
    char *text = eng_alloc(size, 1);
    if (!text) return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (tool_segment_set_parse(names[data[0] % 8], text, size - 1, &set, &err) != ENG_OK) {
        if (!strstr(err.message, "fuzz")) abort();
    } else {
        for (size_t i = 0; i < set.count; i++) {
            const tool_segment *s = &set.segments[i];
            if (!(s->start >= 0 && (s->end > s->start || s->end == TOOL_SEGMENT_TO_END))) abort();
            if (strlen(s->text) + strlen(s->speaker) + strlen(s->recording) > 4 * size) abort();
        }
    }
    tool_segment_set_fini(&set);
    return 0;
}
