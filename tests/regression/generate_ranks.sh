# tests/regression/generate_ranks.sh - the data do not depend on the number of ranks; the same ranks give the same bytes.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

# 9 chains in all: 2 and 4 ranks own different numbers of them. 3 chunks and a rest of samples.
cat >case.yaml <<'END'
run: {physics: xy, seed: 11, log_seconds: 1}
xy: {L: 32, T: [0.7, 0.9, 1.5]}
generate: {chains: 3, samples: 200, burn_in: 32, pilot: 128, spacing: 2}
END

for deflate in 0 4; do
  for ranks in 1 2 3 4; do
    run $ranks "$generate" case.yaml run.dir=d$deflate.$ranks generate.deflate=$deflate
    expect 0 "3 temperatures x 3 chains x 200 samples"
    same d$deflate.1/dataset.h5 d$deflate.$ranks/dataset.h5
    [ "$(h5dump -a /provenance/ranks d$deflate.$ranks/dataset.h5 | grep -c "\"$ranks\"")" = 1 ] ||
      fail "/provenance: the attribute ranks is not $ranks"
    [ "$(echo d$deflate.$ranks/*)" = "$(echo d$deflate.$ranks/{build.txt,config.yaml,dataset.h5,log.jsonl})" ] ||
      fail "files are missing or left over: $(ls d$deflate.$ranks)"
  done
  run 2 "$generate" case.yaml run.dir=again generate.deflate=$deflate
  expect 0 samples
  cmp d$deflate.2/dataset.h5 again/dataset.h5 || fail "2 ranks twice: the files differ"
  rm -r again
done

# Compression changes the file, not the data.
same d0.1/dataset.h5 d4.1/dataset.h5 except-config
h5dump -p -H -d /configurations d4.2/dataset.h5 | grep -q "COMPRESSION DEFLATE { LEVEL 4 }" || fail "nothing is compressed"
[ "$(stat -c %s d4.2/dataset.h5)" -lt "$(stat -c %s d0.2/dataset.h5)" ] || fail "compressed data are not smaller"

# Ranks without a chain; a lattice of 4 sites.
few=(xy.L=2 "xy.T=[1]" generate.chains=2 generate.validation_chains=0 generate.test_chains=0)
for ranks in 1 4; do
  run $ranks "$generate" case.yaml run.dir=few.$ranks "${few[@]}"
  expect 0 "1 temperatures x 2 chains"
done
same few.1/dataset.h5 few.4/dataset.h5

# h5diff does see a difference: another seed.
run 2 "$generate" case.yaml run.dir=other run.seed=12
expect 0 samples
if (same d0.1/dataset.h5 other/dataset.h5 except-config) 2>/dev/null; then
  fail "another seed gives the same data"
fi
