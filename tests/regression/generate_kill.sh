# tests/regression/generate_kill.sh - killed, stopped, damaged: a run ends with the same data or with a clear message.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

cat >case.yaml <<'END'
run: {physics: xy, seed: 5, log_seconds: 1}
xy: {L: 32, T: [0.8, 1.2]}
generate: {chains: 3, samples: 450, burn_in: 64, pilot: 2048, spacing: 2, save_seconds: 0}
END
run 2 "$generate" case.yaml run.dir=whole
expect 0 "2 temperatures x 3 chains x 450 samples"

# stage_of FOLDER: the stage in its saved state, "none" if there is no readable one.
stage_of() {
  /usr/bin/python3 - "$1/generate.state.h5" <<'END'
import h5py, sys
try:
    with h5py.File(sys.argv[1]) as f:
        stage, mixes = f["numbers"][1], f["cost"].shape[1]
    print("burn-in" if stage == 0 else "trial" if mixes > 1 and stage <= mixes else "pilot")
except OSError:
    print("none")
END
}

# --- kill -9 at random moments: the launcher, one rank, or all at once; on 1, 2 and 3 ranks in turn.
RANDOM=20240607
in_trials=0
start() {
  begin $(($1 % 3 + 1)) "$generate" case.yaml run.dir=killed "$variant"
  pause 200 700
}
like_whole() {
  case $variant in
    *deflate*) same whole/dataset.h5 killed/dataset.h5 except-config ;;
    *) same whole/dataset.h5 killed/dataset.h5 ;;
  esac
}
note_trial() {
  [ "$(stage_of killed)" != trial ] || in_trials=$((in_trials + 1))
}
for variant in "generate.save_seconds=0" "generate.save_seconds=0.2" "generate.deflate=1"; do
  kill_often 7 killed start like_whole note_trial
done

[ $in_trials -gt 0 ] || fail "no kill fell into a trial"

# --- asked to stop: status 75, then the same command goes on to the same data.
# Two runs, each stopped twice. until_saved: wait for a state that this start has written; then signals are caught.
until_saved() {
  local i
  for i in $(seq 200); do
    [ -z "$(find "$at" -name generate.state.h5 -newer mark 2>/dev/null)" ] || return 0
    sleep 0.02
  done
  fail "no state is saved: $(tail -n 3 out)"
}
unset OMPI_MCA_odls_base_sigkill_timeout
run 2 "$generate" case.yaml run.dir=long generate.samples=4800
expect 0 "x 4800 samples"
for how in usr1 term-a-rank stop-file term-the-launcher; do
  case $how in
    usr1 | term-a-rank) at=stopped.1 ;;
    *) at=stopped.2 ;;
  esac
  touch mark
  sleep 0.05
  begin 2 "$generate" case.yaml run.dir=$at generate.samples=4800
  until_saved
  find_ranks
  wanted=75
  case $how in
    usr1) kill -USR1 "$launcher" ;; # mpirun passes it on
    term-a-rank) kill -TERM "${ranks[1]}" ;;
    term-the-launcher) kill -TERM "$launcher" && wanted=any ;;
    stop-file) touch $at/stop ;;
  esac
  end
  gone "${ranks[@]}"
  if [ $wanted = any ]; then
    # mpirun of Open MPI 4.1 passes SIGTERM on, kills after one second more, and returns a status of its own.
    [ "$status" != 0 ] || fail "$how: status 0"
  else
    [ "$status" = $wanted ] || fail "$how: status $status where $wanted is expected: $(tail -n 3 out)"
    grep -q "stopped on request; everything is saved in $at" out || fail "$how: $(tail -n 3 out)"
  fi
  [ ! -e $at/stop ] || fail "the stop file is still there: the next start would stop, too"
  [ ! -e $at/dataset.h5 ] || fail "$how: the run was over before it was stopped"
done
for at in stopped.1 stopped.2; do
  run 3 "$generate" case.yaml run.dir=$at generate.samples=4800
  expect 0 "x 4800 samples"
  same long/dataset.h5 $at/dataset.h5
done

export OMPI_MCA_odls_base_sigkill_timeout=0

# --- three small states to damage: in a trial, in a pilot, and between the first samples. Each start makes 16 steps: one
# of burn-in, 4 for each of 3 trials, 4 and more of the pilots.
small=(xy.L=8 xy.metropolis=1 xy.wolff=0 generate.chains=2 generate.samples=1500 generate.burn_in=16
  generate.trial=64 generate.pilot=64 generate.hot_chains=2
  generate.validation_chains=0 generate.test_chains=0)
run 0 "$generate" case.yaml run.dir=small "${small[@]}"
expect 0 "x 1500 samples"
for i in $(seq 100); do
  mkdir -p stepped
  touch stepped/stop
  run 0 "$generate" case.yaml run.dir=stepped "${small[@]}"
  [ "$status" != 0 ] || fail "no state between the first samples was saved"
  expect 75 "stopped on request"
  [ "$i" -ne 4 ] || cp -r stepped trial
  [ "$i" -ne 15 ] || cp -r stepped pilot
  [ ! -e stepped/dataset.h5.part ] || break
done
cp -r stepped sampling
[ -e sampling/dataset.h5.part ] || fail "no part is there"
for state in trial pilot; do
  [ ! -e $state/dataset.h5.part ] || fail "the state in a $state has a part already"
  [ "$(stage_of $state)" = $state ] || fail "the state that was to be in a $state is in a $(stage_of $state)"
  h5ls $state/generate.state.h5 | grep -q series || fail "the state in a $state has no series"
done

# Where the datasets of a state are in its file, and 4 bytes anywhere: offset and name.
offsets() {
  /usr/bin/python3 - "$1" "$2" <<'END'
import h5py, os, random, sys
path, seed = sys.argv[1], int(sys.argv[2])
draw = random.Random(seed)
with h5py.File(path) as f:
    for name in sorted(f):
        d = f[name]
        print(d.id.get_offset() + draw.randrange(d.id.get_storage_size()), name)
for i in range(4):
    print(draw.randrange(os.path.getsize(path)), "anywhere")
END
}

refused=0
for state in trial pilot sampling; do
  while read -r offset name; do
    rm -rf damaged
    cp -r $state damaged
    rm -f damaged/generate.state.prev.h5
    file=damaged/generate.state.h5
    byte=$(od -An -tu1 -j "$offset" -N 1 $file | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x $((byte ^ (1 << RANDOM % 8))))" | dd of=$file bs=1 seek="$offset" conv=notrunc status=none
    cmp -s $file $state/generate.state.h5 && fail "nothing was changed"
    run 0 "$generate" case.yaml run.dir=damaged "${small[@]}"
    if [ "$status" = 3 ]; then
      refused=$((refused + 1))
      grep -q "generate.state.h5: " out || fail "byte $offset ($name): the message names no file: $(tail -n 3 out)"
    elif [ "$name" != anywhere ]; then
      fail "byte $offset of /$name of the state is changed, but the status is $status: $(tail -n 3 out)"
    else
      expect 0 "x 1500 samples" # nobody reads this byte
      same small/dataset.h5 damaged/dataset.h5
    fi
  done < <(offsets $state/generate.state.h5 $RANDOM)
done
[ $refused -ge 22 ] || fail "only $refused of the damaged states were refused"

# A state cut short, an empty one, one whose data are gone.
for size in 5000 0; do
  rm -rf damaged
  cp -r sampling damaged
  rm damaged/generate.state.prev.h5
  truncate -s $size damaged/generate.state.h5
  run 2 "$generate" case.yaml run.dir=damaged "${small[@]}"
  expect 3 "generate.state.h5: .*failed"
done

# With a state before it: that takes its place, is told, and the data are the same.
for how in damaged cut missing; do
  rm -rf damaged
  cp -r sampling damaged
  case $how in
  damaged) printf x | dd of=damaged/generate.state.h5 bs=1 seek=3000 conv=notrunc status=none ;;
  cut) truncate -s 5000 damaged/generate.state.h5 ;;
  missing) rm damaged/generate.state.h5 ;;
  esac
  run 2 "$generate" case.yaml run.dir=damaged "${small[@]}"
  expect 0 "generate\.state\.h5.*Going on from damaged/generate\.state\.prev\.h5"
  same small/dataset.h5 damaged/dataset.h5
  [ ! -e damaged/generate.state.prev.h5 ] || fail "left over: $(ls damaged)"
done
rm -rf damaged
cp -r sampling damaged
rm damaged/dataset.h5.part
run 2 "$generate" case.yaml run.dir=damaged "${small[@]}"
expect 3 "dataset.h5.part: "

# --- another config: refused, in the middle of a run and after its end, and nothing is touched.
for state in trial pilot sampling small; do
  rm -rf other
  cp -r $state other
  run 2 "$generate" case.yaml run.dir=other "${small[@]}" generate.samples=1501
  expect 2 "generate.samples.*1501.*1500|generate.samples.*1500.*1501"
  run 0 "$generate" case.yaml run.dir=other "${small[@]}" "xy.T=[0.8, 1.2, 1.3]"
  expect 2 "xy\\.T.*1\\.3"
  run 0 "$generate" case.yaml run.dir=other "${small[@]}" run.resume=false
  expect 2 "run.resume is false"
  for file in $(cd $state && ls ./*.h5*); do cmp $state/"$file" other/"$file" || fail "$state/$file was changed"; done
  run 3 "$generate" case.yaml run.dir=other "${small[@]}" generate.save_seconds=7 # may change
  expect 0 "."
  same small/dataset.h5 other/dataset.h5
done

# --- complete: nothing to do.
before=$(sha256sum small/dataset.h5)
run 2 "$generate" case.yaml run.dir=small "${small[@]}"
expect 0 "nothing to do"
[ "$before" = "$(sha256sum small/dataset.h5)" ] || fail "a complete data set was written to"
