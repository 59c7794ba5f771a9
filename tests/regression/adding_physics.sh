#!/usr/bin/env bash
# The examples of docs/ADDING_PHYSICS.md, taken from the page, each one file and one line. Both pass the conformance test. One
# is sampled, and the energy is the exact one; the other is simulated, its amplitude is the known one, and a hybrid learns it
# better than the known part can.
. "$SOURCE/tests/regression/common.bash"
cp -r "$SOURCE"/{CMakeLists.txt,apps,libcore,physics,tests} .
awk '/^```c$/ {on = 1; file = ""; next} /^```$/ {on = 0} on {if (!file) file = $2; print >file}' "$SOURCE/docs/ADDING_PHYSICS.md"
printf 'PHYSICS(%s)\n' rotors van_der_pol >>physics/list.h
cmake -S . -B build -DCMAKE_C_FLAGS=-Werror >log 2>&1 || fail "cmake: $(tail -n 5 log)"
cmake --build build -j2 --target greybox-generate greybox-train physics_test_registry >log 2>&1 ||
  fail "the examples do not build: $(grep error log)"
run 0 build/tests/physics_test_registry
expect 0 "PASSED"

cat >rotors.yaml <<'YAML'
run: {dir: runs, physics: rotors}
rotors: {L: 4, h: 1.5, T: [0.5, 1, 3]}
generate: {chains: 8, samples: 2000}
YAML
run 2 build/bin/greybox-generate rotors.yaml
expect 0 'runs/dataset.h5'
/usr/bin/python3 - <<'PYTHON' || fail "the energy is not -h I1(h/T)/I0(h/T)"
import h5py
# I1(x)/I0(x) at x = 3, 1.5, 0.5, from the power series DLMF 10.25.2
exact = [0.8099852940, 0.5961332388, 0.2424996126]
f = h5py.File("runs/dataset.h5")
for (mean, error), a in zip(f["summary/energy"][()], exact):
    assert 0 < error < 0.01 and abs(mean + 1.5 * a) < 4 * error, (mean, error, -1.5 * a)
PYTHON

cat >oscillator.yaml <<'YAML'
run: {dir: oscillator, physics: van_der_pol, seed: 3}
simulate: {training: 90, validation: 30, test: 0}
data: {path: oscillator/dataset.h5}
hybrid: {inside_layers: [dense 16], clock: none, after: nothing, features: [dense 32], heads: [dense 8], unmixer_layers: [dense 8]}
regularizer: {reduced_model: 0.01, unmixing: 0.01, augmentation: 1}
optimizer: {learning_rate: 5e-3}
ode: {method: rk4}
train: {steps: 400, batch: 30, shards: 2, validate_every: 10, log_every: 10}
YAML
long=(van_der_pol.frames=2000 van_der_pol.frame_time=0.05 "van_der_pol.omega=[1, 1]" van_der_pol.noise=0 simulate.training=4 simulate.validation=0)
run 2 build/bin/greybox-generate oscillator.yaml run.dir=free "${long[@]}" "van_der_pol.excitation=[0, 0]"
expect 0 'free/dataset.h5'
run 2 build/bin/greybox-generate oscillator.yaml run.dir=cycle "${long[@]}" "van_der_pol.excitation=[0.5, 0.5]"
expect 0 'cycle/dataset.h5'
run 2 build/bin/greybox-generate oscillator.yaml
expect 0 'oscillator/dataset.h5'
run 2 build/bin/greybox-train oscillator.yaml
expect 0 'NN\+phys\+reg, 400 steps'
run 2 build/bin/greybox-train oscillator.yaml run.dir=known hybrid.inside=nothing regularizer.reduced_model=0
expect 0 'Phys-only, 400 steps'
/usr/bin/python3 - <<'PYTHON' || fail "the oscillator"
import h5py, json, numpy
free, cycle = (h5py.File(name + "/dataset.h5") for name in ("free", "cycle"))
u = free["observables"][()][:, :, 0]
error = numpy.abs(u - free["truth/position"][()][:, None] * numpy.cos(free["time"][()])).max()
assert error < 1e-6, error
# 2 + m^2/96 - 1033 m^4/552960: C. M. Andersen and J. F. Geer, SIAM J. Appl. Math. 42 (1982) 678. Frames lie within
# 0.025 of a maximum, where u'' = -2.
late = numpy.abs(cycle["observables"][()][:, 1000:, 0]).max(1)
amplitude = 2 + 0.5**2 / 96 - 1033 * 0.5**4 / 552960
assert (numpy.abs(late - amplitude) < 7e-4).all(), (late, amplitude)

def best(name):
    lines = [json.loads(line) for line in open(name + "/log.jsonl")]
    return [s["best"] for s in lines if s["event"] == "validate"][-1]

assert best("oscillator") < best("known") / 2, (best("oscillator"), best("known"))
PYTHON
