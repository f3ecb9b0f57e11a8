"""Launch scripts read as a careful reader does: variables and arrays put in, nothing ever run."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import NamedTuple

from llmcost.errors import InputError
from llmcost.scenario.importers.shell.arithmetic import calculate
from llmcost.scenario.importers.shell.fields import Word
from llmcost.scenario.importers.shell.statements import Command, Script, Statement, parse_script
from llmcost.scenario.importers.shell.words import braced, unquoted, words_of

#: A script takes fewer steps, and expands to less text, than this.
_MOST_STEPS, _MOST_TEXT = 20_000, 4_000_000
#: Functions and scripts inside scripts go no deeper than this.
_MOST_LEVELS = 20

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[\w*\])?(\+?)=")
#: Commands that run the text that is fed to them.
_SHELLS = ("sbatch", "bash", "sh", "zsh", "srun", "qsub", "bsub", "flux")
_DECLARE = ("export", "declare", "local", "readonly", "typeset")
_DIRECTIVE = re.compile(r"^[ \t]*#(?:SBATCH|PBS|BSUB|FLUX)[: ]\s*(-.*)$", re.M)


class Reading(NamedTuple):
    """What a script says.

    Attributes
    ----------
    commands : list of list of str
        The commands that it would run, each as its words.
    variables : dict of str to str
        Variables at its end.
    files : dict of str to str
        Files that it writes from text inside it, by name.
    directives : list of str
        Options in the comments that a batch system reads.
    """

    commands: list[list[str]]
    variables: dict[str, str]
    files: dict[str, str]
    directives: list[str]


class Shell:
    """Variables across one script or several that are read one after the other."""

    def __init__(self) -> None:
        self.variables: dict[str, str | list[str]] = {}
        self.commands: list[list[str]] = []
        self.files: dict[str, str] = {}
        self.directives: list[str] = []
        self._functions: dict[str, list[Statement]] = {}
        self._steps = self._text = 0

    def read(self, text: str) -> Reading:
        """Read a script on top of those that were read before.

        Raises
        ------
        InputError
            If it expands to more than a script does.
        """
        self._script(text, 0)
        flat = {
            name: " ".join(value) if isinstance(value, list) else value
            for name, value in self.variables.items()
        }
        return Reading(self.commands, flat, self.files, self.directives)

    # -- statements --------------------------------------------------------------

    def _script(self, text: str, level: int) -> None:
        if level > _MOST_LEVELS:
            raise InputError(
                f"no launch script: scripts inside scripts, more than {_MOST_LEVELS} deep"
            )
        for line in _DIRECTIVE.findall(text):
            self.directives += words_of(line)
        self._slurm()
        self._run(parse_script(text), level)

    def _slurm(self) -> None:
        """Variables that Slurm sets from its directives."""
        said = launcher_options(self.directives)
        for option, names in (
            ("nodes", ("SLURM_NNODES", "SLURM_JOB_NUM_NODES")),
            ("gpus_per_node", ("SLURM_GPUS_PER_NODE", "SLURM_GPUS_ON_NODE")),
            ("ntasks_per_node", ("SLURM_NTASKS_PER_NODE",)),
        ):
            if option in said:
                for name in names:
                    self.variables.setdefault(name, said[option])

    def _run(self, statements: list[Statement], level: int) -> None:
        for statement in statements:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise InputError(f"no launch script: takes more than {_MOST_STEPS:,} steps")
            if isinstance(statement, Command):
                self._command(statement, level)
            elif statement.kind == "if":
                for condition, body in statement.branches:
                    if condition is None or self._holds(condition, level):
                        self._run(body, level)
                        break
            elif statement.kind == "case":
                subject = " ".join(self.expand(statement.subject))
                for patterns, body in statement.branches:
                    words = [" ".join(self.expand(p)) for p in (patterns or "").split("|")]
                    if any(fnmatchcase(subject, word.strip()) for word in words):
                        self._run(body, level)
                        break
            elif statement.kind == "for":  # the first turn stands for all
                values = [word for raw in statement.words for word in self.expand(raw)]
                if values:
                    self.variables[statement.subject] = values[0]
                    self._run(statement.branches[0][1], level)
            elif statement.kind == "function":
                self._functions[statement.subject] = statement.branches[0][1]
            elif statement.kind == "list":
                self._holds(statement, level)
            elif statement.kind == "group":  # loops on a condition read their own arguments
                self._run(statement.branches[0][1], level)

    def _command(self, command: Command, level: int) -> None:
        for name, body, quoted in command.documents:
            text = body if quoted else self._string(body)
            if name == "<<<":
                continue
            if name:
                self.files[" ".join(self.expand(name))] = text
            elif command.words and command.words[0] in _SHELLS:
                self._script(text, level + 1)
        words = list(command.words)
        while words and self._assign(words[0]):
            words.pop(0)
        if not words:
            return
        first = unquoted(words[0])
        if first in _DECLARE:
            for word in words[1:]:
                self._assign(word)
        elif first == "unset":
            for word in words[1:]:
                self.variables.pop(word, None)
        elif first == "read":
            self._read(words, command)
        elif first in self._functions and level < _MOST_LEVELS:
            for number, word in enumerate(words[1:10], 1):
                self.variables[str(number)] = " ".join(self.expand(word))
            self._run(self._functions[first], level + 1)
        else:
            self.commands.append([part for word in words for part in self.expand(word)])

    def _read(self, words: list[str], command: Command) -> None:
        """``read -r A B <<< "$LINE"``, split at IFS; ``read -d '' A <<EOF`` takes the document."""
        text = next((body for name, body, _ in command.documents if name == "<<<"), None)
        names = [word for word in words[1:] if not word.startswith("-") and unquoted(word)]
        if text is None:
            for name, body, quoted in command.documents:
                if not name and names and "-d" in words:
                    whole = body if quoted else self._string(body)
                    self.variables[names[0]] = whole.replace("\\\n", " ").strip()
            return
        comma = self.variables.get("IFS")
        parts = " ".join(self.expand(text)).split(
            comma if isinstance(comma, str) and comma else None
        )
        for name, part in zip(names, parts, strict=False):
            self.variables[name] = part.strip()

    def _assign(self, word: str) -> bool:
        """Take an assignment; whether the word was one."""
        match = _ASSIGNMENT.match(word)
        if match is None:
            return False
        name, index, plus = match[1], match[2], match[3]
        raw = word[match.end() :]
        old = self.variables.get(name, "")
        if raw.startswith("(") and raw.endswith(")"):
            items = [part for item in words_of(raw[1:-1]) for part in self.expand(item)]
            before = [] if not plus else old if isinstance(old, list) else [old] if old else []
            self._grow(items)
            self.variables[name] = [*before, *items]
        elif not index:
            text = " ".join(self.expand(raw, split=False))
            if plus:
                text = (" ".join(old) if isinstance(old, list) else old) + text
            self._grow([text])
            self.variables[name] = text
        return True

    # -- conditions --------------------------------------------------------------

    def _holds(self, statement: Statement, level: int) -> bool:
        """Whether a condition holds: tests that can be told; any other command is taken to work."""
        if isinstance(statement, Script):
            if statement.kind != "list":
                self._run([statement], level)
                return True
            holds = True
            for sign, (part,) in statement.branches:
                if (sign == "&&" and not holds) or (sign == "||" and holds):
                    continue
                holds = self._holds(part, level)
            return holds
        words = statement.words
        if words[:1] == ["!"] and words[1:2] and words[1] in ("[", "[[", "test"):
            return not self._holds(Command(words[1:], []), level)
        if words[:1] == ["(("]:
            return calculate(" ".join(words[1:]), self.number) not in (None, 0)
        if words[:1] not in (["["], ["[["], ["test"]):
            self._command(statement, level)
            return words[:1] != ["false"]
        plain = [" ".join(self.expand(word, split=False, empty=True)) for word in words[1:]]
        return self._any([word for word in plain if word not in ("]", "]]")])

    def _any(self, words: list[str]) -> bool:
        """A test with ``||`` and ``&&`` in it."""
        for operator, rule in (("||", any), ("-o", any), ("&&", all), ("-a", all)):
            if operator in words:
                parts: list[list[str]] = [[]]
                for word in words:
                    if word == operator:
                        parts.append([])
                    else:
                        parts[-1].append(word)
                return rule(self._any(part) for part in parts)
        return self._test(words)

    def _test(self, words: list[str]) -> bool:
        words = [word for word in words if word not in ("(", ")")]
        if words[:1] == ["!"]:
            rest = words[1:]
            return bool(rest) and rest[0] not in ("-f", "-d", "-e") and not self._test(rest)
        if len(words) == 2:
            unset = not words[1] or "$" in words[1]
            return {"-z": unset, "-n": not unset}.get(words[0], False)
        if len(words) != 3:
            return len(words) == 1 and bool(words[0]) and "$" not in words[0]
        left, operator, right = words
        if operator in ("=", "=="):
            return fnmatchcase(left, right)
        if operator == "!=":
            return not fnmatchcase(left, right)
        numbers = calculate(left, self.number), calculate(right, self.number)
        if numbers[0] is None or numbers[1] is None:
            return False
        order = (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
        wanted = {"-eq": (0,), "-ne": (-1, 1), "-lt": (-1,), "-le": (-1, 0), "-gt": (1,)}
        return order in {**wanted, "-ge": (0, 1), "<": (-1,), ">": (1,)}.get(operator, ())

    # -- expansion ---------------------------------------------------------------

    def expand(self, raw: str, split: bool = True, empty: bool = False) -> list[str]:
        """A word with its quotes taken off and its variables put in; what is not known stays.

        Parameters
        ----------
        raw : str
            The word as the script writes it.
        split : bool
            Whether unquoted variables make several words, as in a command.
        empty : bool
            Whether a variable that is not set is empty, as in a test.
        """
        word = Word()
        at, quoted = 0, False
        while at < len(raw):
            char = raw[at]
            if char == "'" and not quoted:
                end = raw.find("'", at + 1)
                end = len(raw) if end < 0 else end
                word.add(raw[at + 1 : end])
                at = end + 1
            elif char == '"':
                quoted = not quoted
                word.add("")
                at += 1
            elif char == "\\" and at + 1 < len(raw):
                word.add(raw[at + 1] if raw[at + 1] != "\n" else "")
                at += 2
            elif char in "$`":
                values, several, at = self._variable(raw, at, empty)
                self._grow(values)
                if not split:
                    word.add(" ".join(values))
                elif quoted:
                    word.add_quoted(values if several else [" ".join(values)])
                else:
                    word.add_split(values)
            else:
                word.add(char)
                at += 1
        fields = word.fields()
        return fields if fields or split else [""]

    def _string(self, text: str) -> str:
        """The text of a here-document with its variables put in."""
        parts, at = [], 0
        while at < len(text):
            if text[at] == "\\" and text[at + 1 : at + 2] in ("$", "`", "\\"):
                parts.append(text[at + 1])
                at += 2
            elif text[at] == "$":
                values, _, at = self._variable(text, at, False)
                self._grow(values)
                parts.append(" ".join(values))
            else:
                end = min(
                    (i for i in (text.find("$", at), text.find("\\", at + 1)) if i > at),
                    default=len(text),
                )
                parts.append(text[at:end])
                at = end
        return "".join(parts)

    def _variable(self, raw: str, at: int, empty: bool) -> tuple[list[str], bool, int]:
        """Value of what stands at `at`; whether it is an array in full; where it ends."""
        inside, end = braced(raw, at)
        whole = raw[at:end]
        if whole.startswith("$(("):
            number = calculate(self._string(inside), self.number)
            return [whole if number is None else str(number)], False, end
        if whole.startswith(("$(", "`")):
            return ["" if empty else whole], False, end
        match = re.match(r"([A-Za-z_]\w*|[0-9@*#?]+)(.*)$", inside, re.S)
        if match is None:
            return [whole], False, end
        name, rest = match[1], match[2]
        value = self.variables.get(name)
        if rest in ("[@]", "[*]"):
            items = value if isinstance(value, list) else [value] if value else []
            return items, rest == "[@]", end
        index = re.fullmatch(r"\[(\d+)\]", rest)
        if index and isinstance(value, list):
            return value[int(index[1]) : int(index[1]) + 1], False, end
        text = value[0] if isinstance(value, list) and value else value
        default = re.match(r"(:?[-=+?])(.*)$", rest, re.S)
        if default:
            known = bool(text)
            if default[1].endswith("+"):
                return (self.expand(default[2], split=False) if known else [""]), False, end
            if not known and not default[1].endswith("?"):
                made = self.expand(default[2], split=False, empty=empty)
                if default[1].endswith("="):
                    self.variables[name] = " ".join(made)
                return made, False, end
        elif rest:
            return [whole], False, end
        if not isinstance(text, str):
            return ["" if empty else whole], False, end
        return [text], False, end

    def number(self, name: str) -> int | None:
        """A variable as a whole number."""
        value = self.variables.get(name)
        text = value.strip() if isinstance(value, str) else ""
        return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None

    def _grow(self, pieces: list[str]) -> None:
        self._text += sum(map(len, pieces)) + len(pieces)
        if self._text > _MOST_TEXT:
            raise InputError(f"no launch script: expands to more than {_MOST_TEXT:,} characters")


def launcher_options(words: list[str]) -> dict[str, str]:
    """Options with a value among words: ``--nodes=4``, ``-N 4``, ``--nproc-per-node 8``."""
    found: dict[str, str] = {}
    short = {"-N": "nodes", "-np": "np", "-n": "np"}
    for at, word in enumerate(words):
        if not word.startswith("-"):
            continue
        name, equals, value = word.partition("=")
        if not equals and at + 1 < len(words):
            value = words[at + 1]
        found.setdefault(short.get(name, name.lstrip("-").replace("-", "_")), value)
    return found
