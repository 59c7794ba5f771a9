/* tests/unit/test_gemm.c - products bit by bit against chains of fused multiply-adds, whatever shares the product. */
#include "linalg/narrow.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "linalg/small.h"

static float *numbers(size_t n, uint64_t stream)
{
  float *v = gb_alloc(n, sizeof *v);
  gb_rng_normal(gb_rng_key(3, GB_RNG_TEST, stream, 0), n, v);
  return v;
}

/* Images of 5 x 3 runs with 4 taps, some of zeros, in images larger than what is read. */
enum { ROWS = 15, TAPS = 4, IMAGE = 600 };

static gb_runs some_runs(size_t c, int32_t offset[ROWS * TAPS], const float *zeros)
{
  for (int i = 0; i < ROWS * TAPS; i++) offset[i] = i % 7 == 3 ? -1 : (i * 11) % (int)(IMAGE - c);
  return (gb_runs){.rows = ROWS, .taps = TAPS, .c = c, .offset = offset, .image = IMAGE, .zeros = zeros};
}

static float element(const gb_runs *a, const float *x, size_t row, size_t k)
{
  int32_t offset = a->offset[row % a->rows * a->taps + k / a->c];
  return offset < 0 ? 0 : x[row / a->rows * a->image + (size_t)offset + k % a->c];
}

typedef struct product {
  float *x, *b, *packed, *c, *bias;
  void *scratch;
} product;

static product room(const gb_runs *a, size_t images, size_t n)
{
  size_t k = a->taps * a->c, bytes = gb_gemm_rows_scratch(a) + gb_gemm_outer_scratch(a, images, n);
  return (product){numbers(images * a->image, 1),
                   numbers(k * n, 2),
                   gb_alloc(gb_gemm_packed(k, n), sizeof(float)),
                   gb_alloc(images * a->rows * n, sizeof(float)),
                   numbers(n, 4),
                   gb_alloc(bytes, 1)};
}

static void leave(product *p)
{
  gb_free(&p->x);
  gb_free(&p->b);
  gb_free(&p->packed);
  gb_free(&p->c);
  gb_free(&p->bias);
  gb_free(&p->scratch);
}

static void twice(int kind, size_t n, float *y)
{
  for (size_t i = 0; i < n; i++) y[i] *= (float)kind;
}

/* Sizes about the edges of tiles, vectors and blocks. */
static const size_t depth[] = {1, 2, 3, 16, 31, 150}, width[] = {1, 3, 15, 16, 17, 32, 33, 70};

static void every_element_is_a_chain(void **state)
{
  (void)state;
  int32_t offset[ROWS * TAPS];
  float zeros[IMAGE] = {0};
  for (size_t i = 0; i < sizeof depth / sizeof *depth; i++)
    for (size_t j = 0; j < sizeof width / sizeof *width; j++) {
      enum { IMAGES = 3 };
      size_t n = width[j];
      gb_runs a = some_runs(depth[i], offset, zeros);
      product p = room(&a, IMAGES, n);
      gb_gemm_pack(a.taps, a.c, n, p.b, NULL, n, false, p.packed);
      gb_finish f = {GB_START_BIAS, p.bias, twice, 2};
      gb_gemm_rows(IMAGES, &a, p.x, n, p.packed, &f, p.c, ROWS * n, NULL, p.scratch);
      for (size_t r = 0; r < IMAGES * ROWS; r++)
        for (size_t q = 0; q < n; q++) {
          float sum = p.bias[q];
          for (size_t k = 0; k < a.taps * a.c; k++) sum = __builtin_fmaf(element(&a, p.x, r, k), p.b[k * n + q], sum);
          CHECK(p.c[r * n + q] == 2 * sum);
        }
      leave(&p);
    }
}

/* One image at a time, continued products, and rows written elsewhere: the same bits. */
static void rows_know_nothing_of_each_other(void **state)
{
  (void)state;
  enum { IMAGES = 9, N = 37, C = 200 }; /* C: the inner index has several blocks */
  int32_t offset[ROWS * TAPS], place[ROWS];
  float zeros[IMAGE] = {0};
  gb_runs a = some_runs(C, offset, zeros);
  product p = room(&a, IMAGES, N);
  float *alone = gb_alloc(ROWS * N * 2, sizeof *alone);
  for (int i = 0; i < ROWS; i++) place[i] = (ROWS - 1 - i) * 2 * N;
  gb_gemm_pack(a.taps, a.c, N, p.b, NULL, N, false, p.packed);
  gb_finish f = {.start = GB_START_ZERO};
  gb_gemm_rows(IMAGES, &a, p.x, N, p.packed, &f, p.c, ROWS * N, NULL, p.scratch);
  for (size_t i = 0; i < IMAGES; i++) {
    gb_gemm_rows(1, &a, p.x + i * IMAGE, N, p.packed, &f, alone, 0, place, p.scratch);
    for (size_t r = 0; r < ROWS; r++) CHECK(!memcmp(alone + place[r], p.c + (i * ROWS + r) * N, N * sizeof *alone));
  }
  f.start = GB_START_ADD;
  gb_gemm_rows(IMAGES, &a, p.x, N, p.packed, &f, p.c, ROWS * N, NULL, p.scratch);
  for (size_t q = 0; q < N; q++) {
    float sum = 0;
    for (int again = 0; again < 2; again++)
      for (size_t k = 0; k < a.taps * a.c; k++) sum = __builtin_fmaf(element(&a, p.x, 20, k), p.b[k * N + q], sum);
    CHECK(p.c[20 * N + q] == sum);
  }
  gb_free(&alone);
  leave(&p);
}

static void a_transposed_matrix_packs_alike(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof depth / sizeof *depth; i++)
    for (size_t j = 0; j < sizeof width / sizeof *width; j++) {
      size_t k = depth[i], n = width[j], size = gb_gemm_packed(k, n);
      float *b = numbers(k * n, 5), *t = gb_alloc(k * n, sizeof *t);
      float *one = gb_alloc(size, sizeof *one), *other = gb_alloc(size, sizeof *other);
      for (size_t r = 0; r < k; r++)
        for (size_t q = 0; q < n; q++) t[q * k + r] = b[r * n + q];
      gb_gemm_pack(1, k, n, b, NULL, n, false, one);
      gb_gemm_pack(1, k, n, t, NULL, k, true, other);
      CHECK(!memcmp(one, other, size * sizeof *one));
      gb_free(&b);
      gb_free(&t);
      gb_free(&one);
      gb_free(&other);
    }
}

/* The sum over rows first ... first + rows of one element of A^T G, as one chain from `sum`. */
static float chain(const gb_runs *a, const product *p, size_t n, size_t k, size_t q, size_t first, size_t rows,
                   float sum)
{
  for (size_t r = first; r < first + rows; r++) sum = __builtin_fmaf(element(a, p->x, r, k), p->c[r * n + q], sum);
  return sum;
}

static float tree(const gb_runs *a, const product *p, size_t n, size_t k, size_t q, size_t first, size_t rows,
                  size_t parts)
{
  if (parts == 1) return chain(a, p, n, k, q, first, rows, 0);
  return tree(a, p, n, k, q, first, rows / 2, parts / 2) + tree(a, p, n, k, q, first + rows / 2, rows / 2, parts / 2);
}

/* Few rows, where pieces share a stretch, and many, where a piece has several. */
static void weight_gradients_are_trees_of_chains(void **state)
{
  (void)state;
  int32_t offset[ROWS * TAPS];
  float zeros[IMAGE] = {0};
  for (size_t images = 8; images <= 64; images *= 8)
    for (size_t i = 0; i < sizeof depth / sizeof *depth; i++)
      for (size_t j = 1; j < sizeof width / sizeof *width; j += 3) {
        size_t n = width[j], rows = images * ROWS;
        gb_runs a = some_runs(depth[i], offset, zeros);
        size_t k = a.taps * a.c;
        product p = room(&a, images, n);
        float *d = gb_alloc(k * n, sizeof *d), *whole = gb_alloc(k * n, sizeof *d);
        gb_rng_normal(gb_rng_key(3, GB_RNG_TEST, 6, 0), rows * n, p.c);
        for (size_t parts = 1; parts <= 8; parts *= 2) {
          gb_gemm_outer(images, parts, false, &a, p.x, n, p.c, d, p.scratch);
          for (size_t e = 0; e < k * n; e += 1 + k * n / 40)
            CHECK(d[e] == tree(&a, &p, n, e / n, e % n, 0, rows, parts));
          if (parts == 1) memcpy(whole, d, k * n * sizeof *d);
        }
        gb_gemm_outer(3, 1, false, &a, p.x, n, p.c, d, p.scratch); /* continued: one chain again */
        gb_gemm_outer(images - 3, 1, true, &a, p.x + 3 * IMAGE, n, p.c + 3 * ROWS * n, d, p.scratch);
        CHECK(!memcmp(whole, d, k * n * sizeof *d));
        gb_free(&d);
        gb_free(&whole);
        leave(&p);
      }
}

static void small_kernels_give_the_same_bits(void **state)
{
  (void)state;
  enum { MOST = 8 * 33 }; /* rows */
  static const size_t few[] = {1, 2, 5, 8, 19, 33};
  for (size_t i = 0; i < sizeof depth / sizeof *depth; i++)
    for (size_t j = 0; j < sizeof width / sizeof *width; j++) {
      size_t k = depth[i], n = width[j];
      gb_runs a = {.rows = 1, .taps = 1, .c = k, .offset = (int32_t[]){0}, .image = k};
      product p = room(&a, MOST, n);
      float *c = numbers(MOST * n, 7), *d = numbers(k * n, 8), *other = numbers(k * n, 8);
      void *scratch = gb_alloc(gb_small_sums_scratch(8, k, n), 1);
      gb_gemm_pack(1, k, n, p.b, NULL, n, false, p.packed);
      for (size_t r = 0; r < sizeof few / sizeof *few; r++) {
        for (gb_start start = GB_START_ZERO; start <= GB_START_ADD; start++) {
          gb_finish f = {start, p.bias, start == GB_START_BIAS ? twice : NULL, 2};
          memcpy(p.c, c, few[r] * n * sizeof *c);
          gb_gemm_rows(few[r], &a, p.x, n, p.packed, &f, p.c, n, NULL, p.scratch);
          gb_small_rows(few[r], k, p.x, n, p.packed, &f, c);
          CHECK(!memcmp(c, p.c, few[r] * n * sizeof *c));
        }
        for (int add = 0; add < 2; add++) {
          gb_gemm_outer(few[r], 1, add, &a, p.x, n, c, d, p.scratch);
          gb_small_outer(few[r], add, k, p.x, n, c, other);
          CHECK(!memcmp(d, other, k * n * sizeof *d));
        }
        for (size_t parts = 1; parts <= 8; parts *= 2) {
          gb_gemm_outer(8 * few[r], parts, false, &a, p.x, n, c, d, p.scratch);
          gb_small_sums(8 * few[r], parts, false, k, p.x, n, c, other, scratch);
          CHECK(!memcmp(d, other, k * n * sizeof *d));
        }
      }
      gb_free(&scratch);
      gb_free(&c);
      gb_free(&d);
      gb_free(&other);
      leave(&p);
    }
}

/* Numbers beside those that are meant stay as they are. */
static void components_and_rows_change_places(void **state)
{
  (void)state;
  static const size_t sizes[] = {1, 7, 8, 16, 20, 33};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
      size_t rows = sizes[i], n = sizes[j], next = n + 2;
      double *u = gb_alloc(n * rows, sizeof *u);
      float *x = numbers(rows * next, 9), *kept = numbers(rows * next, 9), *lines = gb_alloc(rows * n, sizeof *lines);
      for (size_t k = 0; k < n * rows; k++) u[k] = 1.0 / (double)(k + 3);
      gb_small_to_rows(rows, n, u, x + 1, next);
      for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < n; k++) CHECK(x[r * next + 1 + k] == (float)u[k * rows + r]);
        CHECK(x[r * next] == kept[r * next] && x[r * next + n + 1] == kept[r * next + n + 1]);
      }
      gb_small_from_rows(rows, n, kept + 1, next, u);
      for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < n; k++)
          CHECK(u[k * rows + r] == 1.0 / (double)(k * rows + r + 3) + (double)kept[r * next + 1 + k]);
      gb_small_gather(rows, n, x + 1, next, lines);
      for (size_t r = 0; r < rows; r++) CHECK(!memcmp(lines + r * n, x + r * next + 1, n * sizeof *lines));
      gb_free(&u);
      gb_free(&x);
      gb_free(&kept);
      gb_free(&lines);
    }
}

/* k x k windows on a lattice of h x h sites: as runs, and as taps. */
static gb_runs square_windows(gb_lattice *l, int k, size_t n, int32_t *offset, const float *zeros, gb_tap *tap)
{
  int h = (int)l->h, before = (k - 1) / 2;
  l->before = (size_t)before;
  l->after = (size_t)(k - 1 - before);
  for (int i = 0; i < h * h * k * k; i++) {
    int y = i / k / k / h + i / k % k - before, x = i / k / k % h + i % k - before;
    bool out = y < 0 || x < 0 || y >= h || x >= h;
    offset[i] = l->zero && out ? -1 : ((y + h) % h * h + (x + h) % h) * (int)l->c;
  }
  for (int t = 0; t < k * k; t++) tap[t] = (gb_tap){t / k - before, t % k - before, (size_t)t * l->c * n};
  return (gb_runs){l->h * l->w, (size_t)(k * k), l->c, offset, l->h * l->w * l->c, zeros};
}

static void narrow_kernels_give_the_same_bits(void **state)
{
  (void)state;
  enum { IMAGES = 4, MOST = 18 * 18 * 9 };
  static int32_t offset[MOST];
  float zeros[32 + GB_NARROW_ROOM] = {0};
  for (int i = 0; i < 128; i++) {
    size_t side = (size_t[]){8, 9, 16, 18}[i & 3], n = 1 + (size_t)(i >> 2 & 3) + (i & 64 ? GB_NARROW : 0),
           c = i & 16 ? 20 : 3;
    int kernel = i & 1 ? 2 : 3;
    gb_tap tap[9];
    gb_lattice l = {.h = side, .w = side, .c = c, .zero = i & 32};
    gb_runs a = square_windows(&l, kernel, n, offset, zeros, tap);
    gb_windows all = {a.taps, tap, 0, side * n, n};
    size_t k = a.taps * c, rows = IMAGES * a.rows;
    float *x = numbers(IMAGES * a.image + GB_NARROW_ROOM, 1), *w = numbers(k * n, 2), *bias = numbers(n, 3);
    float *y[2], *d[2], *packed = gb_alloc(gb_gemm_packed(k, n), sizeof *packed);
    void *scratch = gb_alloc(gb_gemm_rows_scratch(&a) + gb_gemm_outer_scratch(&a, IMAGES, n) +
                                 gb_narrow_conv_scratch(&l) + gb_narrow_outer_scratch(&a, IMAGES),
                             1);
    for (int v = 0; v < 2; v++) {
      y[v] = numbers(rows * n, 4);
      d[v] = gb_alloc(k * n, sizeof *d[v]);
    }
    gb_gemm_pack(a.taps, c, n, w, NULL, n, false, packed);
    for (int start = GB_START_ZERO; start <= GB_START_ADD; start++) {
      gb_finish f = {(gb_start)start, bias, twice, 2};
      gb_gemm_rows(IMAGES, &a, x, n, packed, &f, y[0], a.rows * n, NULL, scratch);
      if (n > GB_NARROW) continue;
      gb_narrow_conv(IMAGES, &l, x, n, (gb_weights){w, n, 1}, 1, &all, &f, y[1], a.rows * n, scratch);
      CHECK(!memcmp(y[0], y[1], rows * n * sizeof **y));
    }
    for (size_t parts = 1; parts <= 4; parts *= 2) {
      gb_gemm_outer(IMAGES, parts, false, &a, x, n, y[0], d[0], scratch);
      gb_narrow_outer(IMAGES, parts, false, &a, x, n, y[0], d[1], scratch);
      CHECK(!memcmp(d[0], d[1], k * n * sizeof **d));
    }
    gb_gemm_outer(1, 1, true, &a, x, n, y[0], d[0], scratch);
    gb_narrow_outer(1, 1, true, &a, x, n, y[0], d[1], scratch);
    CHECK(!memcmp(d[0], d[1], k * n * sizeof **d));
    for (int v = 0; v < 2; v++) {
      gb_free(&y[v]);
      gb_free(&d[v]);
    }
    gb_free(&x);
    gb_free(&w);
    gb_free(&bias);
    gb_free(&packed);
    gb_free(&scratch);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(every_element_is_a_chain),          TEST(rows_know_nothing_of_each_other),
      TEST(a_transposed_matrix_packs_alike),   TEST(weight_gradients_are_trees_of_chains),
      TEST(narrow_kernels_give_the_same_bits), TEST(small_kernels_give_the_same_bits),
      TEST(components_and_rows_change_places),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
