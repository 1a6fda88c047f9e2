# Set-up shared by ./serve and ./test: Debian packages, a virtual environment, pinned Python packages.
# Sourced, not run. Safe to repeat; when all is there it only looks (well under a second).
# shellcheck shell=bash

# What the host itself needs.
RUNTIME_PACKAGES=(
  python3 python3-venv python3-gi python3-gst-1.0
  gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav gstreamer1.0-x
  xvfb x11-apps x11-xserver-utils fonts-dejavu-core
)
# What the tests need on top.
TEST_PACKAGES=(ffmpeg gir1.2-gst-rtsp-server-1.0 gstreamer1.0-tools x11-utils procps iproute2 vlc-bin vlc-plugin-base)
# Taken where the distribution has them; tests that need one say so where it is missing.
TEST_PACKAGES_WHERE_THERE=(chromium livemedia-utils coturn)

say() { printf '\033[2m[set-up]\033[0m %s\n' "$*" >&2; }
fail() {
  printf 'set-up: %s\n' "$*" >&2
  exit 2
}

progress() { # $1: log file. Shows what a long command does on one line of a terminal, and keeps all of it in the log
  local line shown=0
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$1"
    if [ -t 2 ]; then
      printf '\r\033[K\033[2m%s\033[0m' "${line:0:100}" >&2
      shown=1
    fi
  done
  [ "$shown" = 0 ] || printf '\r\033[K' >&2
}

missing_packages() { # names that dpkg does not know as installed, one a line
  local name status
  declare -A installed=()
  while read -r name status; do
    [ "$status" = "installed" ] && installed["${name%%:*}"]=1
  done < <(dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
  for name in "$@"; do [ -n "${installed[$name]:-}" ] || printf '%s\n' "$name"; done
}

as_root() { # runs a command as root, or returns 1 where that is not possible
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo "$@"
  else
    return 1
  fi
}

install_packages() {
  local line="apt-get install -y --no-install-recommends $*"
  if [ "$(id -u)" != 0 ] && ! { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; }; then
    fail "missing Debian packages and no right to install them. An administrator must run:
  sudo apt-get update && sudo $line"
  fi
  say "installing Debian packages: $*"
  local log
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update 2>&1 | progress "$log" || say "apt-get update complained: $(tail -n 1 "$log")"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" 2>&1 | progress "$log"; then
    tail -n 15 "$log" >&2
    fail "installing packages failed (see above). By hand: sudo $line"
  fi
  rm -f "$log"
}

ensure_packages() {
  command -v dpkg-query >/dev/null || {
    say "not a Debian or Ubuntu system: install GStreamer 1.22+ with its Python bindings, Xvfb and x11-apps yourself"
    return 0
  }
  local missing=()
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
}

ensure_packages_where_there() { # installs those of the names that this distribution really has, once
  command -v apt-cache >/dev/null || return 0
  local missing=() there=() name
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" != 0 ] || return 0
  for name in "${missing[@]}"; do
    if apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [0-9]'; then there+=("$name"); fi
  done
  [ "${#there[@]}" = 0 ] || install_packages "${there[@]}"
}

ensure_venv() { # $1: lock file name. Leaves the interpreter in $PYTHON
  local lock="$ROOT/requirements/$1" venv="${STEADYCAST_VENV:-$ROOT/.venv}" version wanted stamp log
  [ -x /usr/bin/python3 ] || fail "/usr/bin/python3 is missing; the distribution's Python is needed for its GStreamer bindings"
  version=$(/usr/bin/python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3]); sys.exit(sys.version_info < (3, 11))') ||
    fail "Python 3.11 or newer is needed; /usr/bin/python3 is $version"
  wanted="$version $(cat "$ROOT"/requirements/*.lock | sha256sum | cut -c1-16) $ROOT "
  stamp=$(cat "$venv/steadycast-stamp" 2>/dev/null || true)
  PYTHON="$venv/bin/python"
  # The test lock holds all of the runtime lock: an environment made for tests serves both.
  case "$stamp" in "$wanted$1" | "${wanted}test.lock") return 0 ;; esac
  if ! [ -x "$PYTHON" ] || [ "${stamp%% *}" != "$version" ] || ! "$PYTHON" -c '' 2>/dev/null; then
    say "making the virtual environment $venv"
    /usr/bin/python3 -m venv --clear --system-site-packages "$venv" || fail "could not make $venv (is the folder writable?)"
  fi
  say "installing pinned Python packages ($1)"
  log=$(mktemp)
  if ! "$PYTHON" -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes -r "$lock" 2>&1 | progress "$log"; then
    tail -n 15 "$log" >&2
    fail "pip could not install the packages of requirements/$1 (see above)"
  fi
  rm -f "$log"
  # The package runs from this folder: the environment finds it wherever it is started.
  printf '%s\n' "$ROOT" >"$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/steadycast.pth"
  printf '%s' "$wanted$1" >"$venv/steadycast-stamp"
}
