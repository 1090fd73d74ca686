# shellcheck shell=bash
# Debian trees and how to enter them; for scripts that source it. Needs root and mmdebstrap.

mirror() { # the mirror of this machine's own packages
    local found
    found=$(grep -rhoE 'https?://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1)
    echo "${found:-http://deb.debian.org/debian}"
}

make_tree() { # SUITE TREE PACKAGE,PACKAGE...: with these and what they depend on
    [ "$(id -u)" = 0 ] || { echo "chroot.sh: building a Debian tree needs root" >&2; return 1; }
    command -v mmdebstrap >/dev/null || { echo "chroot.sh: no mmdebstrap; apt-get install mmdebstrap" >&2; return 1; }
    rm -rf "$2"
    # A mirror's snapshot or a machine's clock may be weeks off: the signature still holds.
    mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$3" \
        "$1" "$2" "$(mirror)"
}

enter_tree() { # TREE FOLDER COMMAND...: runs it inside, with a folder of this machine, in a mount namespace of its own
    local tree=$1 folder=$2 certificates=etc/ssl/certs/ca-certificates.crt index
    shift 2
    index=$(python3 -m pip config get global.index-url 2>/dev/null) || index=${PIP_INDEX_URL:-}
    mkdir -p "$tree$folder" &&
        cp -L /etc/resolv.conf "$tree/etc/resolv.conf" &&
        cp -L "/$certificates" "$tree/$certificates" || return
    # The tree has to be a mount point, or ip can't enter network namespaces.
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -c '
        tree=$1 folder=$2; shift 2
        mount --bind "$tree" "$tree" && mount -t proc proc "$tree/proc" && mount --rbind /sys "$tree/sys" &&
            mount --rbind /dev "$tree/dev" && mount --bind "$folder" "$tree$folder" || exit 1
        exec chroot "$tree" env -u PIP_FIND_LINKS -u PIP_CONFIG_FILE -u VIRTUAL_ENV HOME=/root \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' - "$tree" "$folder" \
        ${index:+PIP_INDEX_URL="$index"} "PIP_CERT=/$certificates" "$@"
}
