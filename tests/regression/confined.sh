# tests/regression/confined.sh - programs write into run.dir and nowhere else, nothing that everybody could write to, and
# nothing of what the environment holds.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
umask 000 # the worst that a user may have
mkdir home tmp here runs
export HOME=$dir/home TMPDIR=$dir/tmp GREYBOX_TEST_TOKEN=kahgh6eiR4quahvoh9ph
cat >runs/case.yaml <<'END'
run: {physics: xy, seed: 3}
xy: {L: 4, T: [0.6, 1, 1.6]}
generate: {chains: 3, samples: 40, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
model: {encoder: [dense 8], decoder: [dense 8], latent: 2}
train: {steps: 20, batch: 16, shards: 4, validate_every: 10}
analyze: {latent: [0, 2]}
sweep: {axes: [objective.beta log 1 100 count 2]}
END
chmod o-w runs/case.yaml
cd here

# wrote FOLDER: nothing outside of it was made or changed since the last call
touch ../mark
wrote() {
  local others
  others=$(find "$dir" -newer "$dir/mark" \( -type f -o -type l -o -type p -o -type s \) -not -path "$dir/$1/*" -not -name out)
  [ -z "$others" ] || fail "made outside of $1: $others"
  sleep 0.05
  touch "$dir/mark"
}
# program NAME FOLDER [section.key=value ...]
program() {
  local name=$1 folder=$2
  shift 2
  sleep 0.05
  run 2 "$BUILD/bin/greybox-$name" ../runs/case.yaml run.dir="../$folder" "$@"
  expect 0 ""
  rm out
  wrote "$folder"
}
program generate runs/data
program analyze runs/analysis data.path=../runs/data/dataset.h5
program train runs/model data.path=../runs/data/dataset.h5
program sweep runs/sweep data.path=../runs/data/dataset.h5
program report runs/report data.path=../runs/data/dataset.h5 "report.models=[../runs/model]"
program generate runs/rows run.physics=pendulum simulate.training=8 simulate.validation=2 simulate.test=2

cd "$dir"
[ -z "$(find here home -mindepth 1)" ] || fail "left behind: $(find here home -mindepth 1)"
[ -z "$(find tmp -type f -not -path '*/ompi.*')" ] || fail "left in TMPDIR: $(find tmp -type f)"
[ -z "$(find runs -name '*.part')" ] || fail "not tidied up: $(find runs -name '*.part')"
[ -z "$(find runs -type f -perm /o=w)" ] || fail "everybody may write to: $(find runs -type f -perm /o=w)"
[ -z "$(find runs -mindepth 1 -type d -perm /o=w)" ] || fail "everybody may write to: $(find runs -mindepth 1 -type d -perm /o=w)"
if grep -rl "$GREYBOX_TEST_TOKEN" runs; then fail "the environment was written down"; fi
