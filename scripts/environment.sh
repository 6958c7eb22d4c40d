# Sourced by the other scripts: an environment of this repository's own, made on first use.
#
#   prepare_environment core     what a user needs        sets VENV_PYTHON
#   prepare_environment dev      what the tests need      (has all that core has)
#
# Debian forbids pip outside a virtual environment, so there is always one: .venv, or .venv-X.Y when PYTHON names an
# interpreter, or the folder that TRADECORE_VENV names. A stamp says what was installed for which pyproject.toml, so
# that a second start calls no pip at all.

say() { printf '%s\n' "$*" >&2; }

# Whether a command is a Python that this package runs on and that can make environments.
is_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

# An interpreter X.Y: on the path, else among pyenv's. Prints its command; fails when there is none.
find_python() {
    local version="$1" candidate
    for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version"*/bin/python; do
        if is_python "$candidate" && "$candidate" -c "import sys; sys.exit(sys.version_info[:2] != (${version/./, }))"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

choose_python() {
    local version
    if [ -n "${PYTHON:-}" ]; then
        if is_python "$PYTHON"; then
            printf '%s\n' "$PYTHON"
            return 0
        fi
        say "error: PYTHON=$PYTHON is no Python 3.11 to 3.13 with the venv module; name another, or leave PYTHON unset"
        return 1
    fi
    if is_python python3; then
        printf 'python3\n'
        return 0
    fi
    for version in 3.13 3.12 3.11; do
        if find_python "$version"; then
            return 0
        fi
    done
    say "error: no Python 3.11 to 3.13 with the venv module was found (python3 is $(python3 --version 2>&1 || true))"
    say "  help: on Debian: apt-get install python3 python3-venv. Elsewhere: PYTHON=/path/to/python3.12 $0"
    return 1
}

prepare_environment() {
    local wanted="$1" python venv stamp expected extras log
    if [ -n "${TRADECORE_VENV:-}" ]; then
        venv="$TRADECORE_VENV"
    elif [ -n "${PYTHON:-}" ]; then
        python="$(choose_python)" || return 1
        venv="$REPOSITORY/.venv-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    else
        venv="$REPOSITORY/.venv"
    fi
    VENV_PYTHON="$venv/bin/python"
    expected="$(cksum <"$REPOSITORY/pyproject.toml") $REPOSITORY"
    # An environment for development has all that a user needs.
    for stamp in "$venv/.installed-dev" "$venv/.installed-$wanted"; do
        if [ -x "$VENV_PYTHON" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$expected" ]; then
            return 0
        fi
    done

    if command -v flock >/dev/null 2>&1; then
        # Two first starts at once must not install into each other.
        exec 9>"$venv.lock"
        flock 9
        for stamp in "$venv/.installed-dev" "$venv/.installed-$wanted"; do
            if [ -x "$VENV_PYTHON" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$expected" ]; then
                exec 9>&-
                return 0
            fi
        done
    fi
    python="${python:-$(choose_python)}" || return 1
    if ! "$VENV_PYTHON" -m pip --version >/dev/null 2>&1; then
        say "making $venv with $("$python" --version) (once)"
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    extras=""
    if [ "$wanted" = dev ]; then
        extras="[dev]"
    fi
    say "installing tradecore$extras into $venv (once per change of pyproject.toml)"
    log="$venv/install.log"
    if ! "$VENV_PYTHON" -m pip install --disable-pip-version-check --editable "$REPOSITORY$extras" >"$log" 2>&1; then
        say "error: the installation failed; its last lines (all of it: $log):"
        tail -n 15 "$log" >&2
        return 1
    fi
    printf '%s' "$expected" >"$venv/.installed-$wanted"
    if command -v flock >/dev/null 2>&1; then
        exec 9>&-
    fi
}
