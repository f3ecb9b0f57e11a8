"""The rules that the code keeps: direction of imports, what a start-up imports, docs that do not drift."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import tomli

import llmcost
from docs import figures, update
from llmcost.engine.chain import RULES
from llmcost.engine.results import RESULTS

ROOT = Path(llmcost.__file__).parent
MODULES = {
    ".".join(("llmcost", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in ROOT.rglob("*.py")
}
_DATA = {"errors", "files", "version"}
_MODEL = {"engine", "catalog", "scenario", "columns", *_DATA}
#: What each part, a folder or a file beside them, may import of ours besides itself.
ALLOWED: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "files": {"errors"},
    "engine": set(),
    "catalog": {"errors", "files"},
    "scenario": {"catalog", "engine", "errors", "files"},
    "columns": {"scenario", "engine", "errors"},
    "analysis": _MODEL,
    "render": {"analysis", *_MODEL},
    "jobs": {"render", "analysis", *_MODEL},
    "cli": {"jobs", "render", "analysis", *_MODEL},
    "api": {"jobs", "analysis", *_MODEL},
    "__init__": {"api", "analysis", "columns", "errors", "version"},
    "__main__": {"cli"},
}
EVERYTHING_HEAVY = {"yaml", "matplotlib", "pyarrow", "dask", "distributed", "scipy", "pandas"}


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _imports(module: str) -> set[str]:
    """What a module imports, anywhere in it; of ours by the name of the module."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in whole}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


IMPORTS = {module: _imports(module) for module in MODULES}


@pytest.mark.parametrize("part", sorted({_part(module) for module in MODULES}))
def test_imports_point_one_way(part: str) -> None:
    for module in (module for module in MODULES if _part(module) == part):
        for name in IMPORTS[module]:
            if name in MODULES:
                assert _part(name) in {part, *ALLOWED[part]}, f"{module}: {name}"
            elif part == "engine":
                known = {"numpy", "math", "collections", "functools", "typing", "__future__"}
                assert name.split(".")[0] in known, f"{module}: {name}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    for module in MODULES:
        ways = {name: f"{module} → {name}" for name in IMPORTS[module] if name in MODULES}
        new = list(ways)
        while new:
            name = new.pop()
            for other in (IMPORTS[name] & MODULES.keys()) - ways.keys():
                ways[other] = f"{ways[name]} → {other}"
                new.append(other)
        assert module not in ways, ways[module]


def test_no_module_imports_from_the_package_that_imports_it() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module != module:
                assert module not in IMPORTS.get(str(node.module), ()), f"{module}: {node.module}"


def test_shared_options_stand_once() -> None:
    shared = ("--samples", "--seed", "--quantiles", "--format", "--json", "--no-color", "--quiet", "--set", "--catalog")  # fmt: skip
    declared = re.compile(r'"(--[a-z-]+)"')
    found = [
        name for path in (ROOT / "cli").glob("*.py") for name in declared.findall(path.read_text())
    ]
    for name in shared:
        assert found.count(name) == 1, name


def test_nothing_evaluates_text_runs_a_shell_or_unpickles() -> None:
    forbidden = {"eval", "exec", "compile", "system", "popen"}
    modules = {"pickle", "marshal", "shelve", "subprocess", "ctypes", "code"}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                name = node.func.attr if isinstance(node.func, ast.Attribute) else name
                assert name not in forbidden or (
                    name == "compile" and "re.compile" in ast.unparse(node)
                ), path
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & modules, path


def _imported(*arguments: str) -> set[str]:
    code = (
        "import sys, io\nfrom llmcost.cli.main import run\nold, sys.stdout = sys.stdout, io.StringIO()\n"
        f"code = run({list(arguments)!r})\nsys.stdout = old\nassert code == 0, code\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("estimate", "--help")])
def test_help_imports_no_numpy(arguments: tuple[str, ...]) -> None:
    assert not _imported(*arguments) & {"numpy", *EVERYTHING_HEAVY}


def test_an_estimate_imports_nothing_heavy() -> None:
    loaded = _imported("estimate", "llama-3.1-405b", "--json")
    assert "numpy" in loaded
    assert not loaded & EVERYTHING_HEAVY
    assert "rich" not in loaded
    assert not _imported("estimate", "llama-3.1-405b") & EVERYTHING_HEAVY


def _all_rules() -> None:
    import llmcost.engine.growth
    import llmcost.engine.loss
    import llmcost.engine.memory
    import llmcost.engine.performance
    import llmcost.engine.service  # noqa: F401


def test_every_rule_names_its_formula_and_its_source() -> None:
    _all_rules()
    for rule in RULES:
        assert rule.formula
        assert rule.reference
        assert rule.function.__doc__


def test_a_formula_describes_its_own_parameters_and_no_others() -> None:
    listed = re.compile(r"Parameters\n-+\n(.*?)(?:\n\n|\Z)", re.S)
    for module in (name for name in MODULES if _part(name) == "engine"):
        for node in ast.walk(ast.parse(MODULES[module].read_text())):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if not isinstance(node, ast.FunctionDef) or text is None or "Parameters\n" not in text:
                continue
            lines = listed.findall(text)[0].replace("\\\n", " ").splitlines()
            heads = [line.partition(" :")[0] for line in lines if not line.startswith(" ")]
            if any("..." in head for head in heads):
                continue  # the first and the last of many
            described = {name.strip() for head in heads for name in head.split(",")}
            has = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            assert described == has, f"{module}: {node.name}"


def test_every_result_is_given_by_a_rule() -> None:
    _all_rules()
    given = {rule.gives for rule in RULES}
    for key in RESULTS:
        assert key in given or key == "goodput", key


PAGES = {
    str(path.relative_to(update.ROOT)).removeprefix("docs/"): path.read_text()
    for path in update.pages()
}
TEXTS = {str(path.relative_to(update.ROOT)): path.read_text() for path in update.texts()}


@pytest.mark.parametrize("name", list(PAGES))
def test_every_command_that_a_page_shows_runs(name: str, tmp_path: Path) -> None:
    text = PAGES[name]
    update.place_files(text, tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for command in lines:
        if command.startswith("llmcost "):
            done = update.run(command, tmp_path)
            assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize("name", list(PAGES))
def test_output_that_a_page_shows_is_the_output(name: str) -> None:
    assert update.with_outputs(PAGES[name]) == PAGES[name], "stale; run `python -m docs.update`"


def test_the_picture_is_what_its_command_draws() -> None:
    drawn = update.DRAWN.findall(PAGES["README.md"])
    assert len(drawn) == 1
    name, command = drawn[0]
    assert f"]({name})" in PAGES["README.md"]
    kept = (update.ROOT / name).read_text()
    if f"Matplotlib v{version('matplotlib')}," not in kept:
        pytest.skip("looks different in another version of matplotlib")
    assert update.drawing(command) == kept, "stale; run `python -m docs.update`"


def test_pages_show_commands_and_outputs() -> None:
    assert sum(len(update.SHOWN.findall(text)) for text in PAGES.values()) >= 15
    assert len(update.FILES.findall(PAGES["tutorial.md"])) >= 3


@pytest.mark.parametrize("name", list(PAGES))
def test_generated_parts_are_fresh(name: str) -> None:
    if name.startswith("commands/") and not version("typer").startswith("0.28."):
        pytest.skip("help looks different in another version of typer")
    assert update.refreshed(PAGES[name]) == PAGES[name], "stale; run `python -m docs.update`"


def test_figures_of_running_text_are_fresh() -> None:
    for name, text in TEXTS.items():
        assert figures.with_figures(text) == text, f"{name}: stale; run `python -m docs.update`"


@pytest.mark.parametrize("words", [words for words, _ in figures.FIGURES])
def test_the_words_around_a_figure_stand_on_one_page(words: str) -> None:
    found = [name for name, text in TEXTS.items() if figures.pattern(words).search(text)]
    assert len(found) == 1, (words, found)


def test_a_stale_figure_is_seen() -> None:
    stale = "devices are busy for 12\n% of the time"
    assert figures.with_figures(stale) != stale


@pytest.mark.parametrize("name", list(PAGES))
def test_links_lead_somewhere(name: str) -> None:
    """Files and headings that pages link to are there; the site's generator checks them again."""
    here = Path(update.ROOT) / ("" if name == "README.md" else "docs") / name
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        file, _, anchor = target.partition("#")
        path = here.parent / file if file else here
        assert path.exists(), (name, target)
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, (name, target)


def test_errors_of_sources_left_out_are_the_same_wherever_they_are_told() -> None:
    """README and changelog repeat what the calibration's table in accuracy.md says."""
    page = PAGES["accuracy.md"]
    mean = re.search(r"\*\*Mean of the sources\*\* .*\*\*([\d.]+ %)\*\* \|$", page, re.M)
    constant = re.search(r"A constant MFU per accelerator and precision[^:]*: ([\d.]+ %)", page)
    assert mean
    assert constant
    for found in (mean, constant):
        assert found[1] in PAGES["README.md"], found[1]
    assert mean[1] in TEXTS["CHANGELOG.md"]


def test_every_formula_stands_on_one_page() -> None:
    marks = [
        name
        for text in PAGES.values()
        for name in re.findall(r"<!-- generated: formulas (.*) -->", text)
    ]
    assert sorted(marks) == sorted(set(update.FORMULAS.values()))
    _all_rules()
    parts = tuple(f"llmcost.engine.{name}" for name in update.FORMULAS)
    for rule in RULES:
        assert rule.function.__module__.startswith(parts), rule.function.__module__


def test_pages_that_the_program_names_are_there() -> None:
    """In the sources of formulas, results and defaults, in messages, and for contributors."""
    files = [*ROOT.rglob("*.py"), ROOT / "catalog" / "data" / "defaults.toml"]
    files += [update.ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "Makefile")]
    named = {
        (path, name) for path in files for name in re.findall(r"docs/[\w/-]+\.md", path.read_text())
    }
    assert named
    for path, name in named:
        assert (update.ROOT / name).exists(), (path, name)


def test_the_architecture_page_draws_every_part() -> None:
    drawn = set(re.findall(r"\w+", PAGES["architecture.md"]))
    assert {part for part in ALLOWED if not part.startswith("_")} <= drawn


def test_every_task_of_make_is_listed() -> None:
    makefile = (update.ROOT / "Makefile").read_text()
    told = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony
    assert told == set(phony[1].split()) == set(re.findall(r"^([a-z-]+):", makefile, re.M))


def test_the_lowest_versions_tested_are_the_lowest_allowed() -> None:
    project = tomli.loads((update.ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    allowed = [
        *project["dependencies"],
        *(
            item
            for name in ("parquet", "plot", "pdf", "dask", "yaml", "test")
            for item in extras[name]
        ),
    ]
    lowest = dict(
        re.findall(r"^(\w+)==([\d.]+)$", (update.ROOT / ".ci" / "lowest.txt").read_text(), re.M)
    )
    for item in allowed:
        name, _, rest = item.partition(">=")
        if rest:
            assert lowest[name].startswith(rest.partition(",")[0]), item


def test_every_command_has_a_page() -> None:
    """With an example that runs, its options, and a line in the index."""
    for command in update.COMMANDS:
        page = PAGES[f"commands/{command}.md"]
        assert f"llmcost {command}" in page.partition("## Options")[0].partition("\n")[2], command
        assert f"<!-- generated: help {command} -->" in page
        assert "(llmcost)" not in page, f"{command}: the name of an extra is lost in its help"
        assert f"(commands/{command}.md)" in PAGES["index.md"]


@pytest.mark.parametrize("part", ["engine", "analysis", "jobs", "render"])
def test_the_architecture_page_names_modules_that_are_there(part: str) -> None:
    row = re.search(rf"^\| {part} \| (.*) \|$", PAGES["architecture.md"], re.M)
    assert row
    for name in re.findall(r"`(\w+)/?`", row[1]):
        there = ROOT / part / name
        assert there.is_dir() or there.with_suffix(".py").exists(), (part, name)


def test_no_text_stands_on_two_pages() -> None:
    """But for README, which the site's first page repeats."""
    run = 14
    seen: dict[tuple[str, ...], str] = {}
    for name, page in PAGES.items():
        if name == "README.md":
            continue
        text = re.sub(
            r"```.*?```|<!-- generated.*?<!-- end -->|<!--.*?-->|\]\(.*?\)", "", page, flags=re.S
        )
        words = re.findall(r"[\w.'-]+", text.lower())
        for start in range(len(words) - run + 1):
            part = tuple(words[start : start + run])
            assert seen.setdefault(part, name) == name, (name, seen[part], " ".join(part))
