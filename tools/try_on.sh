#!/usr/bin/env bash
# Run the two commands of the README in a new Debian. For maintainers: it needs root, debootstrap and about 12 GB of disk.
#
#   tools/try_on.sh RELEASE [--python DIR] [--folder DIR] [--skip-tests]
#
#   RELEASE        a release of Debian: bookworm (Python 3.11), trixie (3.13), testing (3.14 in 2026)
#   --python DIR   use the Python in DIR of this machine instead of the release's own
#   --folder DIR   where the system is made; default /var/tmp/try_on
#   --skip-tests   run the quickstart only
#
# The system holds python3, python3-venv, git, ca-certificates and what they need; no compiler and no libGL. The commit
# that is checked out here is cloned into it. pip's cache, its PIP_* variables, proxies and CA certificates are those of
# this machine. The last line has the release, the versions, the result of each command and its minutes.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { printf 'try_on.sh: %s\n' "$*" >&2; exit 1; }
release='' python='' folder=/var/tmp/try_on tests=1
while [ $# -gt 0 ]; do
    case $1 in
        --python|--folder) [ $# -ge 2 ] || die "$1 needs a folder"; printf -v "${1#--}" %s "$2"; shift 2 ;;
        --skip-tests) tests=''; shift ;;
        -h|--help) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        -*) die "unknown option $1; see --help" ;;
        *) release=$1; shift ;;
    esac
done
[ -n "$release" ] || die 'give a release of Debian, for example trixie; see --help'
[ "$(id -u)" = 0 ] || die 'debootstrap and chroot need root'
command -v debootstrap >/dev/null || die 'debootstrap is not installed: apt-get install debootstrap'
[ -z "$python" ] || [ -x "$python/bin/python3" ] || die "$python has no bin/python3"

# A Python that was built here needs the libraries that it was linked to.
packages=python3,python3-venv,git,ca-certificates
[ -z "$python" ] || packages+=,libssl3,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,libreadline8,zlib1g
system=$folder/$release${python:+-$(basename "$python")}
mkdir -p "$folder"
if [ ! -e "$system/.made" ]; then
    # debootstrap's own default mirror serves where apt's lists are elsewhere
    mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
             sed -n 's/^URIs: *//p;s/^deb \(http[^ ]*\) .*/\1/p' | head -1) || true
    debootstrap --variant=minbase --include="$packages" "$release" "$system" ${mirror:+"$mirror"} > "$system.log" 2>&1 ||
        die "debootstrap failed, see $system.log"
    touch "$system/.made"
fi
rm -rf "$system/try" "$system/etc/ssl/host"
mkdir -p "$system/try" "$system/root/.cache/pip" "$system/etc/ssl/host"
git clone --quiet "$repository" "$system/try/mmpose_integral"
cp -L /etc/resolv.conf "$system/etc/resolv.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$system/etc/ssl/host/"
[ -z "$python" ] || mkdir -p "$system$python"

cat > "$system/try/run.sh" <<'RUN'
cd /try/mmpose_integral
python=${TRY_PYTHON:-python3}
export MPLBACKEND=Agg
timed() {  # name, command: its result and minutes go into the summary
    local start=$SECONDS name=$1 result=passed; shift
    "$@" > "/try/$name.log" 2>&1 || result="FAILED ($name.log)"
    summary+=", $name $result in $(( (SECONDS - start + 30) / 60 )) min"
}
[ -z "${TRY_PYTHON:-}" ] || { "$python" -m venv /try/environment && . /try/environment/bin/activate; }
timed install bash tools/install.sh
timed quickstart bash tools/quickstart.sh --size tiny
[ -z "$TRY_TESTS" ] || timed tests bash tools/run_tests.sh
versions=$("${VIRTUAL_ENV:-.venv}/bin/python" -c 'import platform; from importlib.metadata import version as v
print("Python", platform.python_version(), *(f", {n} {v(n)}" for n in ("torch", "numpy", "scipy", "matplotlib", "opencv-python-headless")), sep=" ")' | sed 's/ ,/,/g')
[ -z "$TRY_TESTS" ] || summary+=", $(tail -1 /try/tests.log)"
echo "$TRY_RELEASE, $versions$summary" | tee /try/summary
RUN
# The mounts belong to a namespace of their own and go away with it, also after Ctrl-C.
export TRY_RELEASE=$release TRY_TESTS=$tests TRY_PYTHON=${python:+$python/bin/python3} TRY_DIR=$python TRY_SYSTEM=$system
export TRY_CACHE=$(python3 -m pip cache dir 2>/dev/null || true)
ca=/etc/ssl/host/ca-certificates.crt
export SSL_CERT_FILE=$ca PIP_CERT=$ca REQUESTS_CA_BUNDLE=$ca CURL_CA_BUNDLE=$ca
unset VIRTUAL_ENV
unshare --mount --pid --fork --kill-child bash -euc '
mount -t proc proc "$TRY_SYSTEM/proc"
mount --rbind /dev "$TRY_SYSTEM/dev"
[ -z "$TRY_CACHE" ] || { mkdir -p "$TRY_CACHE" && mount --bind "$TRY_CACHE" "$TRY_SYSTEM/root/.cache/pip"; }
[ -z "$TRY_DIR" ] || mount --bind "$TRY_DIR" "$TRY_SYSTEM$TRY_DIR"
exec chroot "$TRY_SYSTEM" /usr/bin/env -u PIP_FIND_LINKS HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin bash /try/run.sh'
