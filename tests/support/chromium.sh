#!/bin/sh
# The browser tests look at the console in Debian's Chromium. Installs it when it is missing and we may.
set -eu
if command -v chromium >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Setting up: Chromium for the browser tests (apt-get)"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
else
  echo "Chromium is missing, so the browser tests will be skipped. On Debian: sudo apt-get install chromium fonts-noto-cjk"
fi
