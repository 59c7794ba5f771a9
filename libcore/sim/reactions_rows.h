/* sim/reactions_rows.h - rates of reactions and their transpose, of one row or of some side by side, without a loop
 * over them. Included by reactions.c, once with NUMBER a double, once with a vector of them; F(name) is the name of a
 * function for this NUMBER. Pointers are to the first of the rows, but for parameters: number k of row `row` is
 * p[k][row]. */

GB_INLINE NUMBER F(get)(const double *x)
{
  NUMBER v;
  memcpy(&v, x, sizeof v);
  return v;
}

GB_INLINE void F(put)(double *x, NUMBER v)
{
  memcpy(x, &v, sizeof v);
}

GB_INLINE void F(add)(double *x, NUMBER v)
{
  F(put)(x, F(get)(x) + v);
}

GB_INLINE NUMBER F(all)(double x)
{
  return x - (NUMBER){0};
}

GB_INLINE NUMBER F(above)(NUMBER x)
{
  return F(where)(x, x);
}

/* 1 / saturation of every enzyme. */
GB_INLINE void F(desaturate)(const gb_reactions *r, size_t stride, const double *u, const double *const p[], size_t row,
                             NUMBER free[GB_REACTION_ENZYMES])
{
  for (size_t e = 0; e < GB_REACTION_ENZYMES; e++) free[e] = F(all)(1);
  for (size_t k = 0; k < r->n_load; k++) {
    const gb_change *of = &r->load[k].of;
    NUMBER by = F(all)(of->by);
    if (of->scale != GB_NO) by *= F(get)(p[of->scale] + row);
    free[r->load[k].enzyme] += by * F(above)(F(get)(u + (size_t)of->species * stride));
  }
  for (size_t e = 0; e < GB_REACTION_ENZYMES; e++) free[e] = 1 / free[e];
}

/* Of one reaction, without the reactants of which the bits of `skip` are set, and without p[factor] if `bare`. */
GB_INLINE NUMBER F(flux)(const gb_reaction *a, size_t stride, const double *u, const double *const p[], size_t row,
                         const NUMBER free[GB_REACTION_ENZYMES], unsigned skip, bool bare)
{
  NUMBER v = F(all)(a->rate);
  if (a->factor != GB_NO && !bare) v *= F(get)(p[a->factor] + row);
  if (a->enzyme != GB_NO) v *= free[a->enzyme];
  for (unsigned k = 0; k < 2; k++)
    if (a->reactant[k] != GB_NO && !(skip & 1u << k)) v *= F(above)(F(get)(u + (size_t)a->reactant[k] * stride));
  return v;
}

/* What a change makes of a flux, or owes to it. */
GB_INLINE NUMBER F(scaled)(const gb_change *c, const double *const p[], size_t row)
{
  NUMBER by = F(all)(c->by);
  return c->scale == GB_NO ? by : by * F(get)(p[c->scale] + row);
}

GB_INLINE void F(rates)(const gb_reactions *r, size_t stride, const double *u, const double *const p[], size_t row,
                        double *du)
{
  NUMBER free[GB_REACTION_ENZYMES];
  F(desaturate)(r, stride, u, p, row, free);
  for (size_t s = 0; s < r->n_species; s++) F(put)(du + s * stride, F(all)(0));
  for (size_t k = 0; k < r->n_reaction; k++) {
    const gb_reaction *a = &r->reaction[k];
    NUMBER v = F(flux)(a, stride, u, p, row, free, 0, false);
    for (int j = 0; j < a->n_change; j++)
      F(add)(du + (size_t)a->change[j].species * stride, F(scaled)(&a->change[j], p, row) * v);
  }
}

/* Saturations: sbar [enzyme] holds d / d ln(saturation). */
GB_INLINE void F(loads_vjp)(const gb_reactions *r, size_t stride, const double *u, const double *const p[], size_t row,
                            const NUMBER free[GB_REACTION_ENZYMES], const NUMBER sbar[GB_REACTION_ENZYMES],
                            double *ubar, double *const pbar[])
{
  for (size_t k = 0; k < r->n_load; k++) {
    const gb_change *of = &r->load[k].of;
    NUMBER x = F(get)(u + (size_t)of->species * stride), s = sbar[r->load[k].enzyme] * free[r->load[k].enzyme] * of->by;
    F(add)(ubar + (size_t)of->species * stride, F(where)(x, of->scale == GB_NO ? s : s * F(get)(p[of->scale] + row)));
    if (of->scale != GB_NO && pbar && pbar[of->scale]) F(add)(pbar[of->scale] + row, s * F(above)(x));
  }
}

GB_INLINE void F(pull_back)(const gb_reactions *r, size_t stride, const double *u, const double *const p[], size_t row,
                            const double *w, double *ubar, double *const pbar[])
{
  NUMBER free[GB_REACTION_ENZYMES], sbar[GB_REACTION_ENZYMES];
  F(desaturate)(r, stride, u, p, row, free);
  for (size_t e = 0; e < GB_REACTION_ENZYMES; e++) sbar[e] = F(all)(0);
  for (size_t k = 0; k < r->n_reaction; k++) {
    const gb_reaction *a = &r->reaction[k];
    NUMBER v = F(flux)(a, stride, u, p, row, free, 0, false), vbar = F(all)(0);
    for (int j = 0; j < a->n_change; j++) {
      const gb_change *c = &a->change[j];
      NUMBER of = F(get)(w + (size_t)c->species * stride);
      vbar += F(scaled)(c, p, row) * of;
      if (c->scale != GB_NO && pbar && pbar[c->scale]) F(add)(pbar[c->scale] + row, c->by * v * of);
    }
    if (a->enzyme != GB_NO) sbar[a->enzyme] -= vbar * v;
    for (unsigned q = 0; q < 2; q++) {
      if (a->reactant[q] == GB_NO) continue;
      size_t at = (size_t)a->reactant[q] * stride;
      F(add)(ubar + at, F(where)(F(get)(u + at), vbar * F(flux)(a, stride, u, p, row, free, 1u << q, false)));
    }
    if (a->factor != GB_NO && pbar && pbar[a->factor])
      F(add)(pbar[a->factor] + row, vbar * F(flux)(a, stride, u, p, row, free, 0, true));
  }
  F(loads_vjp)(r, stride, u, p, row, free, sbar, ubar, pbar);
}
