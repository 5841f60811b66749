#!/usr/bin/env bash
# Installs what tools/build_apk.sh and the tests of the app need, on Debian or Ubuntu, as root;
# with --arm64 also a compiler and an emulator for the processors of phones (make demo-test-arm64).
set -euo pipefail

packages=(openjdk-17-jdk-headless maven gcc libc6-dev make aapt zipalign apksigner zip unzip)
if [ "${1:-}" = --arm64 ]; then
  packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)
fi

if ! command -v apt-get > /dev/null; then
  echo "install_tools.sh: apt-get is missing; install ${packages[*]} by other means." >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "install_tools.sh: run it as root: sudo $0" >&2
  exit 1
fi
apt-get update --quiet
export DEBIAN_FRONTEND=noninteractive
apt-get install --yes --quiet --no-install-recommends "${packages[@]}"
