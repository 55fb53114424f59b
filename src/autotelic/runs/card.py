"""The model card beside a saved model: README.md, with what the Hub reads at its head, and the verdict in the words of the report. Not the report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotelic.bases.specs import BASES
from autotelic.measures.verdict import Verdict
from autotelic.policies.licenses import CARD, license_of
from autotelic.runs.again import changed
from autotelic.runs.tasks import sources

OWN = "apache-2.0"
"""The license of the bases of this package, which is that of the package."""


def write_card(folder: Path, config: Mapping[str, Any], verdict: Verdict, rounds: int, source: str) -> None:
    """Write the card of a model folder. `source` is where the base's weights came from: an absolute path or a hub name."""
    license = OWN if config["run"]["model"] in BASES else license_of(source)
    (folder / CARD).write_text(card(config, verdict, rounds, source, license), encoding="utf-8")


def card(config: Mapping[str, Any], verdict: Verdict, rounds: int, source: str, license: str | None) -> str:
    """The text of the card. Paths of this machine are told by their last part alone."""
    recipe, settings = config["recipe"], {**config["run"], **config["recipe"]["settings"]}
    base, name = short(str(settings["model"])), short(str(recipe["name"]))
    paper = (
        f" ([{recipe['paper']}](https://arxiv.org/abs/{recipe['paper'].removeprefix('arXiv:')}))" if str(recipe["paper"]).startswith("arXiv:") else ""
    )
    told = {key: short(value) for key, value in changed(str(recipe["name"]), settings).items() if key not in ("model", "rounds")}
    told |= {key: short_mix(told[key]) for key in ("tasks", "probe") if key in told}
    parts = [
        head(source, license, name),
        f"# {base}, after {rounds} {'round' if rounds == 1 else 'rounds'} of {name}\n",
        f"Trained by [autotelic](https://pypi.org/project/autotelic/) {config['autotelic']} with the recipe `{name}`: {recipe['system']}{paper}. {recipe['line']}\n",
        f"## Verdict: {verdict.word}\n",
        "\n".join(f"- {inline(reason)}" for reason in verdict.reasons) + "\n",
        "## How it was made\n",
        table(
            {"base": base, "license of the base": license or "not stated where it came from", "rounds": str(rounds), "seed": str(settings["seed"])}
        ),
        "Settings that differ from the defaults:\n" if told else "All settings are the defaults.\n",
        table(told) if told else "",
    ]
    return "\n".join(part for part in parts if part)


def head(source: str, license: str | None, recipe: str) -> str:
    """What the Hub reads. JSON is YAML, so that no text can end a value."""
    facts: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["autotelic", recipe]}
    if license:
        facts["license"] = license
    if not Path(source).is_absolute():
        facts["base_model"] = "/".join(source.split("/")[:2])
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in facts.items()), "---\n"])


def table(rows: Mapping[str, str]) -> str:
    """Two columns."""
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {inline(value)} |" for key, value in rows.items())]) + "\n"


def short(value: str) -> str:
    """A value, of a path that is there its last part, and so for paths in a list."""
    if value.startswith("[") and value.endswith("]"):
        try:
            return json.dumps([short(one) if isinstance(one, str) else one for one in json.loads(value)], ensure_ascii=False)
        except ValueError:
            return value
    path, colon, rest = value.rpartition(":") if ".py:" in value else (value, "", "")
    return Path(path).name + colon + rest if "/" in path and Path(path).exists() else value


def short_mix(spec: str) -> str:
    """A mix of sources, each as `short` tells it."""
    found = sources(spec)
    return " + ".join(short(one.spec) + (f"*{one.weight:g}" if one.weight != 1 else "") for one in found) if len(found) > 1 else spec


def inline(text: str) -> str:
    """A text in one line, in which nothing is markup."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else " " if c in "\r\n" else c for c in text)
