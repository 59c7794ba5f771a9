# tests/regression/docs.sh - docs/ says what the programs do: generated pages, shipped configs, links.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

for page in config physics; do
  "$BUILD/bin/greybox-describe" $page >written.md
  cmp written.md "$SOURCE/docs/${page^^}.md" || fail "write it anew: build/bin/greybox-describe $page >docs/${page^^}.md"
done

# Every shipped config is right for every program, the template too.
"$BUILD/bin/greybox-describe" template >template.yaml
for config in "$SOURCE"/configs/*.yaml template.yaml; do
  for program in generate train analyze; do
    run 0 "$BUILD/bin/greybox-$program" "$config" --dry-run
    expect 0 "^# greybox-$program would need"
  done
done
for study in "xy_sweep 48 trials: a grid design of 24 points, 2 seeds each" \
  "xy_alpha_beta 192 trials: a grid design of 64 points, 3 seeds each" \
  "pendulum_alpha_beta 48 trials: a grid design of 16 points, 3 seeds each"; do
  config=configs/${study%% *}.yaml
  run 0 "$BUILD/bin/greybox-sweep" "$SOURCE/$config" --dry-run
  expect 0 "${study#* }"
  if grep -q "will fail" out; then fail "$config: $(grep "will fail" out)"; fi
done

# Links to files lead somewhere.
for page in "$SOURCE"/README.md "$SOURCE"/docs/*.md "$SOURCE"/docs/theory/*.md; do
  while read -r link; do
    [ -e "$(dirname "$page")/$link" ] || fail "$page: $link does not exist"
  done < <(grep -oE '\]\([^)#]+' "$page" | cut -c3- | grep -v '^https\?:' || true)
done
