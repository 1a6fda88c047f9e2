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
TEST_PACKAGES=(ffmpeg gir1.2-gst-rtsp-server-1.0 gstreamer1.0-tools x11-utils xauth procps iproute2 vlc-bin vlc-plugin-base)
# Taken where the distribution has them; tests that need one say so where it is missing.
TEST_PACKAGES_WHERE_THERE=(chromium livemedia-utils coturn faketime)

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

MAY_INSTALL=
may_install() { # asks once; in a terminal sudo may want a password
  if [ -z "$MAY_INSTALL" ]; then
    MAY_INSTALL=no
    if [ "$(id -u)" = 0 ]; then
      MAY_INSTALL=yes
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && say "sudo is needed to install packages" && sudo -v; }; }; then
      MAY_INSTALL=yes
    fi
  fi
  [ "$MAY_INSTALL" = yes ]
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_line() { # what a person types to install these
  local sudo=
  if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then sudo='sudo '; fi
  printf '%s' "${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends $*"
}

install_packages() {
  say "installing packages: $*"
  local log quiet=(env DEBIAN_FRONTEND=noninteractive)
  log=$(mktemp)
  as_root "${quiet[@]}" apt-get update 2>&1 | progress "$log" || say "apt-get update complained: $(tail -n 1 "$log")"
  # A system that has just started may be installing updates: its lock is waited for.
  if ! as_root "${quiet[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" 2>&1 |
    progress "$log"; then
    tail -n 15 "$log" >&2
    ! is_ubuntu || say "Ubuntu has some of these in its component 'universe': sudo add-apt-repository universe"
    fail "installing packages failed (see above, all of it in $log). By hand, as root:
  $(apt_line "$@")"
  fi
  rm -f "$log"
}

is_ubuntu() { grep -qs '^ID=ubuntu' /etc/os-release; }

where_there() { # those of the names that this distribution really has, one a line; a package that only calls snap is none
  local name
  for name in "$@"; do
    if apt-cache policy "$name" 2>/dev/null | grep 'Candidate: [0-9]' | grep -qv snap; then printf '%s\n' "$name"; fi
  done
}

ensure_packages() { # $1: how many of the names must be there; the others are taken where the distribution has them
  local needed=$1 missing=() wanted=() optional=()
  shift
  command -v dpkg-query >/dev/null || {
    say "not a Debian or Ubuntu system: install GStreamer 1.22+ with its Python bindings, Xvfb and x11-apps yourself"
    return 0
  }
  mapfile -t missing < <(missing_packages "${@:1:needed}")
  mapfile -t wanted < <(missing_packages "${@:needed+1}")
  mapfile -t optional < <(where_there "${wanted[@]}")
  [ "$((${#missing[@]} + ${#optional[@]}))" != 0 ] || return 0
  if may_install; then
    [ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
    mapfile -t optional < <(where_there "${wanted[@]}") # a new system knows of no package before its first update
    [ "${#optional[@]}" = 0 ] || install_packages "${optional[@]}"
  elif [ "${#missing[@]}" != 0 ]; then
    fail "packages are missing, and this user may not install them. An administrator (root) must run:
  $(apt_line "${missing[@]}" "${optional[@]}")"
  else
    say "going on without ${optional[*]}; an administrator can add them: $(apt_line "${optional[@]}")"
  fi
}

tell_of_browser() { # Ubuntu has Chromium as a snap only, which is not installed for anybody unasked
  if is_ubuntu && [ -z "${STEADYCAST_CHROMIUM:-}" ] && ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
    say "no browser: its tests are skipped. Ubuntu's Chromium is a snap: sudo snap install chromium"
    say "(or install Google Chrome, or set STEADYCAST_CHROMIUM to a browser's path)"
  fi
}

ensure_venv() { # $1: lock file name. Leaves the interpreter in $PYTHON
  local lock="$ROOT/requirements/$1" venv="${STEADYCAST_VENV:-$ROOT/.venv}" version wanted stamp log lock_fd
  [ -x /usr/bin/python3 ] || fail "/usr/bin/python3 is missing; the distribution's Python is needed for its GStreamer bindings"
  version=$(/usr/bin/python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3]); sys.exit(sys.version_info < (3, 11))') ||
    fail "Python 3.11 or newer is needed; /usr/bin/python3 is $version"
  wanted="$version $(cat "$ROOT"/requirements/*.lock | sha256sum | cut -c1-16) $ROOT "
  stamp=$(cat "$venv/steadycast-stamp" 2>/dev/null || true)
  PYTHON="$venv/bin/python"
  # The test lock holds all of the runtime lock: an environment made for tests serves both.
  case "$stamp" in "$wanted$1" | "${wanted}test.lock") return 0 ;; esac
  exec {lock_fd}<"$ROOT"
  flock "$lock_fd" # ./serve and ./test may be started for the first time at once
  stamp=$(cat "$venv/steadycast-stamp" 2>/dev/null || true)
  case "$stamp" in "$wanted$1" | "${wanted}test.lock") exec {lock_fd}>&- && return 0 ;; esac
  # Its scripts hold the path that it was made for.
  if ! [ -x "$PYTHON" ] || [[ "$stamp" != "$version "*" $ROOT "* ]] || ! "$PYTHON" -c '' 2>/dev/null; then
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
  exec {lock_fd}>&-
}
