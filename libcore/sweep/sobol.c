/* sweep/sobol.c - direction numbers from primitive polynomials (Bratley and Fox, ACM TOMS 14 (1988) 88, section 2). */
#include "sweep/sobol.h"

#include "base/err.h"

enum { BITS = 32, MOST = 7 };

/* Degree s, inner coefficients a and first numbers m of dimensions 2, 3, ...; the first one is van der Corput's. */
static const struct {
  int s;
  uint32_t a, m[MOST];
} table[GB_SOBOL_DIMENSIONS - 1] = {{1, 0, {1}},
                                    {2, 1, {1, 3}},
                                    {3, 1, {1, 3, 1}},
                                    {3, 2, {1, 1, 1}},
                                    {4, 1, {1, 1, 3, 3}},
                                    {4, 4, {1, 3, 5, 13}},
                                    {5, 2, {1, 1, 5, 5, 17}},
                                    {5, 4, {1, 1, 5, 5, 5}},
                                    {5, 7, {1, 1, 7, 11, 19}},
                                    {5, 11, {1, 1, 5, 1, 1}},
                                    {5, 13, {1, 1, 1, 3, 11}},
                                    {5, 14, {1, 3, 5, 5, 31}},
                                    {6, 1, {1, 3, 3, 9, 7, 49}},
                                    {6, 13, {1, 1, 1, 15, 21, 21}},
                                    {6, 16, {1, 3, 1, 13, 27, 49}},
                                    {6, 19, {1, 1, 1, 15, 7, 5}},
                                    {6, 22, {1, 3, 1, 15, 13, 25}},
                                    {6, 25, {1, 1, 5, 5, 19, 61}},
                                    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
                                    {7, 4, {1, 3, 7, 13, 13, 15, 69}}};

/* v[i]: what bit i of a Gray code adds. m_i = 2 a_1 m_(i-1) + ... + 2^s m_(i-s) + m_(i-s), the sums without carry. */
static void directions(int dimension, uint32_t v[BITS])
{
  uint32_t m[BITS];
  int s = dimension ? table[dimension - 1].s : BITS;
  for (int i = 0; i < BITS; i++) {
    m[i] = dimension ? 0 : 1;
    if (i < s && dimension) m[i] = table[dimension - 1].m[i];
    if (i >= s) m[i] = m[i - s] ^ m[i - s] << s;
    for (int k = 1; i >= s && k < s; k++)
      if (table[dimension - 1].a >> (s - 1 - k) & 1) m[i] ^= m[i - k] << k;
    v[i] = m[i] << (BITS - 1 - i);
  }
}

uint32_t gb_sobol(int dimension, uint32_t n)
{
  uint32_t v[BITS], x = 0;
  GB_ASSERT(dimension >= 0 && dimension < GB_SOBOL_DIMENSIONS);
  directions(dimension, v);
  n ^= n >> 1;
  for (int i = 0; i < BITS; i++)
    if (n >> i & 1) x ^= v[i];
  return x;
}
