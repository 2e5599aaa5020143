#!/usr/bin/env bash
# Sets Pants up in .pants-venv: `make pants` calls it with a Python 3.9, which Pants runs in, and the one of the project.
#
# Pants would fetch Pex from where its makers publish it, and lock files of its own name an index's hosts. Neither is
# needed: Pex is a package too, and what it makes of requirements.txt, pin by pin, stays out of the repository.
set -euo pipefail
pants_python=$1
project_python=$2
venv=.pants-venv
pex=$venv/pex.pex
resolve=infra/pants/resolve.json

if [[ ! $venv/.set-up -nt infra/pants/pants-lock.txt || ! $venv/.set-up -nt infra/pants/pex-lock.txt ]]; then
    "$pants_python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        -r infra/pants/pants-lock.txt
    "$venv/bin/pex" -r infra/pants/pex-lock.txt --python "$venv/bin/python" -c pex -o "$pex"
    version=$(sed -nE 's/^pex==([0-9.]+).*/v\1/p' infra/pants/pex-lock.txt)
    file="$(sha256sum "$pex" | cut -d' ' -f1)|$(stat -c %s "$pex")"
    {
        echo "# Made by infra/pants/set_up.sh: where the Pex that it built lies."
        echo "[pex-cli]"
        echo "url_template = \"file://$PWD/$pex\""
        echo "known_versions = [\"$version|linux_x86_64|$file\", \"$version|linux_arm64|$file\"]"
    } > .pants.rc
    touch "$venv/.set-up"
fi

if [[ ! $resolve -nt requirements.txt ]]; then
    echo "making $resolve of requirements.txt, some minutes the first time"
    # `--intransitive`: what is not in the lock is not looked for. What the overrides leave out is excluded: Pex forgets an
    # override when it installs, and keeps an exclusion.
    PEX_SCRIPT=pex3 "$venv/bin/python" "$pex" lock create --style strict --python "$project_python" --intransitive \
        --exclude "$(sed -nE "s/^([a-z0-9-]+); sys_platform == 'never'$/\1/p" requirements-overrides.in)" \
        --pip-version latest-compatible --no-build -r requirements.txt -o "$resolve.draft"
    mv "$resolve.draft" "$resolve"
fi
