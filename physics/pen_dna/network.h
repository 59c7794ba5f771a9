/* physics/pen_dna/network.h - a template network as the user writes it, and the reactions that it stands for. */
#pragma once
#include "config/schema.h"
#include "sim/physics.h"
#include "sim/reactions.h"

enum { MOST_STRANDS = 16, MOST_TEMPLATES = 16, NAME = 32, MOST_RANGED = 32 };

/* Numbers of a network that may be a range. */
typedef struct amount {
  double low, high;
} amount;

typedef struct strand {
  char name[NAME];
  char sequence[64]; /* "" if it is not told */
  amount K, start;   /* dissociation constant and first concentration, nM */
  bool inhibits;     /* some template */
} strand;

typedef struct template_ {
  char name[NAME];
  int input, output, inhibitor; /* strands; GB_NO: not inhibited */
  amount total;                 /* nM */
  double missing;               /* part of the rows that go without it: their total is 0 */
  double stack, left, right;    /* of input and output beside each other; of their dangling ends */
} template_;

/* States of a template; each counts the part of its total that is in it. */
typedef enum part { ALONE, WITH_INPUT, WITH_OUTPUT, WITH_BOTH, EXTENDED, INHIBITED, PARTS } part;

/* Parameters of the reactions, in this order: enzymes, K of every strand, totals of templates. */
enum { POLYMERASE, NICKASE, EXONUCLEASE, LEVELS };
enum { MOST_FACTORS = LEVELS + MOST_STRANDS + MOST_TEMPLATES };

typedef struct network {
  size_t n_strand, n_template, n_seen;
  strand strand[MOST_STRANDS]; /* those that are observed first */
  template_ template_[MOST_TEMPLATES];
  amount level[LEVELS]; /* of enzymes */

  /* What is a range and so is drawn for every row: first factors of the reactions, then first concentrations. */
  size_t n_ranged, n_ranged_factor;
  size_t ranged[MOST_RANGED];         /* number of a factor, or MOST_FACTORS + that of a strand */
  double ranged_missing[MOST_RANGED]; /* part of the rows in which it is 0 */
  char ranged_name[MOST_RANGED][2 * NAME];
} network;

/** Read a network.
 *  Local.
 *  @param[in] stack  of templates whose strands have no sequences
 *  @return GB_ERR_CONFIG naming the key and the strand or template */
gb_err gb_pen_read(gb_texts strands, gb_texts templates, gb_texts observe, const gb_reals level[LEVELS], double stack,
                   network *out);

/** A factor of the reactions, and where it is in the state.
 *  Local. */
amount gb_pen_factor(const network *w, size_t factor);
size_t gb_pen_species(const network *w);
size_t gb_pen_part(const network *w, size_t template_number, part which);

/** Its reactions. Concentrations of strands are in `unit` nM, those of template states in their total.
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_pen_react(const network *w, double unit, gb_reactions *out);
