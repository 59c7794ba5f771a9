/* base/real.h - the number type of networks and their data. */
#pragma once

/* float in the product. The test build compiles the library a second time with GB_DOUBLE, so that gradients
 * can be checked against differences to 1e-6 and better: only the width of the type differs, not one line of
 * logic. */
#ifdef GB_DOUBLE
typedef double gb_real;
#define GB_FMA  __builtin_fma
#define GB_R(x) x
#else
typedef float gb_real;
#define GB_FMA  __builtin_fmaf
#define GB_R(x) x##f
#endif
