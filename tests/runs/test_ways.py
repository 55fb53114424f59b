"""Ways of answering beside plain sampling: every shipped way in small, what it is charged, what is out of its reach, and the report."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from tempfile import mkdtemp
from typing import Any

import pytest
from chatting import chat_model

from autotelic.errors import GoldLeak, SettingError
from autotelic.measures.meter import Meter
from autotelic.measures.plain import Plain, Sample
from autotelic.rounds.context import Context
from autotelic.runs.evaluating import Ask, Opened, opened
from autotelic.runs.settings import RunSettings
from autotelic.runs.way_answers import Beside, Given, answered, comparisons
from autotelic.runs.way_lines import told
from autotelic.runs.ways import Asked, chosen, evaluate_ways, made
from autotelic.systems.base import ASKED, TRIED, Way, way
from autotelic.systems.registry import ways
from autotelic.systems.search.majority.way import Majority
from autotelic.types import Rollout, Sampling, Task

SETTINGS = RunSettings()
NAMES = sorted(ways())
OTHER: dict[str, dict[str, Any]] = {
    "backtracking": {
        "locate": "truth", "told": 0.0, "place": "random", "alternatives": 2, "temperature": 0.3, "step_end": "=", "critiques.max_tokens": 2,
        "sampling.max_tokens": 9,
    },
    "best-of-n": {"n": 2, "sampling.temperature": 2.0},
    "majority": {"n": 9, "vote.min_share": 0.9, "sampling.temperature": 2.0},
    "auto-evolve": {
        "examples": 2, "refinements": 1, "planning.max_tokens": 9, "plan": "kept", "sampling.max_tokens": 5,
    },
    "iterative-deepening": {
        "samples": 2, "budget": 9, "growth": 1.0, "trigger": "!", "says": "nothing", "sampling.max_tokens": 20,
    },
    "se-agent": {"operators": ["anew"], "temperature": 0.0, "critiques.max_tokens": 2, "sampling.max_tokens": 9},
    "self-contemplation": {
        "examples": 1, "tries": 1, "writing.max_tokens": 6, "warmer": 1.0, "written_for": "others", "sampling.max_tokens": 3,
    },
    "self-discover": {"examples": 2, "planning.max_tokens": 9, "plan": "kept", "sampling.max_tokens": 5},
    "self-polish": {
        "rewrites": 1, "rewriting.max_tokens": 9, "final": "first", "answers": "original", "sampling.max_tokens": 9,
    },
    "self-refine": {"refinements": 1, "critiques.temperature": 3.0, "refining": 2.0, "says": "others", "sampling.max_tokens": 9},
    "srgen": {"spikes.where": "random", "sampling.temperature": 0.0},
    "steps-back": {"tries": 2, "depth": 0, "temperature": 0.1, "back": "7", "step_end": ",", "sampling.max_tokens": 9},
    "tree-search": {"search.iterations": 1, "search.step": "=", "guide": "none", "sampling.max_tokens": 3},
}  # fmt: skip
"""Another value of every setting, which must change what is answered or what it costs."""
BESIDE = {
    "backtracking.told": ["locate=truth"], "srgen.spikes.where": ["spikes.rate=0.5"], "self-contemplation.tries": ["writing.temperature=3.0"],
    "self-contemplation.warmer": ["writing.temperature=3.0"], "self-polish.final": ["rewriting.temperature=2.0"],
}  # fmt: skip
"""Settings that act only beside another."""
CHANCE = {
    "auto-evolve": ["planning.temperature=1.0"], "backtracking": ["alternatives=1"], "self-discover": ["planning.temperature=1.0"],
    "self-polish": ["rewriting.temperature=2.0"],
}  # fmt: skip
"""With these the answers of a way depend on the seed: it is greedy, or of many draws the likeliest is mostly the same."""
IDLE = {"at_once"}
"""Settings of memory and speed: they must change nothing."""


@cache
def given(name: str, limit: int = 12) -> Opened:
    """The model and the tasks that a way declares for itself; in the place of a real model a tiny one that reads chats."""
    about = ways()[name].about
    model = str(chat_model(Path(mkdtemp()) / "chat", context=8192)) if about.model.startswith("HuggingFaceTB/") else about.model
    return opened(model, about.tasks, SETTINGS, Ask(limit=limit, max_tokens=40))


def answers(name: str, settings: Sequence[str] = (), limit: int = 12, seed: int = 0) -> tuple[Given, list[Any]]:
    """What a way answers, and all that is to be seen of it."""
    ((one,), _) = chosen([name], settings)
    found = answered(given(name, limit), made(one, Sampling(max_tokens=40)), SETTINGS, Ask(limit=limit, seed=seed))
    spent = found.spent
    return found, [[rollout.text, rollout.answer] for rollout in found.rollouts] + [[spent.sampled, spent.read, spent.trained, spent.completions]]


@pytest.mark.parametrize("name", NAMES)
def test_every_way_answers_every_task_and_its_bits_are_keyed(name: str) -> None:
    found, seen = answers(name)
    assert all(rollout.keys[TRIED][-1] == rollout.answer for rollout in found.rollouts if TRIED in rollout.keys)
    assert found.spent.sampled > 0 and found.spent.read > 0 and found.spent.completions >= 12 and found.seconds > 0
    assert answers(name)[1] == seen, "the same seed"
    chancy = CHANCE.get(name, [])
    assert answers(name, chancy, seed=1)[1] != answers(name, chancy)[1]
    assert answers(name, limit=5)[1][:5] == seen[:5], "what else is asked changes no answer"
    assert given(name).policy.version == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_a_way_acts(name: str) -> None:
    assert {key.partition(".")[0] for key in OTHER[name]} == set(ways()[name].model_fields) - IDLE
    for key, value in OTHER[name].items():
        beside = BESIDE.get(f"{name}.{key}", [])
        assert answers(name, [*beside, f"{key}={json.dumps(value)}"])[1] != answers(name, beside)[1], key
    for key in IDLE & set(ways()[name].model_fields):
        assert answers(name, [f"{key}=5"])[1] == answers(name)[1]


def test_every_way_declares_itself() -> None:
    for name, cls in ways().items():
        assert (cls.about.name, cls.about.kind) == (name, "way") and cls.about.line and cls.answer is not Way.answer
        for ablation in cls().ablations.values():
            assert type(ablation) is cls and ablation != cls() and not ablation.ablations


# ---- what is out of reach


@way(name="peeking", system="", paper="", family="own")
class Peeking(Way):
    """Looks at what is true."""

    at: str = "answer"

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        groups = await ctx.sample("solver", tasks, n=1)
        for group in groups:
            if self.at == "answer":
                assert group.task.answer
            elif self.at == "verify":
                ctx.world.verify(group.task, "3")
            elif self.at == "pool":
                assert ctx.pool.tasks[0].answer
            else:
                truth = ctx.world.skill("critique").truth
                assert truth is not None and truth(group.task, "")
        ctx.count(ASKED, len(tasks))
        return [group.rollouts[0] for group in groups]


@way(name="telling", system="", paper="", family="own", oracle=True)
class Telling(Peeking):
    """The same, and says so."""


@way(name="short", system="", paper="", family="own")
class Short(Way):
    """Answers one task too few."""

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        return [ctx.begin("solver", task) for task in tasks[1:]]


@pytest.mark.parametrize("at", ["answer", "verify", "pool", "skill"])
def test_only_an_oracle_is_told_what_is_true(at: str) -> None:
    asked = Ask(limit=12)
    with pytest.raises(GoldLeak):
        answered(given("self-refine"), Peeking(at=at), SETTINGS, asked)
    found = answered(given("self-refine"), Telling(at=at), SETTINGS, asked)
    assert found.counts == {ASKED: 12}


def test_a_way_gives_one_answer_a_task() -> None:
    with pytest.raises(SettingError, match="way 'short': gave 11 answers to 12 tasks"):
        answered(given("self-refine"), Short(), SETTINGS, Ask(limit=12))


# ---- what it is compared with


def beside(greedy: float = 0.0) -> Beside:
    """20 tasks of 8 samples, of which half are right, less sure than the wrong ones; samples of 40 tokens, greedy answers of 30, prompts of 10."""
    pools = {str(i): [Sample("a" if k < 4 else f"b{k}", float(k < 4), -2.0 if k < 4 else -1.0) for k in range(8)] for i in range(20)}
    return Beside(Plain(pools), dict.fromkeys(pools, greedy), 30.0, 40.0, 10.0)


def answer_of(cls: type[Way], spent: Meter, counts: dict[str, float] | None = None) -> Given:
    """What a way answered, all wrong."""
    rollouts = [Rollout(str(i), Task(str(i), ""), []) for i in range(20)]
    return Given(cls(), rollouts, {str(i): 0.0 for i in range(20)}, spent, 1.0, counts or {})


def test_a_way_is_beside_as_many_samples_as_it_cost() -> None:
    compared = comparisons(answer_of(Majority, Meter(sampled=20 * 86, read=999, completions=40)), beside())
    assert [(one.against, one.samples, one.tokens) for one in compared] == [
        ("majority", pytest.approx(2.15), pytest.approx(86)),
        ("best-of-n", pytest.approx(2.15), pytest.approx(86)),
        ("greedy", None, 30.0),
    ]
    assert [one.word for one in compared] == ["hurts", "hurts", "unclear"]


def test_the_best_plain_answers_come_first() -> None:
    """Voted on or not, half of two samples are right, the surest of them less often, and greedy answers always or never."""
    found = answer_of(Majority, Meter(sampled=20 * 80))
    assert [one.against for one in comparisons(found, beside(greedy=1.0))] == ["greedy", "majority", "best-of-n"]
    assert [one.against for one in comparisons(found, beside(greedy=0.0))] == ["majority", "best-of-n", "greedy"]


def test_an_oracle_is_beside_an_oracle() -> None:
    """As many samples as it asked questions, or as it cost, whichever are more: pass@n of a half right in 8 is 1 - C(4, n) / C(8, n)."""
    for asked, sampled, n, expected in ((20 * 3, 20 * 40, 3, 1 - 4 / 56), (20, 20 * 80, 2, 1 - 6 / 28), (0, 20 * 4, 1, 0.5)):
        first, second, *_ = comparisons(answer_of(Telling, Meter(sampled=sampled), {ASKED: asked}), beside())
        assert (first.against, first.samples, second.against) == ("pass@n", n, "majority")
        assert first.paired.first == pytest.approx(expected)


def test_gradient_steps_are_beside_as_many_passes() -> None:
    """40 sampled, 10 read, and 30 trained on of 3 passes each are 140 passes; those of 3.25 samples behind a prompt of 10."""
    last = comparisons(answer_of(Majority, Meter(sampled=20 * 40, read=20 * 10, trained=20 * 30)), beside())[-1]
    assert (last.against, last.samples) == ("majority at equal passes", pytest.approx(3.25))


# ---- the report


def test_the_numbers_and_the_rows_agree(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    asked, _ = chosen(["self-refine", "majority?n=2"], ["refinements=1"])
    found = evaluate_ways("chain-skills", "chain-skills", SETTINGS, Ask(samples=6, limit=10), asked, out)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["way"] for row in rows] == ["self-refine"] * 10 + ["majority?n=2"] * 10
    assert [one["settings"]["refinements"] for one in found["ways"][:1]] == [1] and found["ways"][1]["settings"]["n"] == 2
    for one in found["ways"]:
        own = [row for row in rows if row["way"] == one["way"]]
        assert one["accuracy"] == pytest.approx(fmean(row["verdict"] for row in own))
        plain = {row["against"]: row["accuracy"] for row in one["comparisons"]}
        assert plain["majority"] == pytest.approx(fmean(row["plain"] for row in own))
        assert plain["greedy"] == fmean(row["greedy"] for row in own) == found["plain"]["greedy"]["accuracy"]
        assert list(plain.values()) == sorted(plain.values(), reverse=True)
        assert one["word"] == one["comparisons"][0]["word"]
        assert all(row["verdict"] == float(row["answer"] == row["gold"]) and row["tried"][-1] == row["answer"] for row in own)
    refined = found["ways"][0]
    right = [[answer == row["gold"] for answer in row["tried"]] for row in rows[:10]]
    assert refined["by_turn"] == [fmean(one[0] for one in right), fmean(one[-1] for one in right)]
    assert refined["any_so_far"] == fmean(any(one) for one in right)
    assert refined["wrong_to_right"] - refined["right_to_wrong"] == round(10 * (refined["by_turn"][1] - refined["by_turn"][0]))
    assert [one["against"] for one in refined["ablations"]] == ["critiques of other answers"]
    assert "by_turn" not in found["ways"][1] and found["ways"][1]["tokens"] == pytest.approx(2 * found["plain"]["tokens"], rel=0.1)
    text = "\n".join(told(found))
    assert f"self-refine: {refined['word']} beside " in text and ", the best plain answers at no more tokens; " in text
    assert f"{refined['ablations'][0]['word']} beside itself, critiques of other answers" in text and "by turn" in text


def test_a_way_beyond_the_pool_says_so() -> None:
    asked, _ = chosen(["majority?n=9"], [])
    found = evaluate_ways("chain-medium", "chain", SETTINGS, Ask(samples=4, limit=6), asked)
    assert {row["samples"] for row in found["ways"][0]["comparisons"]} == {4, None}
    assert list(told(found))[-1].startswith(("  it costs as much as 9 samples", "  it costs as much as 10 samples"))
    few, _ = chosen(["majority?n=2"], [])
    assert "it costs" not in "\n".join(told(evaluate_ways("chain-medium", "chain", SETTINGS, Ask(samples=4, limit=6), few)))


def test_ways_and_their_settings_are_told_apart() -> None:
    asked, of_run = chosen(
        ["backtracking", "backtracking?alternatives=4&critiques.temperature=0.5"], ["told=0.5", "critiques.max_tokens=9", "threads=1"]
    )
    assert [dict(one.settings) for one in asked] == [
        {"told": 0.5, "critiques": {"max_tokens": 9}},
        {"told": 0.5, "critiques": {"max_tokens": 9, "temperature": 0.5}, "alternatives": 4},
    ]
    assert of_run == {"threads": 1}
    plain = Sampling(max_tokens=33, top_k=5)
    first = made(asked[0], plain)
    assert first.sampling == plain and first.model_dump()["critiques"]["temperature"] == 0.0
    assert made(Asked("m", "majority", {"sampling": {"top_k": 2}}), plain).sampling == plain.model_copy(update={"top_k": 2})
    for specs, overrides, message in (
        (["majority", "majority"], [], "--way: 'majority' is there twice"),
        (["majorty"], [], r"no way 'majorty'; did you mean 'majority'\?"),
        (["srt"], [], "'srt' is a recipe, no way: autotelic run srt"),
        (["majority"], ["m=3"], "no setting 'm' of majority"),
        (["majority", "srgen"], ["spike.rate=3"], r"no setting 'spike' of majority, srgen; did you mean 'spikes'\?"),
    ):
        with pytest.raises(SettingError, match=message):
            chosen(specs, overrides)
    with pytest.raises(SettingError, match="no setting 'm'; "):
        made(chosen(["majority?m=3"], [])[0][0], plain)


def test_a_way_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "first.py"
    file.write_text(
        "from autotelic import Way, way\n\n\n"
        "@way(name='first', system='', paper='', family='own')\nclass First(Way):\n    '''One sample.'''\n\n    n: int = 1\n\n"
        "    async def answer(self, ctx, tasks):\n        return [group.rollouts[0] for group in await ctx.sample('solver', tasks, self.n)]\n"
    )
    asked, _ = chosen([f"{file}?n=2"], [])
    found = evaluate_ways("chain-medium", "chain", SETTINGS, Ask(samples=4, limit=6), asked)["ways"][0]
    assert (found["name"], found["completions"]) == ("first", 2.0)
