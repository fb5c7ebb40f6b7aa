#!/bin/sh
# Any other CI: the exit status is the verdict, 0 conforms, 1 does not, 2 could not tell.
# Once before: pip install "git+https://github.com/OWNER/rnn-conformance@REF"
set -eu
rnn-conformance check my_rnn.py --junitxml rnn.xml --html rnn.html --json rnn.json --badge rnn-badge.json
