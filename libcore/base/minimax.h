/* base/minimax.h - elementary functions in a small interval, as minimax polynomials, of floats (linalg/vmath.h) and of
 * vectors of floats (base/lanes.h): the same operations in the same order, hence the same bits. */
#pragma once

/** sin r, |r| <= pi/4. */
#define GB_MINIMAX_SIN(r)                                                                                              \
  ({                                                                                                                   \
    __typeof__(r) r_ = (r), q_ = r_ * r_, p_ = -0x1.99076cp-13f * q_ + 0x1.110630p-7f;                                 \
    p_ = (p_ * q_ - 0x1.555540p-3f) * q_;                                                                              \
    p_ = p_ * r_ + r_;                                                                                                 \
    p_;                                                                                                                \
  })

/** cos r, |r| <= pi/4. */
#define GB_MINIMAX_COS(r)                                                                                              \
  ({                                                                                                                   \
    __typeof__(r) r_ = (r), q_ = r_ * r_;                                                                              \
    ((-0x1.64257ep-10f * q_ + 0x1.553cecp-5f) * q_ - 0x1.ffffa0p-2f) * q_ + 1;                                         \
  })

/** atan z, 0 <= z <= 1. */
#define GB_MINIMAX_ATAN(z)                                                                                             \
  ({                                                                                                                   \
    __typeof__(z) z_ = (z), q_ = z_ * z_, p_ = -0x1.09b77ap-8f * q_ + 0x1.663314p-6f;                                  \
    p_ = p_ * q_ - 0x1.ca080cp-5f;                                                                                     \
    p_ = p_ * q_ + 0x1.8af18ap-4f;                                                                                     \
    p_ = p_ * q_ - 0x1.1cd93ap-3f;                                                                                     \
    p_ = p_ * q_ + 0x1.988170p-3f;                                                                                     \
    p_ = p_ * q_ - 0x1.554c3ap-2f;                                                                                     \
    (p_ * q_ + 0x1.ffffeap-1f) * z_;                                                                                   \
  })

/** log2(1 + m), sqrt(1/2) <= 1 + m < sqrt(2). */
#define GB_MINIMAX_LOG2(m)                                                                                             \
  ({                                                                                                                   \
    __typeof__(m) m_ = (m), p_ = 0x1.00d798p-3f * m_ - 0x1.aeb34ep-3f;                                                 \
    p_ = p_ * m_ + 0x1.bd318cp-3f;                                                                                     \
    p_ = p_ * m_ - 0x1.e87ceap-3f;                                                                                     \
    p_ = p_ * m_ + 0x1.268f78p-2f;                                                                                     \
    p_ = p_ * m_ - 0x1.7160e6p-2f;                                                                                     \
    p_ = p_ * m_ + 0x1.ec76f4p-2f;                                                                                     \
    p_ = p_ * m_ - 0x1.71546ap-1f;                                                                                     \
    (p_ * m_ + 0x1.715474p+0f) * m_;                                                                                   \
  })
