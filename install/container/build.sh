#!/bin/sh
# Builds the image of the Dockerfile beside it without a daemon and without a base image
# from elsewhere: cargo here makes the static program, buildah the image. Needs cargo,
# musl-gcc and buildah, in the top folder of the checkout:
#
#   install/container/build.sh                 the image mimo:latest
#   install/container/build.sh target/.../mimo of a static program that is there already
#   buildah run "$(buildah from mimo)" -- /mimo --version
#
# An account other than root needs the ranges of ids in /etc/subuid and /etc/subgid that
# buildah asks for. In a container that may make no namespaces, be root, and say
# BUILDAH_ISOLATION=chroot and STORAGE_DRIVER=vfs.
set -eu
cd "$(dirname "$0")/../.."
program=${1:-}
if [ -z "$program" ]; then
    target=$(uname -m)-unknown-linux-musl
    cargo build --release --locked --bin mimo --target "$target" \
        --config install/packages/musl.toml
    program=${CARGO_TARGET_DIR:-target}/$target/release/mimo
fi
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/image/etc/mimo" "$stage/image/tmp" "$stage/owned/data"
cp "$program" "$stage/image/mimo"
cp install/container/config.toml "$stage/image/etc/mimo/config.toml"
chmod 1777 "$stage/image/tmp"
# This folder stands for the stage of the Dockerfile that compiles.
buildah bud --build-context build="$stage" -f install/container/Dockerfile -t mimo "$stage"
