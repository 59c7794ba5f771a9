# tests/regression/train_hybrid.sh - grey-box VAEs of every kind: the weights are the same bytes on any number of ranks, in
# passes of any size, and after kills; a solution that blows up is named.
# shellcheck shell=bash disable=SC2034 # arrays are used by name
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train

cat >pendulum.yaml <<'END'
run: {physics: pendulum, dir: pendulum, seed: 3}
simulate: {training: 60, validation: 20, test: 0}
pendulum: {frames: 12, frame_time: 0.2}
data: {path: pendulum/dataset.h5}
hybrid: {inside_layers: [dense 8, dense 8], after_layers: [dense 12], features: [dense 12], heads: [dense 8], unmixer_layers: [dense 12]}
regularizer: {reduced_model: 0.01, reduced_model_kl: 0.01, unmixing: 0.001, augmentation: 0.1}
ode: {method: euler}
train: {steps: 12, batch: 24, shards: 4, validate_every: 6, save_every: 5, log_every: 4}
END
sed -e 's/pendulum\b/state/2; s/dir: pendulum/dir: state/; s/frames: 12/frames: 12, observe: state, start: ring, amplitude: [0, 0], law: damped, driven: state/' \
  -e 's|pendulum/dataset|state/dataset|' pendulum.yaml >state.yaml
cat >line.yaml <<'END'
run: {physics: advection_diffusion, dir: line, seed: 3}
simulate: {training: 60, validation: 20, test: 0}
advection_diffusion: {frames: 8, points: 6, spacing: 0.3}
data: {path: line/dataset.h5}
hybrid: {inside_layers: [dense 8], clock: circle, latent_inside: 3, after: nothing, frame_map: true, features: [dense 12], heads: [dense 8], unmixer: frames, unmixer_layers: [dense 12], sigma: 1e-3}
regularizer: {reduced_model: 0.1, unmixing: 0.01, augmentation: 1000}
ode: {method: euler, substeps: 2}
train: {steps: 12, batch: 24, shards: 4, validate_every: 6, save_every: 5, log_every: 4}
END
cat >galaxy.yaml <<'END'
run: {physics: galaxy, dir: galaxy, seed: 3}
simulate: {training: 40, validation: 10, test: 0}
galaxy: {size: 21}
data: {path: galaxy/dataset.h5}
hybrid: {inside: nothing, after: unet, unet: [2, 3, 4], unmixer: channels, unmixer_layers: [dense 6], heads: [dense 6],
  after_layers: [dense 8, grid 7 7 3, deconv 1 kernel 3 stride 3],
  features: [conv 3 kernel 5 pad 2 none nobias, batchnorm leaky_relu, maxpool 2, conv 4 kernel 3 pad 1 none, batchnorm leaky_relu, maxpool 2, dense 12]}
regularizer: {reduced_model: 0.1, unmixing: 1, augmentation: 100}
train: {steps: 6, batch: 24, shards: 4, validate_every: 3, save_every: 2, log_every: 3}
END
cat >curves.yaml <<'END'
run: {physics: curves, dir: curves, seed: 3}
simulate: {training: 60, validation: 20, test: 40}
curves: {frames: 24}
data: {path: curves/dataset.h5}
hybrid: {known: nothing, inside: nothing, latent_after: 3, after_layers: [dense 12], features: [dense 12], heads: []}
train: {steps: 12, batch: 24, shards: 4, validate_every: 6, save_every: 5, log_every: 4}
report: {class: sigmoid}
END
for physics in pendulum state line galaxy curves; do
  run 2 "$generate" $physics.yaml
  expect 0 "rows for training"
done

sum=(pendulum "NN\+phys\+reg")
law=(pendulum "NN\+phys\+reg" hybrid.inside=parameters ode.method=rk4)
adaptive=(pendulum "NN\+phys\+reg" ode.method=dopri5)
implicit=(pendulum "NN\+phys\+reg" ode.method=crank_nicolson ode.tolerance=1e-4)
drift=(line "NN\+phys\+reg")
aphynity=(state "NN\+phys\+reg" hybrid.inference=global "hybrid.start=[1, 0.1]" hybrid.clock=none hybrid.after=nothing
  regularizer.network_norm=1 regularizer.multiplier_rate=0.2)
rows=(curves "NN-only")
labelled=(curves "NN-only" regularizer.classification=0.1 regularizer.class=sigmoid)
unet=(galaxy "NN\+phys\+reg" "data.augment=[lattice_rotation, lattice_reflection]")

# Ranks, the samples that they compute at once, and who shares memory change nothing.
extra=("" "" "" "train.ranks_per_node=1" "train.ranks_per_node=2")
for kind in sum law adaptive implicit drift aphynity rows labelled unet; do
  declare -n one=$kind
  keys=("${one[@]:2}")
  for ranks in 1 2 3 4; do
    # shellcheck disable=SC2086 # none or one key
    run $ranks "$train" "${one[0]}.yaml" "${keys[@]}" run.dir=$kind.$ranks ${extra[$ranks]}
    expect 0 "${one[1]}, (12|6) steps, best validation loss"
    for file in checkpoint.h5 best.h5; do
      cmp $kind.1/$file $kind.$ranks/$file || fail "$kind: $file of $ranks ranks is not that of one"
    done
  done
  micro=13
  case $kind in adaptive | implicit | unet) micro=6 ;; esac # what rows share needs whole shards
  run 2 "$train" "${one[0]}.yaml" "${keys[@]}" run.dir=$kind.again train.steps=3
  expect 0 "3 steps"
  run 3 "$train" "${one[0]}.yaml" "${keys[@]}" run.dir=$kind.again train.micro_batch=$micro ode.trajectory=recompute
  expect 0 "${one[1]}, (12|6) steps"
  cmp $kind.1/checkpoint.h5 $kind.again/checkpoint.h5 || fail "$kind: continued on other ranks, it ends with other weights"
done

# kill -9 an equation and a U-Net, each several times; go on with another number of ranks.
start() {
  begin $(($1 % 4 + 1)) "$train" "${one[0]}.yaml" "${keys[@]}" "run.dir=$kind.killed"
  pause 400 900
}
like_whole() {
  cmp "$kind.whole/checkpoint.h5" "$kind.killed/checkpoint.h5" || fail "$kind: killed, it ends with other weights"
}
RANDOM=20261122
for case in "sum 4000" "unet 60"; do
  read -r kind steps <<<"$case"
  declare -n one=$kind
  keys=("${one[@]:2}" train.steps="$steps" train.save_every=2)
  run 2 "$train" "${one[0]}.yaml" "${keys[@]}" "run.dir=$kind.whole" train.save_every=1000
  expect 0 "$steps steps"
  kill_often 4 "$kind.killed" start like_whole
done

# The multiplier never decreases.
/usr/bin/python3 - aphynity.1/checkpoint.h5 <<'END' || fail "the multiplier of aphynity.1"
import h5py, sys
w = h5py.File(sys.argv[1])["weights"]
assert w["multiplier"][()] > 1.01, w["multiplier"][()]
END

# Steps that are too long for the equation: one message from all ranks that names sample, time and parameter.
sed 's/frames: 8/frames: 60, frame_time: 20/; s/dir: line/dir: wild/; s|line/dataset|wild/dataset|' line.yaml >wild.yaml
run 2 "$generate" wild.yaml
expect 0 "rows for training"
for method in euler rk4 dopri5; do
  run 3 "$train" wild.yaml run.dir=wild.$method ode.method=$method ode.substeps=1
  [ $method = dopri5 ] && [ "$status" = 0 ] && continue # it may well manage
  expect 4 "row [0-9]+, frame [0-9.]+, time [0-9.]+: component [0-9]+ is not finite; diffusion = "
  [ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
done
# Of a simulator nothing is known; the report on curves is the same on any number of ranks, and right.
run 2 "$train" curves.yaml run.dir=wrong hybrid.known=law
expect 2 "run.physics = curves has neither a differential equation nor an image\. Set hybrid.known: nothing"
run 2 "$BUILD/bin/greybox-report" curves.yaml report.class=sign
expect 2 "report.models: no trained model"
for ranks in 1 2 3; do
  run $ranks "$train" curves.yaml train.steps=200 run.dir=curves/model
  expect 0 "NN-only, 200 steps"
  run $ranks "$BUILD/bin/greybox-report" curves.yaml
  expect 0 "report.html"
  cp curves/report.json report.$ranks
  cmp report.1 report.$ranks || fail "report.json differs on $ranks ranks"
done
run 2 "$BUILD/bin/greybox-report" curves.yaml report.class=sign
expect 2 "report.class = sign: -1 is no class"
run 2 "$BUILD/bin/greybox-report" curves.yaml report.class=colour
expect 2 "report.class = colour: the data set has no such truth"
/usr/bin/python3 - <<'END' || fail "classes in report.json"
import h5py, json, numpy as np
c = json.load(open("curves/report.json"))["models"][0]["classes"]
f = h5py.File("curves/dataset.h5")
test = f["split"][()] == 2
x, is_sigmoid = f["observables"][()][test].reshape(40, 24), f["truth/sigmoid"][()][test]
assert [k["test_samples"] for k in c["classes"]] == [sum(is_sigmoid == 0), sum(is_sigmoid == 1)]
assert np.array(c["mean"]).shape == (3, 40) and c["against_exact"]
right = sum(k["recall"] * k["test_samples"] for k in c["classes"])
assert abs(right / 40 - c["accuracy"]) < 1e-6 and 0.4 < c["accuracy"] <= 1
for k in c["classes"]:
    assert -0.5 < k["r2"] < 1 and 0 < k["ripple_mean"] <= k["ripple_most"] and k["ripple_95"] <= k["ripple_most"], k
for kind, same in (("other_class", False), ("same_class", True)):
    assert len(c["paths"][kind]) == 40
    for p in c["paths"][kind]:
        assert (is_sigmoid[p["from"]] == is_sigmoid[p["to"]]) == same
        rank = lambda v: np.array([np.sum(np.array(v) < a) + (np.sum(np.array(v) == a) - 1) / 2 for a in v])
        assert p["swing"][0] >= p["swing"][-1]
        if np.ptp(p["swing"]) > 0:
            assert abs(np.corrcoef(rank(p["swing"]), np.arange(11))[0, 1] - p["trend"]) < 1e-6, p
        same_bin = np.cumprod(np.array(p["bin"]) == p["bin"][0]).sum()
        assert abs((same_bin - 1) / 10 - p["kept"]) < 1e-6, p
        assert p["frequency"][10] is None and all(0.5 <= v <= 12 for v in p["frequency"][:10]), p
        near = np.cumprod(np.abs(np.array(p["frequency"][:10]) - p["frequency"][0]) <= 0.5).sum()
        assert abs((near - 1) / 10 - p["steady"]) < 1e-6 and 0 <= p["blended"] <= 1, p
for part, of in (("kept", "kept"), ("steady", "steady"), ("blended", "blended")):
    assert abs(np.mean([p[of] > 0.59 for p in c["paths"]["other_class"]]) - c[part]) < 1e-6
assert [k["name"] for k in c["classes"]] == ["sine", "sigmoid"]
END
# A classifier in the loss: planes that it finds, the report's classifier finds, too; data that do not tell classes.
run 2 "$train" curves.yaml run.dir=apart/model train.steps=1500 optimizer.learning_rate=0.01 regularizer.classification=10 regularizer.class=sigmoid
expect 0 "NN-only, 1500 steps"
grep -q '"weight_classification":10' apart/model/log.jsonl || fail "the log does not tell the weight of the classifier"
ln curves/dataset.h5 apart/dataset.h5
run 2 "$BUILD/bin/greybox-report" curves.yaml run.dir=apart
expect 0 "report.html"
/usr/bin/python3 - <<'END' || fail "the classifier did not help: $(tail -n 2 apart/model/log.jsonl)"
import json
plain, apart = (json.load(open(d + "/report.json"))["models"][0]["classes"]["training_accuracy"] for d in ("curves", "apart"))
assert apart >= 0.98 > plain, (plain, apart)
END
run 2 "$train" curves.yaml run.dir=wrong regularizer.classification=1
expect 2 "regularizer.class = behaviour is no truth of run.physics = curves"
run 2 "$train" curves.yaml run.dir=wrong regularizer.classification=1 regularizer.class=phase
expect 2 "phase is a truth that tells no class .* Truths that tell a class: sigmoid\."
/usr/bin/python3 - <<'END'
import h5py, shutil
shutil.copy("curves/dataset.h5", "mute.h5")
shutil.copy("curves/dataset.h5", "odd.h5")
with h5py.File("mute.h5", "r+") as f:
    del f["truth/sigmoid"]
with h5py.File("odd.h5", "r+") as f:
    f["truth/sigmoid"][3] = 0.5
END
run 3 "$train" curves.yaml run.dir=wrong data.path=mute.h5 regularizer.classification=1 regularizer.class=sigmoid
expect 3 "mute.h5: there is no /truth/sigmoid"
run 3 "$train" curves.yaml run.dir=wrong data.path=odd.h5 regularizer.classification=1 regularizer.class=sigmoid
expect 2 "regularizer.class = sigmoid: 0.5, of row 3 of a split, is no class"
run 2 "$train" pendulum.yaml run.dir=wrong ode.solver=direct ode.method=dopri5
expect 2 "ode.solver: direct has no dopri5"
run 2 "$train" pendulum.yaml run.dir=wrong "pendulum.omega=[0.1, 3]"
expect 2 "pendulum.omega_box"
