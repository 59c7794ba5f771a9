/* tests/unit/stencil.h - the fourth-order central difference: sum of c f(x + at h), divided by h. */
#pragma once

static const struct {
  double at, c;
} stencil[] = {{-2, 1.0 / 12}, {-1, -2.0 / 3}, {1, 2.0 / 3}, {2, -1.0 / 12}};
