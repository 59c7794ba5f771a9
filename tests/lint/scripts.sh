#!/bin/sh
# All shell scripts pass shellcheck; jobs of one machine, which run programs, build them first. Silent if all is well.
git ls-files -z '*.sh' '*.sbatch' | xargs -0 -r shellcheck || exit 1
for job in $(git grep -lE '^ *greybox [a-z]+|^ *baseline ' -- 'jobs/*.sh' ':!jobs/common.sh'); do
  grep -qx build "$job" || { echo "$job: does not build" && exit 1; }
done
