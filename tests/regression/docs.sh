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

# Links to files lead somewhere.
for page in "$SOURCE"/README.md "$SOURCE"/docs/*.md "$SOURCE"/docs/theory/*.md; do
  while read -r link; do
    [ -e "$(dirname "$page")/$link" ] || fail "$page: $link does not exist"
  done < <(grep -oE '\]\([^)#]+' "$page" | cut -c3- | grep -v '^https\?:' || true)
done
