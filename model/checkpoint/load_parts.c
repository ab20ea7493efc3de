#include "model/checkpoint/load_parts.h"

#include <stdarg.h>
#include <stdio.h>

mdl_name mdl_name_of(const char *format, ...)
{
    mdl_name n;
    va_list args;
    va_start(args, format);
    vsnprintf(n.text, sizeof n.text, format, args);
    va_end(args);
    return n;
}

mdl_linear mdl_load_linear(mdl_loader *l, const char *name, size_t out, size_t in)
{
    mdl_linear linear = {0};
    mdl_loader_linear(l, name, 1, &name, out, in, &linear.w, &linear.bias);
    return linear;
}

mdl_norm mdl_load_norm(mdl_loader *l, const char *name, size_t n)
{
    mdl_norm norm;
    norm.gamma = mdl_loader_vector(l, mdl_name_of("%s.weight", name).text, n);
    norm.beta = mdl_loader_vector(l, mdl_name_of("%s.bias", name).text, n);
    return norm;
}
