# tests/regression/cli.sh - the command line: every mistake gives its status and one message, at once, on 1 and 2 ranks.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

cat >case.yaml <<'END'
run: {physics: xy, dir: never}
xy: {L: 4, T: [0.5, 1.5]}
generate: {chains: 2, samples: 10, burn_in: 16, pilot: 64, validation_chains: 0, test_chains: 0}
END
mkdir folder
mkfifo fifo
touch file empty.yaml
printf 'run: {dir: never}\nxy: {L: 4\n' >broken.yaml
printf 'run: {dir: never}\nxy: {L: 4, L: 6}\n' >twice.yaml
printf 'run: {dir: never}\nxz: {L: 4}\n' >section.yaml
printf 'xy: {L: 4}\n' >nodir.yaml
head -c 3000 /dev/urandom >noise.yaml
before=$(find . -not -name out | sort)

# says STATUS TEXT ARGUMENTS...: without a launcher, and the same on two ranks; one error line, from this program.
says() {
  local wanted=$1 text=$2 ranks
  shift 2
  for ranks in 0 2; do
    run $ranks "$generate" "$@"
    expect "$wanted" "$text"
    [ "$(grep -c '^greybox-generate: error: ' out)" = 1 ] || fail "$*: not one message on $ranks ranks: $(head -n 5 out)"
    if grep -qE "MPI_ABORT|Segmentation|Assertion|AddressSanitizer" out; then fail "$*: $(head -n 5 out)"; fi
    [ "$before" = "$(find . -not -name out | sort)" ] || fail "$*: files were made or lost: $(find . -newer case.yaml)"
  done
}

# Help and version.
for ranks in 0 2; do
  run $ranks "$generate" --help
  expect 0 "^Usage: "
  for key in run: physics dir seed resume log_seconds watchdog xy: L J T metropolis overrelaxation wolff generate: chains samples \
    spacing burn_in trial pilot longest_pilot hot_chains validation_chains test_chains configurations deflate \
    ranks_per_chain save_seconds; do
    grep -qwE -- "${key%:}" out || fail "--help lacks $key"
  done
  for option in --dry-run --help --version; do grep -q -- "^ *$option " out || fail "--help lacks $option"; done
  for code in 0 2 3 4 5 6 7 8 75; do grep -qE "^ *$code +[a-z]" out || fail "--help lacks the exit status $code"; done
  [ "$(grep -c '^Usage: ' out)" = 1 ] || fail "--help is printed more than once"
  run $ranks "$generate" --version
  expect 0 "^greybox-generate [0-9]+\.[0-9]+\.[0-9]+ "
  [ "$(wc -l <out)" = 1 ] || fail "--version prints more than a line"
done

# --dry-run shows the whole config and the needs, touches nothing, and finds the same mistakes.
for ranks in 0 2; do
  run $ranks "$generate" case.yaml xy.L=8 --dry-run
  expect 0 "configurations: 2 temperatures x 2 chains x 10 samples = 40"
  grep -qE "^ +L: 8 " out || fail "--dry-run does not show the override"
  grep -qE "^ +wolff: -1 " out || fail "--dry-run does not show the defaults"
  [ "$before" = "$(find . -not -name out | sort)" ] || fail "--dry-run made files: $(find . -newer case.yaml)"
done
says 2 "xy\.L = 15 is odd.*14.*16" case.yaml xy.L=15 --dry-run

# What it prints is a config.
run 0 "$generate" case.yaml --dry-run
cp out printed.yaml
run 0 "$generate" printed.yaml --dry-run
expect 0 "= 40"
rm printed.yaml

# Options, files.
says 2 "option" --nonsense case.yaml
says 2 "no config file.*CONFIG\.yaml" # nothing at all
says 3 "missing\.yaml: No such file" missing.yaml
says 3 "folder: is not a regular file" folder
says 3 "fifo: is not a regular file" fifo
says 3 "/dev/zero: is not a regular file" /dev/zero
says 2 "broken\.yaml" broken.yaml
says 2 "noise\.yaml" noise.yaml
says 2 "twice\.yaml.*L" twice.yaml
says 2 "xz.*xy" section.yaml
says 2 "run\.dir" nodir.yaml
says 2 "run\.dir" empty.yaml

# Overrides.
says 2 "\`word\` is not understood.*section\.key=value" case.yaml word
says 2 "xy\.LL.*xy\.L" case.yaml xy.LL=4
says 2 "xy\.L = abc is not" case.yaml xy.L=abc
says 2 "xy\.L = 4x is not" case.yaml xy.L=4x
says 2 "xy\.L.*empty" case.yaml xy.L=
says 2 "xy\.L = 70000 is outside" case.yaml xy.L=70000
says 2 "xy\.T must increase" case.yaml "xy.T=[1, 0.5]"
says 2 "xy\.J = nan is not" case.yaml xy.J=nan
says 2 "generate\.chains = 2 leaves no chain" case.yaml generate.test_chains=2
says 2 "run\.physics = xyz.*\`xy\`" case.yaml run.physics=xyz
says 2 "run\.dir" case.yaml run.dir=

# A run directory that cannot be.
says 3 "file/below: " case.yaml run.dir=file/below
says 3 "file: is not a folder" case.yaml run.dir=file
says 3 "/dev/null/run: " case.yaml run.dir=/dev/null/run

# A later override wins; with it the run works.
run 2 "$generate" case.yaml xy.L=15 xy.L=4 run.dir=works
expect 0 "works/dataset\.h5: 2 temperatures x 2 chains x 10 samples"
[ "$(echo works/*)" = "works/build.txt works/config.yaml works/dataset.h5 works/lock works/log.jsonl" ] || fail "$(ls works)"

# Output nobody reads: no death by SIGPIPE in the middle of a run.
status=0
timeout 60 "$generate" case.yaml run.dir=piped 2>&1 </dev/null | true || status=$?
[ -e piped/dataset.h5 ] || fail "a closed pipe ended the run: $status"
