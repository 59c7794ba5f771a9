#!/bin/sh
# No keys, tokens or passwords among the files, and no file that everybody may write to. Silent if all is well.
# shellcheck disable=SC2016 # $@ is of the inner shell
bad=$(
  git grep -nIE -e '-----BEGIN [A-Z ]*PRIVATE KEY-----' -e '(AKIA|ASIA)[0-9A-Z]{16}' -e 'gh[pousr]_[0-9A-Za-z]{36}' \
    -e 'glpat-[0-9A-Za-z_-]{20}' -e '(password|passwd|secret|token)["'"'"']?[[:space:]]*[:=][[:space:]]*["'"'"'][^"'"'"' ]{8,}'
  git ls-files -z | xargs -0 -r sh -c 'find "$@" -maxdepth 0 ! -type l -perm /o=w' sh | sed 's/$/: everybody may write to it/'
)
[ -z "$bad" ] && exit 0
printf '%s\n' "$bad"
exit 1
