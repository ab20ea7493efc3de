#!/usr/bin/env python3
"""Prints tests/engine/math.txt: arguments of the functions of engine/math and their results, correctly rounded, from
mpmath's arbitrary precision (https://mpmath.org), which knows nothing of how the engine computes them:

    python3 tests/engine/make_math_cases.py > tests/engine/math.txt

A line: the function, the bits of its arguments and of the double nearest to the result, in hexadecimal, and what lies
between that double and the result, in millionths of a unit in the last place. It takes a minute."""
import random
import struct
from mpmath import mp, mpf

mp.prec = 240
LN2 = mp.log(2)
GROUP = 400  # random arguments of a kind
SEARCHED, HARD = 20000, 300  # of so many more the HARD ones whose results lie nearest to a tie are kept


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def double(b):
    return struct.unpack("<d", struct.pack("<Q", b))[0]


def near(x, reach=3):
    """The double nearest to x and its neighbours."""
    b = bits(float(x))
    return [double(b + i) for i in range(-reach, reach + 1) if 0 <= (b + i) & ~(1 << 63) < 0x7FF << 52]


def result(value):
    """Bits of the double nearest to value, ties to even, and how far value lies above it in millionths of a unit."""
    if value == 0:
        return 0, 0
    sign, size = (1 << 63, -value) if value < 0 else (0, value)
    exponent = max(int(mp.floor(mp.log(size, 2))) - 52, -1074)
    while size >= mpf(2) ** (exponent + 53):
        exponent += 1
    while exponent > -1074 and size < mpf(2) ** (exponent + 52):
        exponent -= 1
    scaled = size * mpf(2) ** -exponent
    whole = int(mp.floor(scaled))
    rest = scaled - whole
    if abs(rest - 0.5) < mpf(2) ** -120:
        up = whole & 1
    else:
        up = rest > 0.5
    whole += int(up)
    distance = int(mp.nint((scaled - whole) * 1000000))
    if whole == 1 << 53:
        whole, exponent = 1 << 52, exponent + 1
    if exponent > 971:
        return sign | 0x7FF << 52, 0
    number = whole + ((exponent + 1074) << 52 if whole >> 52 else 0)
    assert number == (bits(mp.ldexp(mpf(whole), exponent)) if number >> 52 else whole)
    return sign | number, -distance if sign else distance


def log_uniform(r, low, high):
    return r.choice((-1, 1)) * 2.0 ** r.uniform(low, high) * r.uniform(1, 2)


def any_positive(r):
    return double(r.randrange(1, 0x7FF << 52))


def reals(r, n, low, high):
    """Uniform, and small ones of either sign."""
    return [r.uniform(low, high) for _ in range(n)] + [log_uniform(r, -60, 3) for _ in range(n)]


def for_exp(r, n):
    limits = near(mp.log(mpf(2)) * 1024) + near(-LN2 * 1022) + near(-LN2 * 1075) + near(-745.5)
    steps = [x for k in range(-300, 300, 13) for x in near((k + mpf(0.5)) * LN2 / 128, 1)]
    return reals(r, n, -745, 709.7) + limits + steps + [r.uniform(-745.2, -708) for _ in range(n)]


def for_exp2(r, n):
    whole = [float(k) for k in range(-1076, 1026, 7)] + [k / 256 for k in range(-700, 700, 11)]
    return reals(r, n, -1074, 1023.9) + whole + near(-1022) + near(-1075) + near(1024) + \
        [r.uniform(-1075, -1020) for _ in range(n)]


def for_expm1(r, n):
    return reals(r, n, -46, 46) + near(45) + near(-45) + near(LN2 * 1024) + near(2.0**-54) + near(-(2.0**-54)) + \
        [r.uniform(-0.01, 0.01) for _ in range(n)] + [r.uniform(46, 709) for _ in range(n // 4)] + near(LN2 / 256) + \
        [double(r.randrange(1, 1 << 60)) for _ in range(50)]


def for_sinh(r, n):
    tiny = near(2.0**-27) + near(-(2.0**-27)) + [double(r.randrange(1, 1 << 60)) for _ in range(50)]
    return reals(r, n, -46, 46) + near(45) + near(LN2 * 1025) + tiny + [r.uniform(46, 711) for _ in range(n // 4)]


def for_log(r, n):
    near_one = [1 + log_uniform(r, -53, -2) for _ in range(n)]
    edges = near(2**-0.5) + near(2**0.5) + near(1.4140625) + near(1) + [double(1)] + near(2.0**-1022)
    steps = [x for i in range(181, 364, 5) for x in near((i + 0.5) / 256, 1)]
    return [any_positive(r) for _ in range(n)] + near_one + [r.uniform(0.7, 1.5) for _ in range(n)] + edges + steps + \
        [double(r.randrange(1, 1 << 52)) for _ in range(40)] + [double(0x7FEFFFFFFFFFFFFF)]


def for_log2(r, n):
    return for_log(r, n) + [2.0**k for k in range(-1074, 1024, 9)]


def for_log10(r, n):
    return for_log(r, n) + [10.0**k for k in range(0, 23)] + near(1e-5) + near(1e300)


def for_sin(r, n):
    quarters = list(range(1, 9)) + [r.randrange(1, 1 << 30) for _ in range(60)]
    turns = [x for k in quarters for x in near(k * mp.pi / 2, 1)]
    steps = [x for k in range(1, 300, 11) for x in near((k + mpf(0.5)) * mp.pi / 256, 1)]
    large = [double(r.randrange(0x40C << 52, 0x7FF << 52)) for _ in range(n)]
    hard = [6381956970095103.0 * 2.0**797, 1e22, 2.0**1023, double(0x7FEFFFFFFFFFFFFF)]
    return [r.uniform(0, 2 * 3.1415926535897932) for _ in range(n)] + [r.uniform(-9000, 9000) for _ in range(n)] + \
        [log_uniform(r, -60, 3) for _ in range(n)] + turns + steps + large + hard + near(2.0**13) + near(2.0**-27) + \
        [double(r.randrange(1, 1 << 60)) for _ in range(50)]


def for_pow(r, n):
    out = []
    for _ in range(n):
        x = any_positive(r)
        out.append((x, float(r.uniform(-1074, 1023) / mp.log(mpf(x), 2))))
        x = 1 + log_uniform(r, -52, -3)
        out.append((x, float(r.uniform(-1074, 1023) / mp.log(mpf(x), 2))))
        out.append((r.uniform(0.01, 100), log_uniform(r, -30, 6)))
        out.append((r.uniform(0.5, 1), float(r.randrange(1, 1000))))
        out.append((-r.uniform(0.01, 100), float(r.randrange(-150, 150))))
        out.append((10.0, r.uniform(-20, 20)))
        x = any_positive(r)
        out.append((x, float(r.uniform(-1076, -1020) / mp.log(mpf(x), 2))))
    return out


def more_pow(r):
    out = [(beta, float(t)) for beta in (0.9, 0.999, 0.98) for t in list(range(1, 40)) + [1000, 12345, 10**6, 10**7]]
    out += [(10.0, float(k)) for k in range(-330, 310, 7)] + [(10.0, float(k)) for k in range(-22, 24)]
    out += [(float(r.randrange(2, 1 << 26)), 2.0) for _ in range(30)]  # exact
    out += [(float(r.randrange(1 << 26, 1 << 27) | 1), 2.0) for _ in range(30)]  # exact ties
    out += [(float(r.randrange(1, 1 << 20)) ** 2, 0.5) for _ in range(20)]
    out += [(2.0, float(k)) for k in range(-1076, 1026, 11)]
    out += [(x, y) for x in near(1, 2) for y in (2.0**53, -(2.0**53), 2.0**62, 2.0**-63, -(2.0**-66)) if x != 1]
    out += [(-3.0, 3.0), (-3.0, 4.0), (-2.0, 1023.0), (-2.0, -1074.0), (0.5, 1074.0), (0.5, 1075.0), (0.5, 1076.0)]
    return out


FUNCTIONS = {
    "exp": (mp.exp, for_exp),
    "exp2": (lambda x: mpf(2) ** x, for_exp2),
    "expm1": (mp.expm1, for_expm1),
    "sinh": (mp.sinh, for_sinh),
    "log": (mp.log, for_log),
    "log2": (lambda x: mp.log(x, 2), for_log2),
    "log10": (mp.log10, for_log10),
    "sin": (mp.sin, for_sin),
    "cos": (mp.cos, for_sin),
    "pow": (lambda x, y: mpf(x) ** mpf(y), for_pow),
}


def main():
    for name, (function, arguments) in FUNCTIONS.items():
        r = random.Random("engine/math " + name)

        def row(a):
            a = a if isinstance(a, tuple) else (a,)
            value, distance = result(function(*(mpf(x) for x in a)))
            words = ["%016x" % bits(x) for x in a] + ["%016x" % value, str(distance)]
            return abs(abs(distance) - 500000), " ".join([name] + words)

        rows = [row(a) for a in arguments(r, GROUP)] + ([row(a) for a in more_pow(r)] if name == "pow" else [])
        searched = arguments(r, SEARCHED // (7 if name == "pow" else 3))
        hard = sorted(set(row(a) for a in searched if not isinstance(a, float) or abs(a) > 2.0**-26))[:HARD]
        for _, line in rows + hard:
            print(line)


main()
