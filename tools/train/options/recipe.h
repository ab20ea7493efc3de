/* Recipes: files of options, one a line as on the command line, '#' begins a comment. */
#ifndef TOOLS_TRAIN_OPTIONS_RECIPE_H
#define TOOLS_TRAIN_OPTIONS_RECIPE_H

#include "engine/error.h"
#include "tools/train/options/options.h"

/* argv with the recipe's options before the command line's, where --recipe names one; what it is made of is o's
 * (recipe_text, recipe_arguments). Errors name the recipe, the line and what is wrong there. */
eng_status train_recipe_expand(train_options *o, int *argc, char ***argv, eng_error *err);

#endif
