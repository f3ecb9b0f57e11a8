"""Entry point: finds the command, imports it alone, and turns errors into exit codes."""

from __future__ import annotations

import gc
import inspect
import os
import re
import sys
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from llmcost.cli.options import say, spread, write_out
from llmcost.errors import LlmcostError, ReaderGoneError, nearest, whole
from llmcost.version import __version__

#: Commands in the order of the help; each is a module of this package with a function `command`.
COMMANDS = (
    "estimate",
    "compare",
    "sweep",
    "project",
    "report",
    "validate",
    "calibrate",
    "catalog",
    "schema",
    "init",
)

_INTERRUPTED = 130
_TERMINATED = 143
#: What a shell sets when it asks for completions, to its name.
COMPLETING = "_LLMCOST_COMPLETE"


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    #: While the help lists the commands, which takes their names and first lines, not their options.
    _listing = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        super().format_help(ctx, formatter)
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"llmcost.cli.{cmd_name}")
        if self._listing:
            return TyperCommand(cmd_name, help=inspect.cleandoc(module.command.__doc__ or ""))
        command = spread(module.command)
        if COMPLETING in os.environ:
            from llmcost.cli.complete import attach

            attach(command)
        single = typer.Typer(add_completion=False)
        single.command(cmd_name, epilog=module.EPILOG)(command)
        return get_command(single)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise typer.BadParameter(
                f'no command "{args[0][:60]}"{nearest(args[0], COMMANDS) or "; commands are " + ", ".join(COMMANDS)}'
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LazyGroup,
    name="llmcost",
    no_args_is_help=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Example: llmcost estimate llama-3.1-405b",
)


def _version(wanted: bool) -> None:
    if wanted:
        write_out(f"llmcost {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What it takes to train and serve a large model: devices, days, money, energy, carbon and water."""
    if ctx.invoked_subcommand is None:
        write_out(ctx.get_help() + "\n")


class _TerminatedError(BaseException):
    """The process was asked to end (SIGTERM, SIGHUP)."""


def _end_as_interrupted() -> None:
    """End on SIGTERM and SIGHUP as on Ctrl-C: what is half written goes away."""
    import signal
    import threading

    def end(number: int, frame: Any) -> None:
        raise _TerminatedError

    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):  # the second comes when the terminal is closed
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    code = run(sys.argv[1:] if arguments is None else arguments)
    # The interpreter would look for garbage among all modules before it ends: 20 ms of an estimate.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 done, 1 no answer, 2 wrong input, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    _end_as_interrupted()
    for name in ("COLUMNS", "LINES"):  # which rich reads too, and trips over what is no number
        if whole(os.environ.get(name, ""), 10**6) is None:
            os.environ.pop(name, None)
    if COMPLETING in os.environ:
        from llmcost.cli.complete import join_words

        join_words(os.environ[COMPLETING])
    # ClickException, in click or wherever this typer keeps its own.
    usage_error: type[Exception] = cast("type[Exception]", typer.BadParameter.__mro__[2])
    try:
        code = get_command(app)(
            _optional_values(arguments), prog_name="llmcost", standalone_mode=False
        )
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except ReaderGoneError as gone:
        # What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return gone.exit_code
    except LlmcostError as error:
        for problem in error.problems:
            say(f"error: {problem}")
        return error.exit_code
    except _TerminatedError:
        say("terminated")
        return _TERMINATED
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return _INTERRUPTED
    except typer.Exit as done:
        return done.exit_code
    except OSError as error:
        say(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
        return 1
    except MemoryError:
        say("error: not enough memory for this")
        return 1
    except usage_error as error:
        context = getattr(error, "ctx", None)
        where = f"; see `{context.command_path} --help`" if context else ""
        say(f"error: {error.format_message()}{where}")  # type: ignore[attr-defined]
        return 2


#: Options whose value may be left out.
_OPTIONAL = {"--explain": re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?")}


def _optional_values(arguments: list[str]) -> list[str]:
    """Give ``--explain`` the value ``all`` where no result follows it."""
    out = list(arguments)
    for index in reversed(range(len(out))):
        pattern = _OPTIONAL.get(out[index])
        if pattern is None:
            continue
        follows = out[index + 1] if index + 1 < len(out) else "-"
        if pattern.fullmatch(follows) and not os.path.exists(follows):
            out[index : index + 2] = [f"{out[index]}={follows}"]
        else:
            out[index] += "=all"
    return out
