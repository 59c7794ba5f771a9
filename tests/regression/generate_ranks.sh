# tests/regression/generate_ranks.sh - the data do not depend on the number of ranks, nor on how many share a lattice; the same
# ranks give the same bytes.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

# 9 chains in all: 2 and 4 ranks own different numbers of them. 3 chunks and a rest of samples.
cat >case.yaml <<'END'
run: {physics: xy, seed: 11, log_seconds: 1}
xy: {L: 32, T: [0.7, 0.9, 1.5]}
generate: {chains: 3, samples: 200, burn_in: 32, trial: 64, pilot: 128, spacing: 2}
END

for deflate in 0 4; do
  for ranks in 1 2 3 4; do
    run $ranks "$generate" case.yaml run.dir=d$deflate.$ranks generate.deflate=$deflate
    expect 0 "3 temperatures x 3 chains x 200 samples"
    same d$deflate.1/dataset.h5 d$deflate.$ranks/dataset.h5
    [ "$(h5dump -a /provenance/ranks d$deflate.$ranks/dataset.h5 | grep -c "\"$ranks\"")" = 1 ] ||
      fail "/provenance: the attribute ranks is not $ranks"
    [ "$(echo d$deflate.$ranks/*)" = "$(echo d$deflate.$ranks/{build.txt,config.yaml,dataset.h5,lock,log.jsonl})" ] ||
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

# A lattice spread over teams of ranks: the same data on 2 and 4 ranks, alone or in pairs, however configurations are
# stored. Hot enough to be independent after a few steps.
cat >large.yaml <<'EOF'
run: {physics: xy, seed: 3}
xy: {L: 256, T: [4, 6], metropolis: 2, overrelaxation: 2, wolff: 0}
generate: {chains: 2, samples: 3, burn_in: 16, pilot: 64, spacing: 2, hot_chains: 2, validation_chains: 0, test_chains: 0}
EOF
for stored in float32 uint16 none; do
  for ranks in 1 2 4; do
    for together in 1 2 4; do
      [ $((ranks % together)) = 0 ] || continue
      [ $together != 4 ] || [ $stored = uint16 ] || continue
      run $ranks "$generate" large.yaml run.dir=$stored.$ranks.$together generate.configurations=$stored \
        generate.ranks_per_chain=$together
      expect 0 "2 temperatures x 2 chains x 3 samples"
      same $stored.1.1/dataset.h5 $stored.$ranks.$together/dataset.h5
    done
  done
  h5diff $stored.1.1/dataset.h5 float32.1.1/dataset.h5 /summary >differences || fail "$stored: another summary"
  h5diff $stored.1.1/dataset.h5 float32.1.1/dataset.h5 /observables >differences || fail "$stored: other observables"
done
h5ls none.1.1/dataset.h5 | grep -q "^configurations" && fail "configurations are stored where none are wanted"
h5dump -H -d /configurations uint16.4.2/dataset.h5 | grep -q "H5T_STD_U16LE" || fail "angles are not 16-bit codes"
run 3 "$generate" large.yaml run.dir=three generate.ranks_per_chain=2
expect 2 "ranks_per_chain"
run 2 "$generate" large.yaml run.dir=clusters generate.ranks_per_chain=2 xy.wolff=1
expect 2 "Set xy.wolff = 0"
run 3 "$generate" large.yaml run.dir=three generate.ranks_per_chain=3
expect 2 "256 x 256 sites cannot be divided among 3 ranks"
