# tests/regression/train_kill.sh - killed, stopped, damaged, misused: a training ends with the same bytes or one message.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3, log_seconds: 1}
xy: {L: 4, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 60, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
data: {path: data/dataset.h5}
model: {encoder: [dense 16], decoder: [dense 16], latent: 2}
objective: {energy_weight: 5}
train: {steps: 4000, batch: 16, shards: 4, validate_every: 50, save_every: 20, log_every: 50}
END
run 1 "$generate" case.yaml
expect 0 samples
run 1 "$train" case.yaml run.dir=whole
expect 0 "HG-VAE, 4000 steps"

# like_whole DIR: the training there has ended as if undisturbed, and nothing is left over.
like_whole() {
  local file
  for file in checkpoint.h5 best.h5; do
    cmp whole/$file "$1"/$file || fail "$1/$file is not that of an undisturbed training"
  done
  [ -z "$(find "$1" -name '*.part' -o -name '*.damaged.h5')" ] || fail "left over: $(ls "$1")"
}

# --- kill -9 at 20 random moments, mostly while it saves: the launcher, one rank, or all at once; then go on with another
# number of ranks and another interval of saving.
RANDOM=20241121
killed_like_whole() {
  like_whole killed
}
start() {
  begin $(($1 % 4 + 1)) "$train" case.yaml run.dir=killed train.save_every=$((RANDOM % 3 * 30 + 1))
  pause 200 800
}
kill_often 20 killed start killed_like_whole

# --- asked to stop: status 75, then the same command goes on to the same bytes, on 1, 2 and 3 ranks in turn.
# trained: how many lines about steps its log has. until_training BEFORE: wait for another one.
trained() {
  local n
  n=$(grep -c '"event":"train"' stopped/log.jsonl 2>/dev/null || true) # nothing if there is no log yet
  echo "${n:-0}"
}
until_training() {
  local i
  for i in $(seq 400); do
    [ "$(trained)" -le "$1" ] || return 0
    sleep 0.02
  done
  fail "no step is made: $(tail -n 3 out)"
}
n=0
for how in usr1 term-a-rank stop-file usr1-a-rank; do
  before=$(trained)
  begin $((n % 3 + 1)) "$train" case.yaml run.dir=stopped train.steps=1000000
  n=$((n + 1))
  until_training "$before"
  find_ranks
  case $how in
  usr1) kill -USR1 "$launcher" ;; # mpirun passes it on
  term-a-rank) kill -TERM "${ranks[0]}" ;;
  usr1-a-rank) kill -USR1 "${ranks[0]}" ;;
  stop-file) touch stopped/stop ;;
  esac
  end
  gone "${ranks[@]}"
  [ "$status" = 75 ] || fail "$how: status $status where 75 is expected: $(tail -n 3 out)"
  grep -qE "stopped on request after step [0-9]+; everything is saved in stopped" out || fail "$how: $(tail -n 3 out)"
  [ ! -e stopped/stop ] || fail "the stop file is still there: the next start would stop, too"
done
steps=$(sed -nE 's/.*after step ([0-9]+);.*/\1/p' out)
[ "$steps" -lt 3900 ] || whole_steps=$((steps / 50 * 50 + 100))
if [ -n "${whole_steps:-}" ]; then # a fast machine: a longer training to compare with
  run 2 "$train" case.yaml run.dir=whole train.steps="$whole_steps"
  expect 0 "HG-VAE, $whole_steps steps"
fi
run 2 "$train" case.yaml run.dir=stopped train.steps="${whole_steps:-4000}"
expect 0 "HG-VAE"
like_whole stopped

# --- what does not belong together: refused, and nothing is touched.
small=(train.steps=40 train.save_every=10 train.validate_every=10)
run 2 "$train" case.yaml run.dir=small "${small[@]}"
expect 0 "40 steps"
cp -r small kept
refused() {
  local wanted=$1 text=$2
  shift 2
  run 2 "$train" case.yaml run.dir=small "${small[@]}" "$@"
  expect "$wanted" "$text"
  [ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
  for file in checkpoint.h5 best.h5; do cmp kept/$file small/$file || fail "$file was changed"; done
}
refused 2 'model\.latent is now 3 but small/checkpoint\.h5 was made with 2\.' model.latent=3
refused 2 'objective\.energy_weight is now 4 but small/checkpoint\.h5 was made with 5\.' objective.energy_weight=4
refused 2 'model\.encoder is now \["dense 17"\] but .* was made with \["dense 16"\]' "model.encoder=[dense 17]"
refused 2 'run\.seed is now 4 but .* was made with 3\.' run.seed=4
refused 2 'train\.batch is now 8 but .* was made with 16\.' train.batch=8
refused 2 'run\.resume is false but small/checkpoint\.h5 exists' run.resume=false
run 1 "$generate" case.yaml run.dir=other run.seed=8
expect 0 samples
refused 2 'small/checkpoint\.h5 was trained on another data set' data.path=other/dataset.h5 train.steps=50
run 3 "$train" case.yaml run.dir=small "${small[@]}" run.log_seconds=3 train.log_every=7 # these may change
expect 0 "nothing to do"

# --- damage: anywhere in the file, and a file cut short. Without a generation before it: refused.
# damage FILE OFFSET: one bit of a byte
damage() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
  # shellcheck disable=SC2059
  printf "\\x$(printf %02x $((byte ^ (1 << RANDOM % 8))))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
rm small/checkpoint.prev.h5
size=$(stat -c %s kept/checkpoint.h5)
for i in $(seq 6); do
  cp kept/checkpoint.h5 small/checkpoint.h5
  damage small/checkpoint.h5 $((i * size / 7 + RANDOM % 40))
  cp small/checkpoint.h5 kept/damaged.h5
  run $((i % 3)) "$train" case.yaml run.dir=small "${small[@]}" train.steps=50
  expect 3 "small/checkpoint\.h5: "
  cmp small/checkpoint.h5 kept/damaged.h5 || fail "a damaged checkpoint was overwritten"
done
truncate -s 0 small/checkpoint.h5
run 2 "$train" case.yaml run.dir=small "${small[@]}" train.steps=50
expect 3 "small/checkpoint\.h5: "

# --- with one: it takes the place, is told, and the end is the same; the damaged file is kept.
for i in $(seq 6); do
  rm -r small
  cp -r kept small
  [ -e small/checkpoint.prev.h5 ] || fail "no generation before the last"
  case $i in
  5) truncate -s 3000 small/checkpoint.h5 ;;
  6) rm small/checkpoint.h5 ;;
  *) damage small/checkpoint.h5 $((i * size / 5 + RANDOM % 40)) ;;
  esac
  run $((i % 3)) "$train" case.yaml run.dir=small "${small[@]}"
  expect 0 "small/checkpoint\.h5.*Going on from small/checkpoint\.prev\.h5"
  grep -q "after 30 steps" out || fail "it did not go on from step 30: $(cat out)"
  for file in checkpoint.h5 best.h5; do cmp kept/$file small/$file || fail "$file is another after falling back"; done
  [ "$i" = 6 ] || [ -e small/checkpoint.damaged.h5 ] || fail "the damaged file is gone"
done

# --- a training that explodes: status 4, the step and the culprit, no hang, no harm to the last checkpoint.
explode=(run.dir=exploded optimizer.learning_rate=1000 optimizer.warmup=1000 train.save_every=1)
run 3 "$train" case.yaml "${explode[@]}"
expect 4 "step [0-9]+: the (loss term \`(nll|kl|energy)\`|gradient of [a-z0-9.]+) is not finite"
step=$(sed -nE 's/.*step ([0-9]+): the .* is not finite.*/\1/p' out)
[ "$step" -gt 1 ] || fail "it explodes at once: nothing is saved"
cp exploded/checkpoint.h5 kept/exploded.h5
run 2 "$train" case.yaml "${explode[@]}"
expect 4 "step $step: the "
cmp exploded/checkpoint.h5 kept/exploded.h5 || fail "the checkpoint before the explosion was changed"
/usr/bin/python3 - exploded/checkpoint.h5 "$step" <<'END' || fail "the checkpoint before the explosion is not whole"
import h5py, numpy as np, sys
f = h5py.File(sys.argv[1])
good = f["numbers"][1] == int(sys.argv[2])
f["weights"].visititems(lambda name, d: globals().update(good=good and (isinstance(d, h5py.Group) or np.isfinite(d[()]).all())))
sys.exit(not good)
END
