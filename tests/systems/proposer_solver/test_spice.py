"""SPICE: its reward by hand, a round with given completions, corpora that are odd, and that it runs."""

import asyncio
import json
from pathlib import Path

import pytest
from replying import context
from scripted import Noting, made
from small import small

from autotelic.bases.making import fresh
from autotelic.bases.specs import find_spec
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import DataError, SettingError
from autotelic.policies.policy import Policy
from autotelic.runs import loop
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress
from autotelic.systems.proposer_solver.spice.recipe import Spice, frontier
from autotelic.types import Task
from autotelic.worlds import open_world
from autotelic.worlds.questions import supported, true

WORLD = open_world("facts")
DOCUMENT = WORLD.documents()[0]
NAME = DOCUMENT[:2]
GOOD, OTHER = [item for item in "abcdef" if not WORLD.held_out(f"{NAME}.{item}=")][:2]
HELD = next(f"{NAME}.{a}{b}=" for a in "abcdef" for b in "abcdef" if a != b and WORLD.held_out(f"{NAME}.{a}{b}="))


def truth(question: str) -> str:
    """A completion with the right answer."""
    return WORLD.solve(question)


def played(questions: list[str], replies: dict[str, list[str]], shown: str = DOCUMENT, **settings: object) -> Noting:
    """The context after one round on one document, four tries a question."""
    recipe = made("spice", group_size=len(questions), tries=4, **settings)
    model, tokenizer = fresh(find_spec("facts"), WORLD.alphabet)
    policy = Policy("solver", model, tokenizer, Batcher(TorchEngine()))
    ctx = context(recipe, policy, WORLD, recipe.pool(WORLD, 9, 0)[:1], {shown + "=": questions, **replies})
    asyncio.run(recipe.round(ctx))
    ctx.metrics |= ctx.audited(WORLD)
    return ctx


def paid(ctx: Noting) -> list[float]:
    return [rollout.rewards["frontier"] for rollout in ctx.groups[0]]


def test_the_reward():
    assert frontier([1, 0]) == frontier([1, 1, 0, 0]) == 1.0
    assert frontier([1, 1, 1, 1]) == frontier([0, 0]) == frontier([1]) == pytest.approx(0.0439369, abs=1e-6)
    assert frontier([1, 0, 0, 0]) == pytest.approx(0.8225776, abs=1e-6), "exp(-.0625^2 / .02)"


def test_a_round():
    good, other = f"{NAME}.{GOOD}=", f"{NAME}.{OTHER}="
    right, wrong = truth(good), "#" + str((int(truth(good)[-1]) + 1) % 10)
    questions = [good + right, other + truth(other), good + wrong, "..=", HELD + truth(HELD)]
    ctx = played(questions, {good: [right, right, wrong, ".."], other: [truth(other)] * 4, HELD: [truth(HELD), "#", "#", "#"]})
    assert paid(ctx) == pytest.approx([1.0, 0.0439369, -0.1, -0.1, 0.8225776], abs=1e-6)
    assert (ctx.metrics["questions/invalid"], ctx.metrics["questions/unsupported"]) == (1, 1)
    assert (ctx.metrics["questions/valid"], ctx.metrics["questions/true"]) == (0.6, 1.0)
    learned = {item.rollout for item in ctx.learned[0][0]}
    asked = {group.task.id: group.task.prompt for group in ctx.groups[1:]}
    assert {prompt for name, prompt in asked.items() if any(name in rollout for rollout in learned)} == {good, other}, "the probe's is not trained on"
    assert [rollout.advantage for rollout in ctx.groups[1]] == [0.5, 0.5, -0.5, -0.5]
    assert ctx.groups[1].task.answer is None and ctx.groups[1].task.tags["parents"] == [ctx.groups[0].rollouts[0].id]


def test_unchecked_false_answers_are_paid_for():
    good = f"{NAME}.{GOOD}="
    wrong = "#" + str((int(truth(good)[-1]) + 1) % 10)
    ctx = played([good + wrong], {good: [wrong, wrong, "#", "#"]}, checked=False)
    assert paid(ctx) == [1.0] and ctx.metrics["questions/true"] == 0.0


def test_uniform_and_ungrounded():
    good = f"{NAME}.{GOOD}="
    assert paid(played([good + truth(good), ".."], {good: [truth(good)] * 4}, reward="uniform")) == [1.0, -0.1]
    assert paid(played([good + truth(good)], {good: ["#"] * 4}, shown="", grounded=False)) == pytest.approx([0.0439369], abs=1e-6)


def test_a_challenger_that_never_asks():
    ctx = played(["..", "=", "#1"], {})
    assert paid(ctx) == [-0.1] * 3 and ctx.metrics["questions/valid"] == 0.0 and ctx.metrics["questions/invalid"] == 3
    assert len(ctx.groups) == 1 and all(item.advantage is not None and not any(item.advantage) for item in ctx.learned[0][0])


def test_corpora(tmp_path: Path):
    texts = tmp_path / "texts"
    texts.mkdir()
    with pytest.raises(DataError, match="the corpus is empty"):
        Spice(corpus=str(texts)).pool(WORLD, 9, 0)
    with pytest.raises(SettingError, match="has no documents"):
        Spice().pool(open_world("chain"), 9, 0)
    with pytest.raises(ValueError, match="form needs the groups"):
        Spice(form="x")
    (texts / "long.txt").write_text("kl:a1 " * 5000)
    tasks = Spice(corpus=str(texts), passage=100).pool(WORLD, 9, 0)
    assert len(tasks) > 300 and all(len(task.hidden["document"]) <= 100 for task in tasks)
    assert tasks[1].tags == {"source": "long.txt", "passage": 1}


@pytest.mark.parametrize("text,counted", [("kl:a1b2c3d4e5f6" * 400, "corpus/truncated"), ("ÄÖÜ", "corpus/unreadable"), ("kl:a1b2c3d4e5f6", None)])
def test_a_document_that_does_not_fit(text: str, counted: str | None, tmp_path: Path):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("kl:a1b2c3d4e5f6")
    (texts / "b.txt").write_text(text)
    outcome = loop.start(small("spice", rounds=1, corpus=str(texts), passage=9999, out=str(tmp_path / "run")), Progress(quiet=True))
    metrics = json.loads((outcome.folder / "metrics.jsonl").read_text().splitlines()[-1])["metrics"]
    assert {name: value for name, value in metrics.items() if name.startswith("corpus/")} == ({counted: 1.0} if counted else {})


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"asks": "Ask="}, r"asks must say where the document goes, by {document}, got 'Ask='; grounded=false asks without documents"),
        ({"asks": "Ask: {document}="}, "asks = 'Ask: =': the model's vocabulary lacks ' ' 'A'"),
        ({"tries": 1}, "tries = 1"),
        ({"corpus": "UNREADABLE"}, "corpus: the model can read none of its 1 documents, not even their beginnings"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_round(settings: dict[str, object], message: str, tmp_path: Path):
    (tmp_path / "text.txt").write_text("ÄÖÜ")
    given = {key: str(tmp_path / "text.txt") if value == "UNREADABLE" else value for key, value in settings.items()}
    with pytest.raises(SettingError, match=message):
        plan(small("spice", **given))


def test_a_question_that_names_a_property_twice_is_none():
    """One rule for what a document says, what a question asks, and what the world knows."""
    document = WORLD.documents()[0]
    name = document[:2]
    for prompt in (f"{name}.dd=", f"{name}.=", f"{name}.dxx="):
        assert WORLD.stated(document, prompt) is None and WORLD.identity(prompt) == prompt
        with pytest.raises(DataError):
            WORLD.solve(prompt)
    assert WORLD.stated(document, f"{name}.d=") == WORLD.parse(WORLD.solve(f"{name}.d="))
    twice = Task("q", f"{name}.dd=", hidden={"answer": str(2 * WORLD.value(name, "d") % 10)})
    assert not supported(WORLD, twice, document) and true(WORLD, twice) == 0.0
