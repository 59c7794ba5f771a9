#!/usr/bin/env bash
# The example of docs/ADDING_PHYSICS.md, taken from the page: one file and one line make a program that samples it, and the
# energy is the exact one.
. "$SOURCE/tests/regression/common.bash"
cp -r "$SOURCE"/{CMakeLists.txt,apps,libcore,physics} .
awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' "$SOURCE/docs/ADDING_PHYSICS.md" >physics/rotors.c
echo 'PHYSICS(rotors)' >>physics/list.h
cmake -S . -B build -DGREYBOX_TESTS=OFF -DCMAKE_C_FLAGS=-Werror >log 2>&1 || fail "cmake: $(tail -n 5 log)"
cmake --build build -j2 --target greybox-generate >log 2>&1 || fail "the example does not build: $(grep error log)"
cat >c.yaml <<'YAML'
run: {dir: runs, physics: rotors}
rotors: {L: 4, h: 1.5, T: [0.5, 1, 3]}
generate: {chains: 8, samples: 2000}
YAML
run 2 build/bin/greybox-generate c.yaml
expect 0 'runs/dataset.h5'
/usr/bin/python3 - <<'PYTHON' || fail "the energy is not -h I1(h/T)/I0(h/T)"
import h5py
# I1(x)/I0(x) at x = 3, 1.5, 0.5, from the power series DLMF 10.25.2
exact = [0.8099852940, 0.5961332388, 0.2424996126]
f = h5py.File("runs/dataset.h5")
for (mean, error), a in zip(f["summary/energy"][()], exact):
    assert 0 < error < 0.01 and abs(mean + 1.5 * a) < 4 * error, (mean, error, -1.5 * a)
PYTHON
