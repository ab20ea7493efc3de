/* What the tests use of Criterion, for where Criterion cannot run: its child processes hang under user-mode emulators.
 * The same test files are built against this header in place of Criterion's, of the same name; plain.c runs them.
 *
 * As with Criterion each test is a process of its own, which the first failed check ends. The condition and the message
 * of a check are evaluated once, the message only when it failed. A test's time limit is that of its program, in
 * meson.build: seconds that were meant for a bare machine say nothing about an emulated one. */
#ifndef TESTS_PLAIN_CRITERION_CRITERION_H
#define TESTS_PLAIN_CRITERION_CRITERION_H

#pragma GCC system_header /* as Criterion's: operands of different signs are the tests' own affair */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A test, or, without a body, what all tests of a suite have in common. */
typedef struct plain_test {
    const char *suite, *name;
    void (*body)(void);
    void (*init)(void), (*fini)(void); /* before and after the body, in its process; the suite's outermost */
    double timeout;                    /* taken, and left to meson */
    struct plain_test *next;
} plain_test;

/* Adds a test or a suite of static storage to what main runs, in the order of calls: before main. */
void plain_add(plain_test *t);

/* Ends the running test's process as failed: what was checked, and a printf format with its arguments and one more. */
_Noreturn void plain_fail(const char *file, int line, const char *check, const char *format, ...);

/* Ends the running test's process as skipped, visibly. */
_Noreturn void plain_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define Test(suite_, ...) PLAIN_TEST(suite_, __VA_ARGS__, .next = NULL)
#define PLAIN_TEST(suite_, name_, ...)                                                                                 \
    static void plain_body_##suite_##_##name_(void);                                                                   \
    __attribute__((constructor)) static void plain_add_##suite_##_##name_(void)                                        \
    {                                                                                                                  \
        static plain_test t = {.suite = #suite_, .name = #name_, .body = plain_body_##suite_##_##name_, __VA_ARGS__};  \
        plain_add(&t);                                                                                                 \
    }                                                                                                                  \
    static void plain_body_##suite_##_##name_(void)

#define TestSuite(suite_, ...)                                                                                         \
    __attribute__((constructor)) static void plain_add_suite_##suite_(void)                                            \
    {                                                                                                                  \
        static plain_test t = {.suite = #suite_, __VA_ARGS__};                                                         \
        plain_add(&t);                                                                                                 \
    }                                                                                                                  \
    _Static_assert(1, "")

/* A check takes its operands and, where it likes, a literal format with its arguments. A last "" makes the format where
 * there is none, and is an argument too many where there is one. */
#define PLAIN_CHECK(condition, text, ...)                                                                              \
    ((condition) ? (void)0 : plain_fail(__FILE__, __LINE__, text, " " __VA_ARGS__))
#define PLAIN_TRUE(a, ...) PLAIN_CHECK(a, #a, __VA_ARGS__)
#define PLAIN_FALSE(a, ...) PLAIN_CHECK(!(a), "not " #a, __VA_ARGS__)
#define PLAIN_NULL(a, ...) PLAIN_CHECK((a) == NULL, #a " is null", __VA_ARGS__)
#define PLAIN_NOT_NULL(a, ...) PLAIN_CHECK((a) != NULL, #a " is not null", __VA_ARGS__)
#define PLAIN_EQ(a, b, ...) PLAIN_CHECK((a) == (b), #a " == " #b, __VA_ARGS__)
#define PLAIN_NEQ(a, b, ...) PLAIN_CHECK((a) != (b), #a " != " #b, __VA_ARGS__)
#define PLAIN_LT(a, b, ...) PLAIN_CHECK((a) < (b), #a " < " #b, __VA_ARGS__)
#define PLAIN_LEQ(a, b, ...) PLAIN_CHECK((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define PLAIN_GT(a, b, ...) PLAIN_CHECK((a) > (b), #a " > " #b, __VA_ARGS__)
#define PLAIN_GEQ(a, b, ...) PLAIN_CHECK((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define PLAIN_STR_EQ(a, b, ...) PLAIN_CHECK(strcmp(a, b) == 0, #a " is the text " #b, __VA_ARGS__)
#define PLAIN_ARR_EQ(a, b, bytes, ...) PLAIN_CHECK(memcmp(a, b, bytes) == 0, #a " has the bytes of " #b, __VA_ARGS__)

#define cr_assert(...) PLAIN_TRUE(__VA_ARGS__, "")
#define cr_assert_not(...) PLAIN_FALSE(__VA_ARGS__, "")
#define cr_assert_null(...) PLAIN_NULL(__VA_ARGS__, "")
#define cr_assert_not_null(...) PLAIN_NOT_NULL(__VA_ARGS__, "")
#define cr_assert_eq(...) PLAIN_EQ(__VA_ARGS__, "")
#define cr_assert_neq(...) PLAIN_NEQ(__VA_ARGS__, "")
#define cr_assert_lt(...) PLAIN_LT(__VA_ARGS__, "")
#define cr_assert_leq(...) PLAIN_LEQ(__VA_ARGS__, "")
#define cr_assert_gt(...) PLAIN_GT(__VA_ARGS__, "")
#define cr_assert_geq(...) PLAIN_GEQ(__VA_ARGS__, "")
#define cr_assert_str_eq(...) PLAIN_STR_EQ(__VA_ARGS__, "")
#define cr_assert_arr_eq(...) PLAIN_ARR_EQ(__VA_ARGS__, "")
#define cr_assert_fail(...) plain_fail(__FILE__, __LINE__, "reached", " " __VA_ARGS__)
#define cr_skip_test(...) plain_skip(" " __VA_ARGS__)

#endif
