#!/bin/sh
# All shell scripts pass shellcheck. Silent if all is well.
git ls-files -z '*.sh' '*.sbatch' | xargs -0 -r shellcheck
