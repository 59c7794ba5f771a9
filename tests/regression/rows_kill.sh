# tests/regression/rows_kill.sh - simulated rows after kills and stops: the same data, or a clear message.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

cat >case.yaml <<'END'
run: {physics: pendulum, seed: 5, log_seconds: 1}
simulate: {training: 700, validation: 200, test: 300, save_seconds: 0}
END
run 2 "$generate" case.yaml run.dir=whole
expect 0 "700 \\+ 200 \\+ 300 rows"

# under_way: wait until this start has saved its first state, or is over.
under_way() {
  for _ in $(seq 500); do
    [ -z "$(find killed -name generate.state.h5 -newer mark 2>/dev/null)" ] && kill -0 "$launcher" 2>/dev/null || return 0
    sleep 0.02
  done
}

# --- kill -9 at random moments: the launcher, one rank, or all at once; on 1, 2 and 3 ranks in turn.
RANDOM=20240607
start() {
  touch mark
  sleep 0.02
  begin $(($1 % 3 + 1)) "$generate" case.yaml run.dir=killed
  under_way
  pause 0 250
}
like_whole() {
  same whole/dataset.h5 killed/dataset.h5
}
kill_often 7 killed start like_whole
grep -q "continuing: [1-9]" out || fail "the last start did not continue: $(tail -n 3 out)"

# --- asked to stop: status 75, then the same command goes on to the same data, on other ranks.
mkdir stopped
touch stopped/stop
run 2 "$generate" case.yaml run.dir=stopped
expect 75 "stopped on request; everything is saved in stopped"
[ ! -e stopped/stop ] || fail "the stop file is still there"
for file in generate.state.h5 dataset.h5.part; do [ -e stopped/$file ] || fail "$file is missing"; done
cp -r stopped damaged
cp -r stopped gone

run 2 "$generate" case.yaml run.dir=stopped simulate.training=701
expect 2 "simulate.training.*70[01].*70[01]"
run 0 "$generate" case.yaml run.dir=stopped "pendulum.omega=[1, 2]"
expect 2 "pendulum.omega"
run 0 "$generate" case.yaml run.dir=stopped run.resume=false
expect 2 "run.resume is false"
run 0 "$generate" case.yaml run.dir=stopped run.physics=xy
[ "$status" != 0 ] || fail "the state of a pendulum became lattices"
cmp damaged/generate.state.h5 stopped/generate.state.h5 || fail "the state was changed"
run 3 "$generate" case.yaml run.dir=stopped simulate.save_seconds=7 # may change
expect 0 "continuing: [1-9][0-9]* of 1200 rows are stored"
same whole/dataset.h5 stopped/dataset.h5

# --- damage
truncate -s 1000 damaged/generate.state.h5
cp -r damaged twice
run 2 "$generate" case.yaml run.dir=damaged
expect 0 "generate\.state\.h5.*Going on from damaged/generate\.state\.prev\.h5"
same whole/dataset.h5 damaged/dataset.h5
truncate -s 1000 twice/generate.state.prev.h5
run 2 "$generate" case.yaml run.dir=twice
expect 3 "generate\.state\.h5: .*generate\.state\.prev\.h5, is no better"
rm gone/dataset.h5.part
run 2 "$generate" case.yaml run.dir=gone
expect 3 "dataset.h5.part: "

# --- complete: nothing to do.
before=$(sha256sum stopped/dataset.h5)
run 2 "$generate" case.yaml run.dir=stopped
expect 0 "nothing to do"
[ "$before" = "$(sha256sum stopped/dataset.h5)" ] || fail "a complete data set was written to"
run 2 "$generate" case.yaml run.dir=stopped run.seed=6
expect 2 "run.seed"
