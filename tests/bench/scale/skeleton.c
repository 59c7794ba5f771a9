/* tests/bench/scale/skeleton.c - the messages of a training step, without the numbers: run by SimGrid's SMPI on a
 * machine that exists only in a file. Everything it prints is SIMULATED time.
 *
 * Usage (scale.py): smpirun ... skeleton MODE RANKS_PER_NODE ROWS STEPS T_FIX T_ROW T_BYTE BUCKET LAYERS
 *   MODE     lanes: comm/exchange.h as it works between nodes. ours: the same, but the messages of all lanes of a node
 * are sent by its first rank as one: lanes do the same at the same time and share one network card, and SimGrid needs
 * the square of the number of messages under way. allreduce: gradients complete, then one MPI_Allreduce of floats over
 * all ranks, and every rank updates all weights. ROWS     of a rank; a pass takes T_FIX + ROWS T_ROW seconds, measured
 * on one core T_BYTE   seconds per byte that a rank moves through memory when it adds or updates, measured BUCKET
 * floats of a message bucket LAYERS   file of lines `WEIGHTS MACS` in forward order: how the time of a pass is spent,
 * and what is final when Prints seconds of a step and of its passes alone. Assumed: ranks are equally fast, messages
 * move on by themselves. */
#include <mpi.h>
#include <smpi/smpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 64, MOST_BUCKETS = 64, BLOCK = 512, TERMS = 3, ADAM_BYTES = 28 /* g, and w, m, v both ways */ };

typedef struct job {
  MPI_Comm here, lane;
  int ranks, per_node, nodes, place; /* place: on my node */
  double rows, t_fix, t_row, t_byte, macs;
  long weights, bucket, layer_weights[MOST_LAYERS];
  double layer_macs[MOST_LAYERS];
  int layers, buckets;
  bool merged;    /* lanes */
  int *counts[4]; /* [nodes] of messages and their places, filled per bucket */
  float *send, *recv, *vector;
  double *doubles;
} job;

static const double host_speed = 1e9; /* of the platform file: seconds become its operations */

static void spend(double seconds)
{
  smpi_execute_flops(seconds * host_speed);
}

static void read_layers(job *j, const char *path)
{
  FILE *f = fopen(path, "r");
  if (!f) exit(1);
  while (j->layers < MOST_LAYERS &&
         fscanf(f, "%ld %lf", &j->layer_weights[j->layers], &j->layer_macs[j->layers]) == 2) {
    j->weights += j->layer_weights[j->layers];
    j->macs += (j->layers ? 3 : 2) * j->layer_macs[j->layers]; /* of the first no gradient of its input */
    j->layers++;
  }
  fclose(f);
}

/* Seconds of a pass that go to so many of its multiplications. */
static double seconds(const job *j, double macs)
{
  return (j->t_fix + j->rows * j->t_row) * macs / j->macs;
}

static long bucket_size(const job *j, int k)
{
  long first = k * j->bucket, end = first + j->bucket;
  return (k == j->buckets - 1 || end > j->weights ? j->weights : end) - first;
}

/* What my node has of bucket k for each owner in my lane: first added over the ranks of the node. */
static void start_bucket(job *j, int k, MPI_Request *request)
{
  int piece = (int)(bucket_size(j, k) / (j->merged ? j->nodes : j->ranks));
  *request = MPI_REQUEST_NULL;
  spend((double)bucket_size(j, k) * sizeof(float) * j->t_byte); /* per_node parts of a per_node-th of it */
  if (j->merged && j->place) return;
  for (int m = 0; m < j->nodes; m++) {
    j->counts[0][m] = piece;
    j->counts[1][m] = m * piece;
  }
  MPI_Ialltoallv(j->send, j->counts[0], j->counts[1], MPI_FLOAT, j->recv, j->counts[0], j->counts[1], MPI_FLOAT,
                 j->lane, request);
}

static void step_ours(job *j)
{
  MPI_Request request[MOST_BUCKETS];
  int started = 0;
  long first = j->weights;
  double forward = 0, owned = (double)j->weights / j->ranks;
  for (int i = 0; i < j->layers; i++) forward += j->layer_macs[i];
  spend(seconds(j, forward));
  for (int i = j->layers - 1; i >= 0; i--) {
    spend(seconds(j, (i ? 2 : 1) * j->layer_macs[i]));
    first -= j->layer_weights[i];
    for (; j->nodes > 1 && started < j->buckets && first <= (j->buckets - 1 - started) * j->bucket; started++)
      start_bucket(j, j->buckets - 1 - started, &request[started]);
  }
  MPI_Allreduce(MPI_IN_PLACE, j->doubles, TERMS * (j->ranks + 1), MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  if (j->nodes > 1) MPI_Waitall(started, request, MPI_STATUSES_IGNORE);
  /* the last additions of what I own: one vector from each node, or from each rank of the only one; then Adam */
  spend(((j->nodes > 1 ? j->nodes : j->per_node) * (double)sizeof(float) + ADAM_BYTES) * owned * j->t_byte);
  if (j->nodes > 1) MPI_Allreduce(MPI_IN_PLACE, j->doubles, (int)(j->weights / BLOCK), MPI_DOUBLE, MPI_SUM, j->lane);
  MPI_Barrier(j->here);
  for (int k = 0; k < j->buckets && j->nodes > 1; k++) {
    int piece = (int)(bucket_size(j, k) / (j->merged ? j->nodes : j->ranks));
    request[k] = MPI_REQUEST_NULL;
    if (j->merged && j->place) continue;
    for (int m = 0; m < j->nodes; m++) {
      j->counts[2][m] = piece;
      j->counts[3][m] = m * piece;
    }
    MPI_Iallgatherv(j->send, piece, MPI_FLOAT, j->vector, j->counts[2], j->counts[3], MPI_FLOAT, j->lane, &request[k]);
  }
  if (j->nodes > 1) MPI_Waitall(j->buckets, request, MPI_STATUSES_IGNORE);
  MPI_Barrier(j->here);
}

static void step_allreduce(job *j)
{
  spend(seconds(j, j->macs));
  MPI_Allreduce(MPI_IN_PLACE, j->vector, (int)j->weights, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  spend((double)j->weights * ADAM_BYTES * j->t_byte);
}

int main(int argc, char **argv)
{
  job j = {.layers = 0};
  MPI_Init(&argc, &argv);
  if (argc != 10) return 2;
  int rank, steps = atoi(argv[4]);
  bool ours = strcmp(argv[1], "allreduce");
  j.merged = !strcmp(argv[1], "ours");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &j.ranks);
  j.per_node = atoi(argv[2]) < j.ranks ? atoi(argv[2]) : j.ranks;
  j.rows = atof(argv[3]);
  j.t_fix = atof(argv[5]);
  j.t_row = atof(argv[6]);
  j.t_byte = atof(argv[7]);
  j.bucket = atol(argv[8]);
  read_layers(&j, argv[9]);
  j.buckets = (int)(j.weights / j.bucket);
  j.buckets = j.buckets < 1 ? 1 : j.buckets > MOST_BUCKETS ? MOST_BUCKETS : j.buckets;
  j.bucket = j.weights / j.buckets;
  j.nodes = j.ranks / j.per_node;
  j.place = rank % j.per_node;
  MPI_Comm_split(MPI_COMM_WORLD, rank / j.per_node, rank, &j.here);
  MPI_Comm_split(MPI_COMM_WORLD, j.place, rank, &j.lane);
  for (int i = 0; i < 4; i++) j.counts[i] = malloc((size_t)j.nodes * sizeof(int));
  size_t piece = 2 * (size_t)j.bucket / (size_t)(j.merged ? 1 : j.per_node) + 1,
         doubles = (size_t)(j.weights / BLOCK + TERMS * (j.ranks + 1));
  j.send = calloc(piece, sizeof(float)); /* one bucket's room for all of them: what is in messages does not matter */
  j.recv = calloc(piece, sizeof(float));
  j.vector = ours ? calloc(piece, sizeof(float)) : SMPI_SHARED_MALLOC((size_t)j.weights * sizeof(float));
  j.doubles = calloc(doubles, sizeof(double));
  if (!j.send || !j.recv || !j.vector || !j.doubles) return 1;
  MPI_Barrier(MPI_COMM_WORLD);
  double begin = MPI_Wtime();
  for (int s = 0; s < steps; s++)
    if (ours)
      step_ours(&j);
    else
      step_allreduce(&j);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) printf("%.9g %.9g\n", (MPI_Wtime() - begin) / steps, seconds(&j, j.macs));
  MPI_Finalize();
  return 0;
}
