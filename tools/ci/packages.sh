# Sourced by tools/demo and tools/test: installs Debian packages that are missing, and says so.

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
[ -t 2 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '==> %s\n' "$*" >&2; }

need_packages() {
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "missing packages, and no root to install them: ${missing[*]}"; return 1; }
    sudo=(sudo)
  fi
  say "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# The Debian packages that each part takes.
build_packages=(g++ cmake ninja-build git libcli11-dev nlohmann-json3-dev libjpeg62-turbo-dev libpng-dev
                libfreetype-dev libstb-dev libwebp-dev libtiff-dev)
test_packages=(catch2 libeigen3-dev libbenchmark-dev binutils pkg-config dpkg-dev mandoc groff-base python3)
python_packages=(python3-torch libopenblas0-pthread python3-numpy python3-pil python3-pytest python3-matplotlib clang-format)
ci_packages=(ccache clang libclang-rt-14-dev libomp-dev libsimde-dev g++-aarch64-linux-gnu g++-arm-linux-gnueabihf qemu-user python3-venv)
