#!/usr/bin/env python3
"""Prints tables.c, the constants of engine/math, from mpmath's arbitrary precision (https://mpmath.org):

    python3 engine/math/make_tables.py > engine/math/tables.c

The build does not need it. tests/engine/make_math_cases.py, which makes what the functions are tested against, shares
nothing with it."""
from mpmath import mp, mpf

mp.prec = 2000


def rounded(x, bits):
    """x to so many significant bits, to nearest."""
    return multiple(x, int(mp.floor(mp.log(abs(x), 2))) + 1 - bits) if x else mpf(0)


def multiple(x, exponent):
    """The multiple of 2^exponent nearest to x."""
    return mp.floor(x * mpf(2) ** -exponent + 0.5) * mpf(2) ** exponent


def literal(x):
    assert mpf(float(x)) == x, x
    text = float(x).hex().replace("p+", "p")
    return "0" if x == 0 else text.replace(".0000000000000p", "p")


def pair(x, head=None):
    head = rounded(x, 53) if head is None else head
    return "{%s, %s}" % (literal(head), literal(rounded(x - head, 53)))


def short_pair(x):
    """A head of 26 bits: its product with one as short is exact."""
    return pair(x, rounded(x, 26))


def parts(x, bits, count):
    """x as count - 1 parts of so many bits each and a rest."""
    out, exponent = [], int(mp.floor(mp.log(x, 2))) + 1
    for _ in range(count - 1):
        exponent -= bits
        part = mp.floor(x * mpf(2) ** -exponent) * mpf(2) ** exponent
        out.append(part)
        x -= part
    return out + [rounded(x, 53)]


def table(declaration, rows, a_line):
    print("\nconst %s = {" % declaration)
    for i in range(0, len(rows), a_line):
        print("    " + ", ".join(rows[i : i + a_line]) + ",")
    print("};")


def constant(name, value):
    print("const eng_pair %s = %s;" % (name, value))


EXP, LOG, FIRST, ENTRIES, SIN, WORDS = 128, 256, 181, 182, 128, 40

print("/* Made by make_tables.py. */")
print('#include "engine/math/tables.h"')
table("eng_pair eng_exp_table[ENG_EXP_STEPS]", [short_pair(mpf(2) ** (mpf(i) / EXP)) for i in range(EXP)], 2)
logs = []
for i in range(FIRST, FIRST + ENTRIES):
    reciprocal = rounded(mpf(LOG) / i, 24)
    log = -mp.log(reciprocal)
    logs.append("{%s, %s}" % (literal(reciprocal), pair(log, multiple(log, -42))))
table("eng_log_entry eng_log_table[ENG_LOG_ENTRIES]", logs, 1)
sines = [mp.sin(mp.pi / 2 * i / SIN) for i in range(SIN)]
table("eng_pair eng_sin_table[ENG_SIN_STEPS + 1]", ["{0, 0}"] + [short_pair(s) for s in sines[1:]] + ["{1, 0}"], 2)
bits = int(mp.floor(2 / mp.pi * mpf(2) ** (32 * WORDS)))
words = ["0x%08x" % (bits >> (32 * (WORDS - 1 - i)) & 0xFFFFFFFF) for i in range(WORDS)]
table("uint32_t eng_two_over_pi[ENG_TURN_WORDS]", words, 8)
table("double eng_exp_step[3]", [literal(p) for p in parts(mp.log(2) / EXP, 35, 3)], 4)
table("double eng_sin_step[4]", [literal(p) for p in parts(mp.pi / 2 / SIN, 33, 4)], 4)
print()
constant("eng_ln2", pair(mp.log(2), multiple(mp.log(2), -42)))
constant("eng_ln2_full", pair(mp.log(2)))
constant("eng_one_over_ln2", pair(1 / mp.log(2)))
constant("eng_one_over_ln10", pair(1 / mp.log(10)))
constant("eng_sin_step_full", pair(mp.pi / 2 / SIN))
