# tests/regression/watchdog.sh - a rank that is stopped for good, or a file system that never answers, ends a program with
# status 8, and the same command goes on to the same result; shorter pauses are survived.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
sweep=$BUILD/bin/greybox-sweep

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3, log_seconds: 1}
xy: {L: 8, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 400, burn_in: 32, pilot: 128, spacing: 2, save_seconds: 0}
data: {path: data/dataset.h5}
model: {encoder: [dense 16], decoder: [dense 16], latent: 2}
objective: {energy_weight: 5}
train: {steps: 800, batch: 16, shards: 4, validate_every: 50, save_every: 5, log_every: 50}
sweep: {axes: [objective.beta log 1 100 count 2]}
END

# program NAME: its path into $program, what it is to leave into $results
program() {
  program=$BUILD/bin/greybox-$1
  case $1 in
  generate) results=(dataset.h5) ;;
  train) results=(checkpoint.h5 best.h5) ;;
  sweep) results=(sweep.json trials/0000/checkpoint.h5 trials/0001/best.h5) ;;
  esac
}
for name in generate train sweep; do
  program $name
  run 2 "$program" case.yaml run.dir=whole.$name data.path=whole.generate/dataset.h5
  expect 0 ""
done
mkdir data && cp whole.generate/dataset.h5 data

# like_whole NAME DIR
like_whole() {
  local file
  for file in "${results[@]}"; do
    if [ "$file" = dataset.h5 ]; then
      same whole.generate/dataset.h5 "$2/$file"
    else
      cmp "whole.$1/$file" "$2/$file" || fail "$2/$file is not that of an undisturbed run"
    fi
  done
}

# until_saved DIR PROCESS...: until the run there has saved something
until_saved() {
  local at=$1
  shift
  for _ in $(seq 600); do
    [ -z "$(find "$at" -name '*.prev.h5' 2>/dev/null)" ] || return 0
    alive "$@" || break
    sleep 0.02
  done
  fail "$at: nothing is saved: $(tail -n 3 out)"
}

# start NAME DIR RANKS SECONDS: with this limit, until it has saved something
start() {
  program "$1"
  begin "$3" "$program" case.yaml run.dir="$2" run.watchdog="$4"
  for _ in $(seq 200); do
    find_ranks
    [ ${#ranks[@]} -lt "$3" ] || break
    sleep 0.02
  done
  until_saved "$2" "${ranks[@]}"
}

# --- a rank is stopped and stays so: the first, the last; then the same command goes on, on other ranks
for case in generate.0 train.-1 sweep.0 sweep.-1; do
  name=${case%.*}
  start "$name" "$case" 3 2
  kill -STOP "${ranks[${case#*.}]}"
  SECONDS=0
  end
  gone "${ranks[@]}"
  [ "$status" = 8 ] || fail "$case: status $status where 8 is expected: $(tail -n 3 out)"
  [ $SECONDS -lt 40 ] || fail "$case: it took $SECONDS s"
  grep -qE "^greybox-$name: error: rank [0-9] of 3 on .*: nothing has moved since .*\(run\.watchdog = 2 s\),.* after [a-z0-9_]+\(\)" out ||
    fail "$case: it does not say where: $(cat out)"
  run 2 "$program" case.yaml run.dir="$case"
  expect 0 ""
  like_whole "$name" "$case"
done

# --- a rank is stopped for less than the limit
start train paused 2 6
kill -STOP "${ranks[1]}"
sleep 2
kill -CONT "${ranks[1]}"
end
[ "$status" = 0 ] || fail "status $status after a pause: $(tail -n 3 out)"
like_whole train paused

# --- two ranks of three that wait for the only trial, longer than the limit, are not taken for lost
for steps in 4000 16000 64000; do
  SECONDS=0
  run 3 "$sweep" case.yaml run.dir=idle$steps run.watchdog=1 "sweep.axes=[objective.beta values 1]" train.steps=$steps train.save_every=1000
  expect 0 "1 done"
  [ $SECONDS -lt 4 ] || break
done
[ $SECONDS -ge 4 ] || fail "the trial took $SECONDS s only: nobody has waited for long"

# --- a file system that never answers, when a result is to get its name
cat >hang.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int rename(const char *from, const char *to)
{
  const char *end = strrchr(to, '/'), *at = getenv("HANG_AT");
  while (at && end && !strcmp(end + 1, at)) pause();
  return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
END
cc -shared -fPIC -o hang.so hang.c -ldl
while read -r name file; do
  status=0
  timeout -k 5 60 mpirun -n 2 -x LD_PRELOAD="$dir/hang.so" -x HANG_AT="$file" "$BUILD/bin/greybox-$name" case.yaml \
    run.dir="hung" data.path=data/dataset.h5 report.models="[whole.train]" run.watchdog=2 train.steps=50 </dev/null >out 2>&1 || status=$?
  expect 8 "^greybox-$name: error: rank 0 of 2 on .*: nothing has moved since"
  [ ! -e "hung/$file" ] || fail "hung/$file has its name"
  run 2 "$BUILD/bin/greybox-$name" case.yaml run.dir=hung data.path=data/dataset.h5 report.models="[whole.train]" train.steps=50
  expect 0 ""
  [ -e "hung/$file" ] || fail "hung/$file is missing"
done <<'END'
generate dataset.h5
train checkpoint.h5
sweep sweep.json
analyze analysis.h5
report report.html
END
