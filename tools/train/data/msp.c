/* MSP-Podcast as it is distributed: Labels/labels_consensus.csv with the header FileName, EmoClass, EmoAct, EmoVal,
 * EmoDom, SpkrID, Gender, Split_Set, and Audios/. (R. Lotfian, C. Busso: Building naturalistic emotionally balanced
 * speech corpus by retrieving emotional speech from existing podcast recordings, IEEE Trans. Affective Computing,
 * 2019.) */
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tools/train/data/list.h"

static const char codes[TRAIN_MSP_CLASSES + 1] = "ASHUFDCN";

const char *const train_msp_class[TRAIN_MSP_CLASSES] = {"Angry", "Sad",     "Happy",    "Surprise",
                                                        "Fear",  "Disgust", "Contempt", "Neutral"};

static bool is_kind(const char *path, mode_t kind)
{
    struct stat info;
    return stat(path, &info) == 0 && (info.st_mode & S_IFMT) == kind;
}

eng_status train_msp_find(const char *folder, eng_arena *strings, const char **out, eng_error *err)
{
    static const char *const places[] = {"labels_consensus.csv", "Labels/labels_consensus.csv"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        *out = train_list_join(strings, folder, places[i]);
        if (!*out) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", folder);
        if (is_kind(*out, S_IFREG)) return ENG_OK;
    }
    return eng_fail(err, ENG_E_MISSING,
                    "%s: a folder without labels_consensus.csv in it or in its Labels: expected MSP-Podcast, or a list "
                    "(.csv, .tsv)",
                    folder);
}

bool train_msp_header(const tool_table *t)
{
    if (train_list_find(t, "FileName") == TRAIN_NO_COLUMN || train_list_find(t, "Split_Set") == TRAIN_NO_COLUMN)
        return false;
    if (train_list_find(t, "EmoClass") != TRAIN_NO_COLUMN) return true;
    for (size_t c = 0; c < TRAIN_MSP_CLASSES; c++)
        if (train_list_find(t, train_msp_class[c]) == TRAIN_NO_COLUMN) return false;
    return true;
}

eng_status train_msp_audio(const char *list, eng_arena *strings, const char **out, eng_error *err)
{
    static const char *const places[] = {"Audios", "../Audios"};
    const char *slash = strrchr(list, '/');
    size_t length = slash ? (size_t)(slash - list) + 1 : 0;
    char *folder = eng_arena_alloc(strings, length + 1, 1);
    if (!folder) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", list);
    memcpy(folder, list, length);
    folder[length] = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        *out = train_list_join(strings, folder, places[i]);
        if (!*out) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", list);
        if (is_kind(*out, S_IFDIR)) return ENG_OK;
    }
    return eng_fail(err, ENG_E_MISSING, "%s: no folder Audios beside MSP-Podcast's list or one above; name the audio's",
                    list);
}

const char *train_msp_emotion(const char *code)
{
    if (!*code || strcasecmp(code, "X") == 0 || strcasecmp(code, "O") == 0) return "";
    for (size_t c = 0; c < TRAIN_MSP_CLASSES; c++)
        if ((code[0] == codes[c] && !code[1]) || strcasecmp(code, train_msp_class[c]) == 0) return train_msp_class[c];
    return NULL;
}
