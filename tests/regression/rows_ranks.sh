# tests/regression/rows_ranks.sh - simulated rows do not depend on the number of ranks; the same ranks give the same bytes;
# what the file holds.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

cat >case.yaml <<'END'
run: {physics: pendulum, seed: 11, log_seconds: 1}
simulate: {training: 90, validation: 40, test: 71}
END

for ranks in 1 2 3 4; do
  run $ranks "$generate" case.yaml run.dir=d.$ranks
  expect 0 "90 \\+ 40 \\+ 71 rows for training, validation and test"
  same d.1/dataset.h5 d.$ranks/dataset.h5
  [ "$(h5dump -a /provenance/ranks d.$ranks/dataset.h5 | grep -c "\"$ranks\"")" = 1 ] ||
    fail "/provenance: the attribute ranks is not $ranks"
  [ "$(echo d.$ranks/*)" = "$(echo d.$ranks/{build.txt,config.yaml,dataset.h5,lock,log.jsonl})" ] ||
    fail "files are missing or left over: $(ls d.$ranks)"
done
run 2 "$generate" case.yaml run.dir=again
expect 0 rows
cmp d.2/dataset.h5 again/dataset.h5 || fail "2 ranks twice: the files differ"

# More ranks than rows; a row does not depend on how many there are.
run 4 "$generate" case.yaml run.dir=few simulate.training=2 simulate.validation=0 simulate.test=1
expect 0 "2 \\+ 0 \\+ 1 rows"
/usr/bin/python3 - d.1/dataset.h5 few/dataset.h5 <<'END' || fail "the first rows of a larger data set are others"
import h5py, sys
a, b = (h5py.File(p) for p in sys.argv[1:])
assert (a["observables"][:3] == b["observables"][:]).all() and (a["truth/omega"][:3] == b["truth/omega"][:]).all()
END

# h5diff does see a difference: another seed.
run 2 "$generate" case.yaml run.dir=other run.seed=12
expect 0 rows
if (same d.1/dataset.h5 other/dataset.h5 except-config) 2>/dev/null; then
  fail "another seed gives the same data"
fi

# Splits, checksums, axes, and the dozen lines of docs/read_rows.py.
/usr/bin/python3 - d.3/dataset.h5 <<'END' || fail "the file is not as docs/FILES.md says"
import h5py, numpy as np, sys
with h5py.File(sys.argv[1]) as f:
    x = f["observables"]
    assert x.shape == (201, 50, 1) and x.dtype == np.float32 and np.isfinite(x[:]).all()
    assert [d.keys() for d in x.dims] == [["row"], ["frame"], ["component"]]
    assert (np.bincount(f["split"][:]) == [90, 40, 71]).all() and (np.diff(f["split"][:].astype(int)) >= 0).all()
    assert len(np.unique(f["checksum"][:])) == 201
    assert np.allclose(f["time"][:], 0.05 * np.arange(50), atol=0) and f["row"][-1] == 200
    for name, t in f["truth"].items():
        assert t.dtype == np.float64 and t.shape == (201,) and t.attrs["unit"] and t.attrs["doc"], name
END
/usr/bin/python3 "$SOURCE/docs/read_rows.py" d.3/dataset.h5 >printed || fail "docs/read_rows.py failed"
grep -q "^omega " printed || fail "docs/read_rows.py says nothing about omega: $(cat printed)"

# Images, in the layout of Galaxy10; fields; molecular systems, whose rows tell what their curves do.
for physics in galaxy advection_diffusion curves predator_prey oligator pen_dna; do
  for ranks in 1 3 4; do
    run $ranks "$generate" case.yaml run.dir=$physics.$ranks run.physics=$physics simulate.training=20 \
      simulate.validation=3 simulate.test=4 galaxy.class=mixed
    expect 0 "20 \\+ 3 \\+ 4 rows"
    same $physics.1/dataset.h5 $physics.$ranks/dataset.h5
  done
  /usr/bin/python3 "$SOURCE/docs/read_rows.py" $physics.3/dataset.h5 >printed || fail "docs/read_rows.py failed: $physics"
done
/usr/bin/python3 - galaxy.4/dataset.h5 <<'END' || fail "images are not as docs/FILES.md says"
import h5py, numpy as np, sys
with h5py.File(sys.argv[1]) as f:
    x, ans = f["images"], f["ans"]
    assert x.shape == (27, 69, 69, 3) and x.dtype == np.uint8 and 0 < x[:].mean() < 128 and "observables" not in f
    assert ans.shape == (27,) and ans.dtype == np.uint8 and (ans[:] == f["truth/class"][:]).all()
    assert len(np.unique(ans[:])) > 2 and set(ans[:]) <= {0, 4, 6, 7, 8, 9}
END

# --dry-run touches nothing and says what is needed.
run 1 "$generate" case.yaml run.dir=dry --dry-run
expect 0 "^# rows: 90 training \\+ 40 validation \\+ 71 test = 201 of 50 numbers"
grep -q "^# time: about " out || fail "the plan has no time"
[ ! -e dry ] || fail "--dry-run made a folder"

# A network that blows up: one message with the line, the row and the strand or template; drawn again it is recorded.
cat >wild.yaml <<'END'
run: {physics: pen_dna, seed: 11}
simulate: {training: 6, validation: 0, test: 0}
pen_dna:
  method: explicit
  frame_time: 10000
  exonuclease: [1000, 1000]
  strands: ["a: K 1e2..5e8, start 1e8"]
  templates:
    - "aa: a -> a, total 1e8"
END
for ranks in 1 3; do
  run $ranks "$generate" wild.yaml run.dir=wild.$ranks
  expect 4 "wild.yaml:[78]: row [0-9] \\(K_a = .*Fastest there is (strand a|template aa, [a-z ]+) \\(pen_dna\\.(strands|templates)\\)"
  [ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
done
