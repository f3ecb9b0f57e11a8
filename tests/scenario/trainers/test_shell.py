"""Launch scripts: what a careful reader sees that a shell would run."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.errors import InputError
from llmcost.scenario.importers.shell import Shell
from llmcost.scenario.importers.shell.arithmetic import calculate


def words(script: str) -> list[str]:
    """The words of the last `run` of a script."""
    return [command for command in Shell().read(script).commands if command[0] == "run"][-1]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("A=4\nrun --a $A --b ${A}", ["run", "--a", "4", "--b", "4"]),
        ("A=${A:-8}; B=${B-9}; C=${A:+yes}\nrun $A $B $C", ["run", "8", "9", "yes"]),
        ("N=2 G=8\nrun $((N*$G)) $(( ${N} + 1 ))", ["run", "16", "3"]),
        ('X="--a 1 \\\n  --b 2"\nrun $X', ["run", "--a", "1", "--b", "2"]),
        ('X="a b"\nrun "$X" \'$X\' \\$X', ["run", "a b", "$X", "$X"]),
        ("A=(--a 1 # one\n  --b 2\n)\nA+=(--c 3)\nrun ${A[@]}", ["run", "--a", "1", "--b", "2", "--c", "3"]),
        ('A=("x y" z)\nrun "${A[@]}" ${A[1]}', ["run", "x y", "z", "z"]),
        ("A=1\nA+=2\nrun $A", ["run", "12"]),
        ("if [ $X = 1 ]; then A=1; else A=2; fi\nrun $A", ["run", "2"]),
        ('T=a\nif [[ "$T" == "b" || "$T" == "a" ]]; then A=1; fi\nrun $A', ["run", "1"]),
        ("S=2\nif [[ $S -gt 1 ]] && [[ $S -lt 3 ]]; then A=in; fi\nrun $A", ["run", "in"]),
        ('[ -z "$U" ] && U=5\nrun $U', ["run", "5"]),
        ("M=7B\ncase $M in\n  7B|8B) L=32 ;;\n  *) L=80 ;;\nesac\nrun $L", ["run", "32"]),
        ("f() { L=$1; }\nf 12\nrun $L", ["run", "12"]),
        ("for tp in 2 4; do\nT=$tp\ndone\nrun $T", ["run", "2"]),
        ('IFS="," read -r A B <<< "3,4"\nrun $A $B', ["run", "3", "4"]),
        ("# N=4\nN=2 # N=3\nrun $N #4", ["run", "2"]),
        ("export A=1\ndeclare -a B=(x)\nlocal C=3\nrun $A ${B[0]} $C", ["run", "1", "x", "3"]),
        ("run \\\n  --a 1 \\\n  --b 2", ["run", "--a", "1", "--b", "2"]),
        ("bash <<EOF\nrun --a ${X:-1}\nEOF", ["run", "--a", "1"]),
    ],
)  # fmt: skip
def test_what_a_script_says(script: str, expected: list[str]) -> None:
    assert words(script) == expected


def test_what_is_not_known_stays_as_it_is_written() -> None:
    assert words("run $1 ${SLURM_NNODES} $(nproc --all) `hostname`") == [
        "run", "$1", "${SLURM_NNODES}", "$(nproc --all)", "`hostname`",
    ]  # fmt: skip


def test_a_test_on_files_is_taken_not_to_hold() -> None:
    script = "if [ ! -f x ]; then exit 1; fi\nif [ -d y ]; then A=1; else A=2; fi\nrun $A"
    assert words(script) == ["run", "2"]


def test_files_that_a_script_writes() -> None:
    script = (
        'Z=3\ncat > ds.json <<EOT\n{"stage": $Z, "raw": "\\$Z"}\nEOT\ncat <<\'E\' > raw\n$Z\nE\n'
    )
    files = Shell().read(script).files
    assert files == {"ds.json": '{"stage": 3, "raw": "$Z"}\n', "raw": "$Z\n"}


def test_directives_of_a_batch_system_set_its_variables() -> None:
    script = (
        "#SBATCH --nodes=4\n#SBATCH --gpus-per-node=8\nrun $((SLURM_NNODES*SLURM_GPUS_PER_NODE))"
    )
    assert words(script) == ["run", "32"]


def test_nothing_is_run(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Shell().read(
        "touch a\n$(touch b)\n`touch c`\neval touch d\nbash -c 'touch e'\nx=$(touch f) && touch g\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+3*4", 14), ("(2+3)*4", 20), ("2**3**2", 512), ("-7/2", -3), ("7%4", 3), ("-7%4", -3), ("1<2", 1),
        ("N*8", 32), ("$N/3", 1), ("${N}-5", -1), ("1 ? 2 : 3", 2), ("0&&x", None), ("N==4||0", 1), ("!0", 1),
        ("1/0", None), ("unknown", None), ("", None), ("2**2**9", None), ("1+", None), ("(1", None), ("0x10", None),
    ],
)  # fmt: skip
def test_arithmetic(text: str, value: int | None) -> None:
    assert calculate(text, {"N": 4}.get) == value


_SUM = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
        lambda t: f"({t[0]}{t[1]}{t[2]})"
    ),
    max_leaves=6,
)


@given(_SUM)
def test_arithmetic_is_the_shell_s(text: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"echo $(({text}))"], capture_output=True, text=True, check=True
    )
    assert calculate(text, {}.get) == int(done.stdout)


_VALUE = st.text("ab 12", max_size=6)
_PIECES = st.lists(
    st.sampled_from(
        ["$A", '"$A"', "'$A'", "${B:-x y}", '"${B:-x y}"', "${L[@]}", '"${L[@]}"', "$((N+1))", "word", "\\$A", '"q$A"']
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


@given(_VALUE, st.lists(st.text("ab 1", min_size=1, max_size=4), max_size=3), _PIECES)
def test_expansion_is_the_shell_s(value: str, items: list[str], pieces: list[str]) -> None:
    """Words that need nothing from outside fall as bash makes them fall."""
    array = " ".join(f"'{item}'" for item in items)
    script = f"A='{value}'\nN=4\nL=({array})\nrun {' '.join(pieces)}"
    print_words = 'run() { for w in "$@"; do printf "%s\\0" "$w"; done; }\n'
    done = subprocess.run(["bash", "-c", print_words + script], capture_output=True, check=True)
    expected = done.stdout.decode().split("\0")[:-1]
    assert words(script)[1:] == expected


@pytest.mark.parametrize(
    ("start", "piece", "times"),
    [
        ("A=x\n", "A=$A$A$A$A\n", 40),
        ("A=(1 2 3 4)\n", "A+=(${A[@]})\n", 40),
        ("echo ", "$(", 5000),
        ("", "if true; then\n", 5000),
        ("", "x;", 60_000),
        ("", "a", 300_000),
        ("f() { g; g; }\ng() { f; f; }\n", "f\n", 20_000),
    ],
)
def test_what_no_launch_script_holds_is_refused(start: str, piece: str, times: int) -> None:
    with pytest.raises(InputError, match="no launch script"):
        Shell().read(start + piece * times)


def test_a_function_that_calls_itself_ends() -> None:
    assert words("f() { N=$((N+1)); f; }\nN=0\nf\nrun $N")[1].isdecimal()


@given(st.text("${}()[]\"'`\\ab=;&|<>\n# -19*:+if then fi", max_size=120))
def test_any_text_is_read_or_refused(script: str) -> None:
    try:
        reading = Shell().read(script)
    except InputError:
        return
    assert all(isinstance(word, str) for command in reading.commands for word in command)
