#ifndef ENGINE_CLOCK_H
#define ENGINE_CLOCK_H

/* Seconds of a clock that only goes forward, from a beginning of its own. */
double eng_now(void);

#endif
