# shellcheck shell=bash
# What the *.sbatch share: a program as a batch job that saves before its time is up and goes on in the queue. Read with
# `.` from the top folder; without Slurm it runs on local ranks.
# shellcheck source=jobs/common.sh
. jobs/common.sh

# tell WORDS...: a line in the log of the job
tell() {
  echo "$(date -u +%FT%TZ) ${SLURM_JOB_ID:+job $SLURM_JOB_ID: }$*"
}

# as_member PROGRAM CONFIG [section.key=value ...]: the arguments of this task of an array into the array `words`; the
# task number is the seed, and each has its own directory. Of a sweep: the line of that number in `greybox-sweep --list`.
as_member() {
  local program=$1 config=$2 id=$SLURM_ARRAY_TASK_ID dir
  shift 2
  case $program in
  sweep)
    # shellcheck disable=SC2086 # words
    eval "words=($($bin/greybox-sweep "$config" "$@" --list | sed -n "${id}p"))"
    [ ${#words[@]} -gt 0 ] || { tell "the sweep has no trial $id" && exit 2; }
    words[0]=${words[0]#greybox-}
    ;;
  generate | train)
    dir=$(run_dir "$@")
    words=("$program" "$config")
    [ "$program" = generate ] || words+=("data.path=$dir/dataset.h5")
    words+=("$@" "run.dir=$dir/seed$id" "run.seed=$id")
    ;;
  *) tell "no arrays of $program" && exit 2 ;;
  esac
}

# supervise COMMAND...: run it, pass signals on, set `status`; `warned` if Slurm said that the time is almost up.
# Open MPI's and Slurm's launchers pass SIGUSR1 to all ranks. SIGTERM they may follow by SIGKILL within 2 s, so it becomes
# SIGUSR1, too: the ranks agree, save, and end with 75.
supervise() {
  local child signalled=1
  warned=''
  "$@" &
  child=$!
  trap 'signalled=1 warned=1; kill -USR1 "$child" 2>/dev/null' USR1
  trap 'signalled=1; kill -USR1 "$child" 2>/dev/null' TERM INT
  while [ -n "$signalled" ]; do # a trap ends `wait`, but not the program
    signalled='' status=0
    wait "$child" || status=$?
  done
  trap - USR1 TERM INT
}

# again: this job once more, from what it saved; returns only if that cannot be
again() {
  local n=${SLURM_RESTART_COUNT:-0} most=${REQUEUES:-100}
  [ "$n" -lt "$most" ] || { tell "not requeued: it was $n times already, REQUEUES=$most at most" && return; }
  tell "time is up and all is saved: requeued, start $((n + 2)) of at most $((most + 1))"
  scontrol requeue "$SLURM_JOB_ID" || { tell "scontrol requeue failed" && return; }
  sleep 60 # Slurm ends this script
}

# batch PROGRAM CONFIG [section.key=value ...]: the whole job; ends the script
batch() {
  local words=("$@")
  [ $# -ge 2 ] || { tell "usage: ${0##*/} CONFIG [section.key=value ...]" && exit 2; }
  [ -z "${SLURM_ARRAY_TASK_ID:-}" ] || as_member "$@"
  tell "start $((${SLURM_RESTART_COUNT:-0} + 1)): $launch greybox-${words[*]}"
  # shellcheck disable=SC2086 # words
  supervise $launch $bin/greybox-"${words[0]}" "${words[@]:1}"
  case $status in
  0) ;;
  75)
    [ -z "$warned" ] || [ -z "${SLURM_JOB_ID:-}" ] || again
    tell "stopped, and saved: the same command goes on"
    ;;
  8) tell "it hung: status 8 (docs/FILES.md), the lines above say where; not requeued. Look at nodes and file systems; the same command goes on from the last save" ;;
  [2-7]) tell "failed with status $status (docs/FILES.md): trying again does not help by itself, so it is not requeued" ;;
  *) tell "lost with status $status (a rank, a node or the launcher died): not requeued; the same command goes on from the last save" ;;
  esac
  exit "$status"
}
