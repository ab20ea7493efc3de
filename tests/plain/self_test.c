/* The runner's own test: that every kind of check fails, that nothing else passes for a passed test, and that the sum
 * and the exit status say so. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/plain/plain.h"

static const int one = 1;
static const char *const text = "text";

Test(fails, assert)
{
    cr_assert(one == 2);
}

Test(fails, assert_with_a_message)
{
    cr_assert(one == 2, "%d is not %s", one, "2");
}

Test(fails, assert_not)
{
    cr_assert_not(one == 1);
}

Test(fails, assert_null)
{
    cr_assert_null(&one);
}

Test(fails, assert_not_null)
{
    cr_assert_not_null(one == 2 ? text : NULL);
}

Test(fails, assert_eq)
{
    cr_assert_eq(one, 2);
}

Test(fails, assert_neq)
{
    cr_assert_neq(one, 1);
}

Test(fails, assert_lt)
{
    cr_assert_lt(one, 1);
}

Test(fails, assert_leq)
{
    cr_assert_leq(one, 0);
}

Test(fails, assert_gt)
{
    cr_assert_gt(one, 1);
}

Test(fails, assert_geq)
{
    cr_assert_geq(one, 2);
}

Test(fails, assert_str_eq)
{
    cr_assert_str_eq(text, "texts");
}

Test(fails, assert_arr_eq)
{
    cr_assert_arr_eq(text, "tent", 4);
}

Test(fails, assert_fail)
{
    cr_assert_fail("%s", text);
}

Test(fails, a_crash)
{
    raise(SIGSEGV);
}

Test(fails, an_abort)
{
    abort();
}

Test(fails, an_exit)
{
    exit(EXIT_SUCCESS);
}

static void refuse(void)
{
    cr_assert_fail();
}

static void do_nothing(void) {}

TestSuite(fails_before, .init = refuse);
Test(fails_before, of_its_suite) {}
TestSuite(fails_behind, .fini = refuse);
Test(fails_behind, of_its_suite, .init = do_nothing) {}
Test(fails_behind, of_its_own, .fini = refuse) {}

static int evaluated;

Test(passes, checks_that_hold)
{
    cr_assert(++evaluated == 1, "%d", ++evaluated);
    cr_assert_not(one == 2);
    cr_assert_null(one == 2 ? text : NULL);
    cr_assert_not_null(text);
    cr_assert_eq(++evaluated, 2, "%d", evaluated);
    cr_assert_neq(one, 2);
    cr_assert_lt(one, 2);
    cr_assert_leq(one, 1);
    cr_assert_gt(one, 0);
    cr_assert_geq(one, 1);
    cr_assert_str_eq(text, "text");
    cr_assert_arr_eq(text, "tent", 2);
}

Test(passes, in_a_process_of_its_own)
{
    cr_assert_eq(evaluated, 0);
}

static void set_up(void)
{
    evaluated = 7;
}

TestSuite(passes_after, .init = set_up, .fini = do_nothing, .timeout = 1);
Test(passes_after, its_init)
{
    cr_assert_eq(evaluated, 7);
}

Test(skips, what_cannot_run)
{
    cr_skip_test("%s", text);
}

int main(void)
{
    const plain_sum fails = plain_run("fails*/*"), passes = plain_run("passes*/*"), skips = plain_run("skips/*");
    plain_sum s = {fails.failed + passes.passed + skips.skipped,
                   fails.passed + fails.skipped + passes.failed + passes.skipped + skips.passed + skips.failed, 0};
    const struct {
        plain_sum of;
        int status;
    } ends[] = {{{2, 0, 0}, 0}, {{2, 0, 1}, 0}, {{2, 1, 0}, 1}, {{0, 0, 0}, 1}, {{0, 0, 2}, 77}, {{0, 1, 2}, 1}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const bool right = plain_finish(ends[i].of) == ends[i].status;
        s.passed += right;
        s.failed += !right;
    }
    if (s.passed + s.failed != 30) s.failed++; /* not all of it ran */
    return plain_finish(s);
}
