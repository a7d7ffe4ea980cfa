#!/bin/sh
# Installs Mimo from the archive of a release: fetches the one for this machine, checks
# its SHA-256, and puts the program into ~/.local/bin.
#
#   MIMO_DOWNLOADS   the address of the release's files
#   MIMO_BIN         another folder for the program
#   MIMO_TARGET      another archive than that for this machine
set -eu

fail() {
  printf 'mimo: %s\n' "$1" >&2
  exit 1
}

target_of_this_machine() {
  case "$(uname -s) $(uname -m)" in
    'Linux x86_64') echo x86_64-unknown-linux-musl ;;
    'Linux aarch64' | 'Linux arm64') echo aarch64-unknown-linux-musl ;;
    'Darwin x86_64') echo x86_64-apple-darwin ;;
    'Darwin arm64') echo aarch64-apple-darwin ;;
    *) fail "there is no archive for $(uname -s) on $(uname -m); build it: cargo install mimo-mcp" ;;
  esac
}

fetch() {
  if command -v curl > /dev/null; then
    curl -fsSL -o "$2" "$1"
  elif command -v wget > /dev/null; then
    wget -q -O "$2" "$1"
  else
    fail "neither curl nor wget is here; install one of them"
  fi || fail "$1 could not be fetched; look at the network and the address"
}

sha256() {
  if command -v sha256sum > /dev/null; then
    sha256sum "$1"
  else
    shasum -a 256 "$1"
  fi | cut -d ' ' -f 1
}

# All of it is read before any of it runs.
main() {
  downloads=${MIMO_DOWNLOADS:-@DOWNLOADS@}
  [ -n "$downloads" ] || fail "MIMO_DOWNLOADS is not set: it is the address of the release's files"
  bin=${MIMO_BIN:-$HOME/.local/bin}
  archive=mimo-${MIMO_TARGET:-$(target_of_this_machine)}.tar.gz

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  fetch "$downloads/SHA256SUMS" "$work/SHA256SUMS"
  fetch "$downloads/$archive" "$work/$archive"

  expected=$(awk -v name="$archive" '$2 == name { print $1 }' "$work/SHA256SUMS")
  [ -n "$expected" ] || fail "SHA256SUMS does not list $archive, so nothing was installed"
  found=$(sha256 "$work/$archive")
  [ "$found" = "$expected" ] ||
    fail "$archive has the SHA-256 $found, not $expected, so nothing was installed; fetch it again"

  tar -xzf "$work/$archive" -C "$work" mimo
  version=$("$work/mimo" --version) || fail "$archive does not run on this machine"
  mkdir -p "$bin"
  # A Mimo that is running keeps its file.
  cp "$work/mimo" "$bin/.mimo.new"
  mv -f "$bin/.mimo.new" "$bin/mimo"

  printf '%s is installed as %s\n' "$version" "$bin/mimo"
  case ":$PATH:" in
    *":$bin:"*) mimo=mimo ;;
    *) mimo=$bin/mimo ;;
  esac
  printf 'next: %s setup CLIENT, for example claude-code; %s setup lists them\n' "$mimo" "$mimo"
}

main
