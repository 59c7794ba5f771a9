#!/bin/sh
# Who may include whom: a folder of libcore only itself and those to its left; a physics no learning, no report and no
# other physics; nobody the tests. Silent if all is well.
order="base comm config linalg io ad data sim learn sweep report"
for_physics="base|comm|config|linalg|io|ad|data|sim"
bad=$(
  for folder in libcore/*/; do
    name=$(basename "$folder")
    case " $order " in
    *" $name "*) ;;
    *) echo "$folder: has no place in the order \"$order\" of tests/lint/layers.sh" ;;
    esac
  done
  allowed=""
  for own in $order; do
    allowed="$allowed${allowed:+|}$own"
    [ -d "libcore/$own" ] || continue
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.[ch]' "libcore/$own" |
      grep -vE "include[[:space:]]*\"(($allowed)/[a-z0-9_]+\.h|build_info\.h)\"" |
      sed "s#\$#   <- libcore/$own may include only from: $allowed#"
  done
  grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' physics/*.[ch] physics/*/*.[ch] |
    grep -vE "include[[:space:]]*\"($for_physics)/[a-z0-9_]+\.h\"" |
    grep -vE '^physics/([a-z0-9_]+)(\.c|/[a-z0-9_]+\.[ch]):[0-9]+:#include "\1/[a-z0-9_]+\.h"' |
    grep -vE '^physics/registry\.[ch]:[0-9]+:#include "(registry|list)\.h"' |
    sed 's#$#   <- a physics may include only libcore up to sim and its own folder#'
  grep -rnE 'include[[:space:]]*[<"]([^>"]*/)?(tests|unit|mpi|regression)/|include[[:space:]]*"([^"]*/)?(check|cmocka)\.h|<cmocka\.h>' \
    --include='*.[ch]' libcore physics apps |
    sed 's#$#   <- only tests include tests#'
)
[ -z "$bad" ] && exit 0
printf '%s\n' "$bad"
exit 1
