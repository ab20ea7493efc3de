/* What the tests of engine and model share: the tier under test, a context to run ops in, paths of test data. */
#ifndef TESTS_SUPPORT_SUPPORT_H
#define TESTS_SUPPORT_SUPPORT_H

#include "engine/context.h"

/* The tier that WLM_CPU names (none: the best here). Skips the running test, visibly, where the CPU lacks it. */
kern_table support_table(void);

/* The tier without SIMD. */
kern_table support_portable(void);

/* Under an emulator everything takes tens of times as long (WLM_TEST_EMULATED, which meson sets in a cross build): tests
 * that repeat one comparison a thousand times then do it less often. What they demand of each stays the same. */
bool support_emulated(void);

/* A context on `threads` threads with an arena of its own. */
typedef struct support_engine {
    eng_context ctx;
    eng_arena arena;
} support_engine;

support_engine *support_engine_new(size_t threads);
void support_engine_free(support_engine *e);

/* Path of a file under the tests folder (WLM_TEST_DATA, else "tests"); four results live at a time. */
const char *support_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* n normal numbers, the same for the same seed. Free with eng_free. */
float *support_normal(uint64_t seed, size_t n, float scale);

/* A new empty directory for the test's files; removed with all in it by support_remove. */
char *support_temporary(void);
void support_remove(char *directory);

/* For suites whose tests write files: .init = support_enter makes such a directory the current one, .fini = support_leave
 * removes it. Once a process, which a test is. support_folder: its path. */
void support_enter(void);
void support_leave(void);
const char *support_folder(void);

#endif
