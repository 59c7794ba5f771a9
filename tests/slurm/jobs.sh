# tests/slurm/jobs.sh - the job scripts under a real Slurm: two virtual nodes (start.sh), started and stopped here.
# Jobs that do not wait for each other run side by side. Slurm looks at time limits every 30 s: that sets the length.
# shellcheck shell=bash disable=SC2015
skip() {
  echo "SKIPPED: THE JOB SCRIPTS ARE NOT TESTED: $*"
  exit 77
}
for tool in slurmctld slurmd sbatch munged unshare; do
  PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || skip "$tool is missing (jobs/install.sh test)"
done
. "$SOURCE/tests/regression/common.bash"
here=$SOURCE/tests/slurm
nodes=2
[ "$(id -u)" = 0 ] || nodes=1
"$here/start.sh" -n $nodes -c 16 -d "$dir/slurm" >env.txt 2>err || skip "slurmd cannot run here: $(tail -n 2 err)"
trap '"$here/stop.sh" "$dir/slurm" 2>/dev/null; rm -rf "$dir"' EXIT
# shellcheck source=/dev/null
. "$dir/slurm/env.sh"
export BIN=$BUILD/bin
train=$BIN/greybox-train
cp -r "$SOURCE/jobs" . # without settings of this site

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3, log_seconds: 1}
xy: {L: 4, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 60, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
model: {encoder: [dense 16], decoder: [dense 16], latent: 2}
objective: {energy_weight: 5}
train: {steps: 100, batch: 16, shards: 4, validate_every: 50, save_every: 50, log_every: 50}
END
cat >sweep.yaml <<'END'
run: {physics: xy, dir: swept, seed: 3}
xy: {L: 4, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 60, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
model: {encoder: [dense 8], decoder: [dense 8], latent: 2}
train: {steps: 50, batch: 16, shards: 4, validate_every: 50}
sweep: {axes: [objective.beta log 1 100 count 2]}
END
run 1 "$generate" case.yaml
expect 0 samples

# job FLAGS SCRIPT ARGUMENTS...: sbatch; its number: $job
job() {
  job=$(sbatch --parsable --output=%j.log --ntasks=1 "$@")
}
# of JOB FIELD: what scontrol shows of it
of() {
  scontrol -o show job "$1" | sed -nE "s/.* $2=([^ ]*).*/\1/p" | head -n 1
}
# ends JOB STATE [EXIT CODE]: wait for the end of a job, which is this
ends() {
  local state end=$((SECONDS + 170))
  while state=$(of "$1" JobState); [[ $state =~ ^(PENDING|RUNNING|COMPLETING|REQUEUED)$ ]]; do
    [ $SECONDS -lt $end ] || fail "job $1 is still $state: $(tail -n 5 "$1".log)"
    sleep 0.5
  done
  [ "$state" = "$2" ] || fail "job $1 is $state where $2 is expected: $(tail -n 5 "$1".log)"
  [ -z "${3:-}" ] || [ "$(of "$1" ExitCode)" = "$3:0" ] || fail "job $1 ended with $(of "$1" ExitCode), not $3: $(tail -n 12 "$1".log)"
}
# says JOB TEXT: its log has it
says() {
  grep -qE -- "$2" "$1.log" || fail "the log of job $1 lacks \"$2\": $(tail -n 5 "$1".log)"
}
# first_of FILE STAGE: the number of the first job of a stage that pipeline.sh told
first_of() {
  sed -nE "s/^([0-9]+)  $2 .*/\1/p" "$1" | head -n 1
}
# like A B: two trainings have ended with the same bytes
like() {
  cmp "$1/checkpoint.h5" "$2/checkpoint.h5" && cmp "$1/best.h5" "$2/best.h5" || fail "$2 is not like $1"
}
# ends_like_whole DIR: a training that was interrupted goes on, on other ranks, and ends as one that never was
ends_like_whole() {
  local steps one
  steps=$(h5dump -d /numbers -y -w 0 "$1/checkpoint.h5" | awk -F', ' '/^ +[0-9]/ {print $2}')
  steps=$((steps / 50 * 50 + 50))
  for one in "$1" "whole.$1"; do
    run 3 "$train" case.yaml data.path=data/dataset.h5 run.dir="$one" train.steps=$steps
    expect 0 "HG-VAE, $steps steps"
  done
  like "whole.$1" "$1"
}
endless=(data.path=data/dataset.h5 train.steps=1000000 train.save_every=1) # slow steps: each is saved

# --- all at once. A job whose time is almost up whenever Slurm looks: it must be seen to go on three times
job --nodes=$nodes --ntasks=2 --time=1 --signal=B:USR1@50 jobs/train.sbatch case.yaml "${endless[@]}" run.dir=again
again=$job
# one that may not go on; one that is stopped with scancel, on two nodes, started by srun
REQUEUES=0 job --time=1 --signal=B:USR1@50 jobs/train.sbatch case.yaml "${endless[@]}" run.dir=bounded
bounded=$job
LAUNCH="srun --mpi=pmix" job --nodes=$nodes --ntasks=2 jobs/train.sbatch case.yaml "${endless[@]}" run.dir=cancelled
cancelled=$job
# two of which a rank will be stopped for good, on two nodes, started by mpirun and by srun
job --nodes=$nodes --ntasks=2 jobs/train.sbatch case.yaml "${endless[@]}" run.dir=hung run.watchdog=5
hung=$job
LAUNCH="srun --mpi=pmix" job --nodes=$nodes --ntasks=2 jobs/train.sbatch case.yaml "${endless[@]}" run.dir=hung2 run.watchdog=5
hung2=$job
# one with a mistake in its config, one without its data
job jobs/train.sbatch case.yaml model.latent=-1 run.dir=wrong
wrong=$job
job jobs/train.sbatch case.yaml data.path=nowhere.h5 run.dir=without
without=$job
# one that saves nothing on the way; arrays: of seeds, of the trials of a sweep
job jobs/analyze.sbatch case.yaml
analysis=$job
job --array=1-2 jobs/train.sbatch case.yaml
seeds=$job
job --array=1-2 jobs/sweep.sbatch sweep.yaml data.path=data/dataset.h5
trials=$job
# pipelines: of the ladder; of a sweep; one whose first stage fails, for its directory cannot be; one with a mistake
flags=(--output=%j.log --ntasks=1)
jobs/pipeline.sh "${flags[@]}" case.yaml run.dir=ladder >ladder.txt
jobs/pipeline.sh "${flags[@]}" sweep.yaml run.dir=study >study.txt
jobs/pipeline.sh "${flags[@]}" case.yaml run.dir=case.yaml/impossible >broken.txt
if jobs/pipeline.sh "${flags[@]}" case.yaml model.latent=-1 >refused.txt 2>&1; then fail "a wrong config was queued"; fi
grep -q 'model\.latent' refused.txt && ! grep -q '^[0-9]' refused.txt || fail "no reason is given: $(cat refused.txt)"

# --- stopped for good, as soon as something is saved
for one in hung hung2; do
  for _ in $(seq 300); do
    [ ! -e $one/checkpoint.prev.h5 ] || break
    sleep 0.2
  done
  mapfile -t pids < <(pgrep -f "^[^ ]*greybox-train .* run\.dir=$one ")
  [ ${#pids[@]} = 2 ] || fail "$one has the ranks ${pids[*]}: $(tail -n 3 ./*.log)"
  kill -STOP "${pids[1]}"
done

# --- meanwhile: a mistake ends its job at once, and is not tried again
ends "$wrong" FAILED 2
says "$wrong" 'model\.latent'
says "$wrong" 'failed with status 2 .* not requeued'
ends "$without" FAILED 3
says "$without" 'nowhere\.h5: No such file'
for one in "$wrong" "$without"; do [ "$(of "$one" Restarts)" = 0 ] || fail "job $one was requeued"; done

# --- what depends on a stage that failed does not start
ends "$(first_of broken.txt generate)" FAILED 3
for stage in train report; do
  one=$(first_of broken.txt $stage)
  ends "$one" CANCELLED
  [ ! -e "$one.log" ] || fail "the $stage after a failed stage was started"
done

# --- without Slurm, the same script: what the arrays are compared with
for beta in 1 100; do
  bash jobs/train.sbatch sweep.yaml data.path=data/dataset.h5 objective.beta=$beta run.dir=alone$beta >out 2>&1 || fail "$(tail -n 3 out)"
done
bash jobs/train.sbatch case.yaml data.path=data/dataset.h5 run.dir=alone run.seed=2 >out 2>&1 ||
  fail "$(tail -n 3 out)"
for i in 1 2; do ends "${seeds}_$i" COMPLETED; done
like alone data/seed2
for i in 1 2; do ends "${trials}_$i" COMPLETED; done
like alone1 swept/trials/0000
like alone100 swept/trials/0001

# --- a rank that hangs: the others tell, and who was stopped is ended, too; the status is 8 by mpirun; by srun maybe that
# of the stopped one, which wakes up among the dead (5), or is killed (137). Then the same command goes on
for one in "hung $hung" "hung2 $hung2"; do
  read -r one number <<<"$one"
  ends "$number" FAILED
  [ "$one" = hung2 ] || ends "$number" FAILED 8
  says "$number" 'rank [01] of 2 on .*: nothing has moved since'
  says "$number" '(it hung: status 8|failed with status 5|lost with status 137) .* not requeued'
  [ "$(of "$number" Restarts)" = 0 ] || fail "job $number was requeued"
  if pgrep -f "^[^ ]*greybox-train .* run\.dir=$one " >pids; then fail "ranks of $one are left behind: $(cat pids)"; fi
  ends_like_whole "$one"
done

# --- scancel: what it leaves can go on; until then nobody else may use the directory
for _ in $(seq 300); do
  [ ! -e cancelled/checkpoint.prev.h5 ] || break
  sleep 0.2
done
run 1 "$train" case.yaml run.dir=cancelled
expect 7 "another run uses this directory: greybox-train job=$cancelled host="
scancel "$cancelled"
ends "$cancelled" CANCELLED
ends_like_whole cancelled

# --- pipelines
ends "$analysis" COMPLETED
[ -e data/analysis.h5 ] || fail "no analysis: $(tail -n 3 "$analysis".log)"
for stage in generate train report; do ends "$(first_of ladder.txt $stage)" COMPLETED; done
for model in vae h-vae g-vae hg-vae; do grep -q "ladder/$model" ladder/report.json || fail "the report lacks $model"; done
for stage in generate sweep report; do ends "$(first_of study.txt $stage)" COMPLETED; done
[ -e study/sweep.json ] && [ -e study/report.html ] || fail "the sweep has no report"

# --- requeued, and bounded
ends "$bounded" FAILED 75
says "$bounded" 'not requeued: it was 0 times already'
for _ in $(seq 340); do
  [ "$(of "$again" Restarts)" -lt 3 ] || [ "$(of "$again" JobState)" != RUNNING ] || break
  sleep 0.5
done
[ "$(of "$again" Restarts)" -ge 3 ] || fail "it was requeued $(of "$again" Restarts) times: $(tail -n 5 "$again".log)"
touch again/stop
ends "$again" FAILED 75
says "$again" 'stopped, and saved'
[ "$(grep -c 'continuing .* after [0-9]* steps' "$again.log")" -ge 3 ] || fail "it did not go on three times"
ends_like_whole again
