/* report/analysis.h - exact linear baselines of a data set: principal components, the best linear-Gaussian VAE under
 * every objective, the rate-distortion curve; computed, written to analysis.h5 and read back.
 *
 * Samples are numbers as the trainer sees them: of angles (cos, sin) or half turns, turned if model.align says so, as
 * model.encoding says; of all other physics the numbers themselves. Units: variances are squares of those numbers,
 * objectives and rates nats per sample. docs/theory/linear.md, docs/FILES.md. */
#pragma once
#include "io/run.h"
#include "linalg/linear.h"
#include "report/principal.h"
#include "sim/physics.h"

typedef struct gb_analyze_opts {
  const char *split, *route;
  gb_reals latent, beta, alpha, noise;
  int64_t components, levels;
  double memory;
} gb_analyze_opts;
extern const gb_schema gb_analyze_schema; /* section "analyze" */

typedef enum gb_family_kind { GB_PPCA, GB_BETA_ELBO, GB_ESCORT, GB_JOINT, GB_FAMILIES } gb_family_kind;

typedef struct gb_family { /* optima of an objective; arrays over [given noise, latent, weight] */
  size_t n_weight;
  double *weight;                    /* [n_weight] beta or alpha; {1} of GB_PPCA */
  double *number[GB_LINEAR_NUMBERS]; /* NAN where the objective has no finite maximum */
  double *signal;                    /* [.., n_mode] S, 0 beyond the latents */
} gb_family;

typedef struct gb_analysis {
  uint64_t data;                             /* fingerprint of the data set */
  gb_principal pca;                          /* read back, every rank has all components */
  size_t n_noise, n_latent, n_mode, n_level; /* n_mode: the most latents */
  double *noise;                             /* [n_noise] given variances of the noise; 0: it is fitted */
  double *latent;                            /* [n_latent] numbers of latents */
  gb_family family[GB_FAMILIES];
  double *renyi;        /* [n_noise, n_latent, alpha] Renyi information of GB_PPCA; INFINITY outside of its domain */
  double *level;        /* [n_level] of the rate-distortion curve, decreasing */
  double *rate, *error; /* [1 + n_latent, n_level] with as many latents as numbers, then with latent[] */
} gb_analysis;

extern const char *const gb_family_name[GB_FAMILIES], *const gb_linear_number_name[GB_LINEAR_NUMBERS];

/** Where the numbers of one optimum are: number[k][gb_analysis_at()], signal[n_mode * gb_analysis_at()].
 *  Local. */
size_t gb_analysis_at(const gb_analysis *a, gb_family_kind kind, size_t noise, size_t latent, size_t weight);

/** What gb_analyze() will need, for --dry-run. Opens the data set if it is there.
 *  Collective over c. */
gb_err gb_analysis_plan(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_text *out);

/** Analyse the data set of a config, write analysis.h5 into the run directory and a table to standard output.
 *  Collective over c.
 *  @return as gb_principal_find(); GB_ERR_CONFIG if samples or their numbers are too few for the latents */
gb_err gb_analyze(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_run *run);

/** Everything from the samples.
 *  Collective over c. `out` is freed by gb_analysis_free(), also after a failure. */
gb_err gb_analysis_find(gb_comm c, const gb_analyze_opts *opts, const gb_samples *samples, gb_analysis *out);
void gb_analysis_free(gb_analysis *a);

/** Arrays for the sizes that are filled in: pca.width, n_*, family[].n_weight.
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_analysis_allocate(gb_analysis *a);

/** The file, and back.
 *  Collective over c.
 *  @param[in] note  [n] names and texts that become attributes of the file
 *  @return GB_ERR_IO, of reading also if it is no such file */
gb_err gb_analysis_write(gb_comm c, const gb_analysis *a, size_t n, const char *const note[][2], const char *path);
gb_err gb_analysis_read(gb_comm c, const char *path, gb_analysis *out);
