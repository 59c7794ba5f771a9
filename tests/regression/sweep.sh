# tests/regression/sweep.sh - many trainings in one start: on any ranks, killed, stopped, with trials that fail, the results
# of single trainings.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
sweep=$BUILD/bin/greybox-sweep

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3, log_seconds: 1}
xy: {L: 4, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 30, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
data: {path: data/dataset.h5}
model: {encoder: [dense 8], decoder: [dense 8], latent: 2}
train: {steps: 160, batch: 16, shards: 4, validate_every: 20, save_every: 10, log_every: 50, hash_every: 0}
sweep:
  axes: [objective.beta log 0.1 10 count 3, optimizer.learning_rate values 1e-3 1e-2 2000 1000]
END
run 1 "$generate" case.yaml
expect 0 samples

# --- the same results on 1, 2 and 3 ranks, in groups or not. Trials of 2000 have a bad value, those of 1000 diverge.
run 1 "$sweep" case.yaml run.dir=whole
expect 0 "6 done, 6 failed, 0 open"
expect 0 "trial 0002 failed: command line: optimizer\.learning_rate = 2000 is outside the range"
expect 0 "trial 0007 failed: step [0-9]+: .* is not finite"
same_trials() {
  local t file
  cmp whole/sweep.json "$1/sweep.json" || fail "$1: other results"
  for t in 0000 0001 0004 0005 0008 0009; do
    for file in best.h5 checkpoint.h5; do
      cmp whole/trials/$t/$file "$1/trials/$t/$file" || fail "$1/trials/$t/$file is not that of one rank"
    done
  done
  [ -z "$(find "$1" -name '*.part')" ] || fail "left over: $(find "$1" -name '*.part')"
}
run 2 "$sweep" case.yaml run.dir=two
expect 0 "6 done, 6 failed, 0 open"
same_trials two
run 3 "$sweep" case.yaml run.dir=three sweep.ranks_per_trial=2
expect 0 "6 done, 6 failed, 0 open"
same_trials three
[ "$(grep -c '"event":"failed"' three/trials.jsonl)" = 6 ] || fail "failures are not in the ledger"

# --- it is over: nothing is done again.
lines=$(wc -l <two/trials.jsonl)
run 3 "$sweep" case.yaml run.dir=two
expect 0 "6 of 12 trials are done, 6 failed"
[ "$(wc -l <two/trials.jsonl)" = "$lines" ] || fail "something was done again"
same_trials two

# --- --list: commands of single trainings.
run 0 "$sweep" case.yaml run.dir=listed \
  "sweep.axes=[objective.beta log 0.1 10 count 3, optimizer.learning_rate values 1e-3 1e-2]" --list
expect 0 "^greybox-train case\.yaml objective\.beta=0\.1 optimizer\.learning_rate=1e-3 run\.dir=listed/trials/0000$"
mv out commands
[ "$(wc -l <commands)" = 6 ] || fail "there are $(wc -l <commands) commands"
for pair in 0001:1 0004:2; do # two rates of each beta are not listed
  t=${pair%:*} n=${pair#*:}
  run 2 bash -c "PATH=$BUILD/bin:\$PATH; $(sed -n "$((n + 1))p" commands)"
  expect 0 "160 steps"
  cmp "whole/trials/$t/checkpoint.h5" "listed/trials/000$n/checkpoint.h5" || fail "command $n: another training"
done

run 2 "$sweep" case.yaml run.dir=listed \
  "sweep.axes=[objective.beta log 0.1 10 count 3, optimizer.learning_rate values 1e-3 1e-2]" # collects them
expect 0 "6 done, 0 failed, 0 open"
cmp whole/trials/0001/checkpoint.h5 listed/trials/0001/checkpoint.h5 || fail "a collected trial was changed"

# --- kill -9, the launcher, a rank or all, and on with other ranks: the same results.
RANDOM=20261122
killed_like_whole() {
  same_trials killed
}
start() {
  begin $(($1 % 3 + 1)) "$sweep" case.yaml run.dir=killed sweep.ranks_per_trial=$(($1 % 2 + 1))
  pause 300 900
}
kill_often 5 killed start killed_like_whole

# --- asked to stop: status 75, and no trial comes to its end. trained: how many lines about steps the logs have.
trained() {
  cat stopped/trials/*/log.jsonl 2>/dev/null | grep -c '"event":"train"' || true
}
until_training() {
  local tries=0
  while [ $tries -lt 400 ]; do
    tries=$((tries + 1))
    [ "$(trained)" -le "$1" ] || return 0
    sleep 0.02
  done
  fail "no step is made: $(tail -n 3 out)"
}
n=0
for how in usr1-a-rank stop-file usr1; do
  before=$(trained)
  n=$((n + 1))
  begin $((n % 3 + 1)) "$sweep" case.yaml run.dir=stopped train.steps=100000
  until_training "$before"
  find_ranks
  case $how in
  usr1-a-rank) kill -USR1 "${ranks[-1]}" ;;
  stop-file) touch stopped/stop ;;
  usr1) kill -USR1 "$launcher" ;; # mpirun passes it on
  esac
  end
  gone "${ranks[@]}"
  [ "$status" = 75 ] || fail "$how: status $status where 75 is expected: $(tail -n 3 out)"
  grep -q "stopped on request; everything is saved in stopped" out || fail "$how: $(tail -n 3 out)"
  [ ! -e stopped/stop ] || fail "the stop file is still there: the next start would stop, too"
done
! grep -q '"event":"done"' stopped/trials.jsonl || fail "a trial came to its end"

# --- a ledger that can no longer be written: every group saves and stops, and the reason is told; nothing is lost.
for ranks_of_it in 1 3; do
  rm -rf lost
  begin $ranks_of_it "$sweep" case.yaml run.dir=lost
  for _ in $(seq 400); do
    if grep -qs '"event":"done"' lost/trials.jsonl; then break; fi
    sleep 0.02
  done
  find_ranks
  mv lost/trials.jsonl lost/kept
  end
  gone "${ranks[@]}"
  [ "$status" = 3 ] || fail "status $status where 3 is expected: $(tail -n 3 out)"
  [ "$(grep -c 'error: lost/trials.jsonl: No such file or directory' out)" = 1 ] || fail "$(tail -n 3 out)"
done
mv lost/kept lost/trials.jsonl
run 2 "$sweep" case.yaml run.dir=lost
expect 0 "6 done, 6 failed, 0 open"
same_trials lost

# --- successive halving: the same promotions on any ranks; who gets to the end is a single training, bit for bit.
halving=(sweep.seeds=2 "sweep.axes=[objective.beta log 0.1 10 count 4, optimizer.learning_rate values 1e-3 1e-2]"
  sweep.rungs=3 sweep.eta=2 optimizer.schedule=cosine)
for ranks_of_it in 1 3; do
  run $ranks_of_it "$sweep" case.yaml run.dir=halved$ranks_of_it "${halving[@]}"
  expect 0 "16 done, 0 failed"
done
cmp halved1/sweep.json halved3/sweep.json || fail "halving depends on the ranks"
best=$(sed -n 's/.*the best one: halved3\/trials\/\([0-9]*\);.*/\1/p' out)
run 0 "$sweep" case.yaml run.dir=single "${halving[@]}" --list
command=$(sed -n "$((10#$best + 1))p" out)
run 1 bash -c "PATH=$BUILD/bin:\$PATH; $command"
expect 0 "160 steps"
for file in best.h5 checkpoint.h5; do
  cmp "single/trials/$best/$file" "halved3/trials/$best/$file" || fail "a promoted trial is not the single training"
done
ended=$(grep '"event":"done"' halved3/trials.jsonl | grep -c '"rung":2')
[ "$ended" -ge 4 ] || fail "only $ended of 16 trials came to the end"
[ "$ended" -lt 9 ] || fail "$ended of 16 trials came to the end"

# --- a torn last line is forgotten; what else does not belong there is refused.
cp -r two torn
printf '{"time":"2026-11-22T10:00:00Z","event":"done","tri' >>torn/trials.jsonl
run 2 "$sweep" case.yaml run.dir=torn
expect 0 "continuing torn/trials.jsonl: 6 of 12 trials are done, 6 failed"
[ "$(wc -l <torn/trials.jsonl)" = "$lines" ] || fail "the torn line was not cut off"
grep -v '"event":"done"' two/trials.jsonl >torn/trials.jsonl # results that were never written down are found again
run 2 "$sweep" case.yaml run.dir=torn sweep.ranks_per_trial=2
expect 0 "6 done, 6 failed, 0 open"
same_trials torn
sed -i '3s/.*/garbage/' torn/trials.jsonl
run 0 "$sweep" case.yaml run.dir=torn
expect 3 "torn/trials\.jsonl:3: this line is damaged"

# refused RANKS STATUS TEXT OVERRIDE...
refused() {
  local ranks_of_it=$1 wanted=$2 text=$3
  shift 3
  run "$ranks_of_it" "$sweep" case.yaml run.dir=two "$@"
  expect "$wanted" "$text"
  [ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
}
refused 2 2 'sweep\.seeds is now 2 but two/trials\.jsonl was made with 1\.' sweep.seeds=2
refused 2 2 'objective\.beta bet 1 2": the word behind the key is none of values' "sweep.axes=[objective.beta bet 1 2]"
refused 0 2 'Did you mean .objective\.beta' "sweep.axes=[objective.betta log 1 2 count 2]"
refused 0 2 'run\.dir cannot be varied' "sweep.axes=[run.dir values a b]"
refused 0 2 'add count N' "sweep.axes=[objective.beta log 1 2]"
refused 0 2 'Did you mean .sweep\.metric' sweep.metrik=loss
refused 0 2 'sweep\.trials = 0: a sobol design needs to know how many points' sweep.design=sobol
run 0 "$sweep" case.yaml run.dir=term "sweep.axes=[objective.beta values 1 2]" sweep.metric=nlll
expect 4 'all 2 trials failed, .*the model has no term .nlll.\. It has loss, nll, kl'
run 0 "$sweep" case.yaml run.dir=term2 "sweep.axes=[objective.beta values 0.5 8]" sweep.metric=kl
expect 0 "the best one: term2/trials/0001" # more weight, less divergence
