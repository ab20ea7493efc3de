#include "bench/measure/error.h"

#include <float.h>
#include <math.h>

void bench_error_add(bench_error *e, double got, double want)
{
    const double difference = fabs(got - want);
    e->worst = isnan(difference) ? DBL_MAX : fmax(e->worst, difference);
    e->largest = fmax(e->largest, fabs(want));
}

double bench_error_share(const bench_error *e)
{
    return e->worst >= DBL_MAX ? DBL_MAX : e->worst / e->largest;
}
