#!/bin/sh
# All C files are as clang-format leaves them. Silent if all is well.
git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run --Werror
