#!/bin/sh
# Pins every requirement with hashes and without any registry's address. Called by `make lock`.
set -eu
pin() { uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet "$@"; }
cd "$(dirname "$0")/.."
pin pyproject.toml requirements/build.in --extra embedded --extra host --upgrade -o requirements/run.lock
pin pyproject.toml requirements/build.in -c requirements/run.lock --extra embedded --extra host --extra models --extra dev \
  --upgrade -o requirements/test.lock
pin requirements/peers.in --upgrade -o requirements/peers.lock
