"""The generated worlds: exactness against independent references, splits, determinism, knobs."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotelic.errors import DataError, SettingError
from autotelic.sandbox import why_not
from autotelic.types import Task
from autotelic.worlds import WORLDS, EnglishWorld, ReasoningGym, chain, countdown, open_world
from autotelic.worlds import addition as add
from autotelic.worlds.base import split_of

SPECS = [
    "addition?digits=1-6&window=9", "addition?digits=5&same_length=true", "chain", "chain?ops=1-4", "habits", "asides", "rules", "countdown", "countdown?numbers=4&largest=20",
    "strings", "strings?ops=3&length=4-8&kinds=RSL",
]  # fmt: skip
SPLITS = ("train", "probe", "validation")


@pytest.mark.parametrize("spec", SPECS)
def test_tasks_are_distinct_deterministic_and_solved_by_gold(spec):
    world = open_world(spec)
    tasks = world.tasks(60, seed=3)
    assert len({task.id for task in tasks}) == len({task.prompt for task in tasks}) == 60
    assert tasks == open_world(spec).tasks(60, seed=3)
    assert tasks[:20] == world.tasks(20, seed=3)
    assert tasks != world.tasks(60, seed=4)
    longest = world.longest()
    for task in tasks:
        gold = world.gold(task)
        assert task.answer == world.parse(gold)
        assert world.verify(task, world.parse(gold)) == 1.0
        assert world.verify(task, None) == 0.0
        assert world.verify(Task(task.id, task.prompt), task.answer) == 1.0, "the verdict must not need the label"
        assert set(task.prompt + gold) <= set(world.alphabet)
        assert len(task.prompt) <= longest.prompt and len(gold) <= longest.completion


@pytest.mark.parametrize("spec", SPECS)
def test_no_prompt_is_in_two_splits_whatever_the_seeds(spec):
    world = open_world(spec)
    seen = [{task.prompt for seed in range(3) for task in world.tasks(40, seed=seed, split=split)} for split in SPLITS]
    for one, other in itertools.combinations(seen, 2):
        assert not one & other


def test_addition_keeps_swapped_and_shifted_versions_in_one_split():
    world = open_world("addition?digits=1-3&window=8")
    pairs = [{tuple(sorted(task.hidden.values())) for task in world.tasks(200, seed=1, split=split)} for split in SPLITS]
    for one, other in itertools.combinations(pairs, 2):
        assert not one & other


def test_shares_of_splits():
    found = [split_of(("x", i)) for i in range(5000)]
    assert 0.77 < found.count("train") / 5000 < 0.83
    assert 0.08 < found.count("probe") / 5000 < 0.12


def test_small_spaces_are_used_up_and_then_refused():
    world = open_world("chain?ops=1")
    every = {f"{a}{op}{b}=" for a in range(10) for op in "+-*" for b in range(10)}
    sizes = {split: sum(split_of(("chain", prompt)) == split for prompt in every) for split in SPLITS}
    prompts = {split: {task.prompt for task in world.tasks(sizes[split], seed=5, split=split)} for split in SPLITS}
    assert set().union(*prompts.values()) == every
    with pytest.raises(SettingError, match=rf"{sizes['probe'] + 1} distinct tasks asked for, only about {sizes['probe']} exist"):
        world.tasks(sizes["probe"] + 1, seed=5, split="probe")


def test_the_layout_of_addition():
    assert add.write(321, 654, 2, 6) == "##123#+##456#="
    assert add.write(123, 56, 2, 6) == "##321#+##650#=", "the shorter operand is written with zeros"
    assert add.write(1, 2, 0, 4, 3) == "100#+200#="
    world = open_world("addition?window=6")
    task = world.task("##123#+##456#=")
    assert (world.gold(task), task.answer, task.hidden) == ("##5790", "975", {"a": 321, "b": 654})
    assert world.gold(world.task("##321#+##650#=")) == "##9710"
    assert world.gold(world.task(add.write(999, 1, 3, 6))) == "###0001"
    assert add.field(1000, 3, 3) == "###0001" and add.answer_of("###0001") == "1000"


@given(st.integers(0, 10**12 - 1), st.integers(0, 10**12 - 1), st.integers(0, 30), st.integers(0, 30), st.integers(0, 2))
def test_addition_round_trip_and_views(a, b, shift, other, zeros):
    digits = max(len(str(a)), len(str(b))) + zeros
    window = 14 + 30
    prompt = add.write(a, b, shift, window, digits)
    assert len(prompt) == 2 * window + 2
    assert add.read(prompt) == (a, b, shift, digits)
    world = add.Addition()
    task = world.task(prompt)
    assert task.answer == str(a + b)
    gold = world.gold(task)
    assert len(gold) == shift + digits + 1 and add.well_formed(task, gold)
    for i, digit in enumerate(reversed(str(a + b))):
        assert gold[shift + i] == digit, "a sum's digit stands at the place of the operands' digits"
    for view in (add.swapped(task, other), add.shifted(task, other)):
        assert view.answer == task.answer and view.tags["parents"] == [task.id]
        assert split_of(world.identity(view.prompt)) == split_of(world.identity(prompt))
        assert add.of(view).digits == digits
    assert add.read(add.swapped(task, other).prompt) == (b, a, other, digits)
    assert add.read(add.shifted(task, other).prompt) == (a, b, other, digits)
    assert add.swapped(Task("x", prompt), other).answer is None, "a view of a task without a label has none either"


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1), st.integers(1, 8), st.integers(0, 5))
def test_the_low_and_the_high_digits_make_the_sum(a, b, k, shift):
    task = add.Addition().task(add.write(a, b, 2, 16, 9))
    low = add.lower(task, k, shift)
    assert add.of(low) == (a % 10**k, b % 10**k, shift, k)
    carry, rest = divmod(int(low.answer), 10**k)
    assert carry in (0, 1) and rest == (a + b) % 10**k
    high = add.upper(task, k, carry, shift)
    nines = a // 10**k % 10 == b // 10**k % 10 == 9
    assert (high is None) == bool(carry and nines)
    if high is not None:
        assert add.of(high).digits == 9 - k and add.of(high).shift == shift
        assert int(high.answer) * 10**k + rest == a + b


def test_high_digits_take_the_carry_in_one_operand():
    task = add.Addition().task(add.write(1957, 3986, 0, 8))
    assert add.of(add.upper(task, 2, 0, 1)) == (19, 39, 1, 2)
    assert add.upper(task, 2, 1, 1) is None, "both lowest digits are 9: the carry would have to be added, not written"
    assert add.of(add.upper(task, 1, 1, 0)) == (196, 398, 0, 3)
    nine = add.Addition().task(add.write(1997, 3986, 0, 8))
    assert add.of(add.upper(nine, 1, 1, 0)) == (199, 399, 0, 3), "into the other operand where the first digit is 9"


@pytest.mark.parametrize(
    "text,right",
    [
        ("##9710", True), ("##9720", True), ("##971", False), ("##97100", False), ("#9710", False), ("###9710", False), ("##9710#", False),
        ("##97#0", False), ("", False), ("##", False), ("##0000", True), ("9710", False), (" ##9710", False),
    ],
)  # fmt: skip
def test_the_form_of_a_sum_says_nothing_of_its_truth(text, right):
    assert add.well_formed(Task("x", "##321#+##650#="), text) is right


@pytest.mark.parametrize("text", ["", "##", "#12#3", "##012a", "#210#3", "12 3", "0#0", "#21#", "##0##", "+1", "1+1=2", "٣", "1" * 1002])
def test_addition_answers_of_another_form_do_not_parse(text):
    assert add.answer_of(text) is None


@pytest.mark.parametrize("text,value", [("0", "0"), ("##0", "0"), ("#21", "12"), ("01", "10"), ("00", "0"), ("#9710", "179")])
def test_addition_answers(text, value):
    assert add.answer_of(text) == value


@pytest.mark.parametrize("prompt", ["", "1+2", "#1+2#=", "##12+#3##=", "1#+23=", "12+3#=", "1#+2##=", "1+2=3", "#" * 9, "1+2+3="])
def test_broken_addition_prompts(prompt):
    with pytest.raises(DataError, match="not an addition prompt"):
        add.read(prompt)


def test_addition_that_does_not_fit():
    for a, b, shift in ((123, 4, 4), (1234567, 1, 0), (-1, 2, 0), (1, 2, -1)):
        with pytest.raises(DataError, match="does not fit a window of 6"):
            add.write(a, b, shift, 6)
    with pytest.raises(DataError, match=r"123 \+ 4 with 2 digits at shift 0 does not fit"):
        add.write(123, 4, 0, 6, digits=2)
    task = add.Addition(window=6, digits=3).tasks(1, seed=0)[0]
    for view in (add.swapped, add.shifted):
        with pytest.raises(DataError, match="does not fit a window of 6"):
            view(task, 4)
    with pytest.raises(DataError, match="chat messages"):
        add.swapped(Task("m", [{"role": "user", "content": "1+1="}]), 0)


def test_addition_digits():
    for task in open_world("addition?digits=5&window=9").tasks(80, seed=1):
        assert max(len(str(task.hidden[side])) for side in "ab") == task.tags["digits"] == 5
    for task in open_world("addition?digits=2-4&same_length=1").tasks(80, seed=1):
        assert len(str(task.hidden["a"])) == len(str(task.hidden["b"])) == task.tags["digits"]


@given(st.integers(0, 9), st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 9)), min_size=1, max_size=9))
def test_chain_against_plain_arithmetic(first, rest):
    prompt = str(first) + "".join(f"{op}{digit}" for op, digit in rest) + "="
    value = first
    for op, digit in rest:
        value = value + digit if op == "+" else value - digit if op == "-" else value * digit
    world = chain.Chain()
    text = world.gold(world.task(prompt))
    assert world.parse(text) == str(value % 10)
    for step, (op, digit) in zip(text.split(";")[:-1], rest, strict=True):
        assert chain.apply(int(step[0]), op, digit) == int(step[-1]) and step[1:3] == f"{op}{digit}"


@pytest.mark.parametrize(
    "text,answer",
    [("3+4=7;#7", "7"), ("#7", "7"), (" #7\n", "7"), ("#7;#8", "8"), ("#78", None), ("7", None), ("3+4=#7", None), ("", None), ("#7;", None)],
)
def test_chain_answers(text, answer):
    assert chain.Chain().parse(text) == answer


def test_chain_example():
    world = open_world("chain")
    assert world.gold(world.task("3+4*2-5=")) == "3+4=7;7*2=4;4-5=9;#9"
    with pytest.raises(DataError, match="not a chain prompt: '3/4='"):
        world.task("3/4=")


EXPRESSIONS = st.recursive(
    st.integers(0, 12).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({parts[0]}{parts[1]}{parts[2]})"),
    max_leaves=6,
)


def reference_value(text: str) -> Fraction | None:
    """Python's own parser on fractions: independent of the world's."""
    import ast

    def value(node):
        if isinstance(node, ast.Constant):
            return Fraction(node.value)
        left, right = value(node.left), value(node.right)
        return {ast.Add: lambda: left + right, ast.Sub: lambda: left - right, ast.Mult: lambda: left * right, ast.Div: lambda: left / right}[
            type(node.op)
        ]()

    try:
        return value(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        return None


@given(EXPRESSIONS)
def test_countdown_expressions_keep_their_value_and_their_canonical_form(text):
    found, value = countdown.parse_expression(text), reference_value(text)
    assert (found is None) == (value is None)
    if found:
        assert found.value == value == reference_value(found.text)
        again = countdown.parse_expression(found.text)
        assert again.text == found.text and sorted(again.leaves) == sorted(found.leaves)


@pytest.mark.parametrize("one,other", [("2*3+7", "7+(3*2)"), ("9-(4-1)", "1+9-4"), ("8/(4/2)", "2*8/4"), ("(1+2)*3", "3*(2+1)"), (" 1 + 2 ", "2+1")])
def test_countdown_answers_equal_up_to_order(one, other):
    assert countdown.Countdown().parse(one) == countdown.Countdown().parse(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1+",
        "+1",
        "-1",
        "(1",
        "1)",
        "1 2",
        "2**3",
        "1//2",
        "1/0",
        "1/(2-2)",
        "x",
        "1.5",
        "()",
        "1+2=3",
        "__import__('os')",
        "(" * 119,
        "1" * 500,
        "9" * 12 + "+1",
    ],
)
def test_texts_that_are_no_expressions(text):
    assert countdown.parse_expression(text) is None


def test_countdown_verdicts():
    world = open_world("countdown")
    task = world.task("3,7,2:13")
    for right in ("2*3+7", "7+3*2", "(7+(2*3))"):
        assert world.verify(task, world.parse(right)) == 1.0
    for wrong in ("7+6", "13", "3+7+2", "2*3+7+0", "2*3+7*1", "2*3*7", None, "garbage"):
        assert world.verify(task, wrong) == 0.0
    assert world.verify(world.task("8,3,3,8:24"), world.parse("8/(3-8/3)")) == 1.0, "division is exact, not whole"
    with pytest.raises(DataError, match="no expression solves '1,1:50'"):
        world.task("1,1:50")


def test_countdown_search_agrees_with_enumeration():
    """All parse trees over all orders of three numbers, by brute force."""
    for numbers in ((2, 5, 9), (1, 1, 7), (4, 6, 6)):
        reachable = set()
        for (a, b, c), first, second in itertools.product(itertools.permutations(numbers), "+-*/", "+-*/"):
            for text in (f"(({a}{first}{b}){second}{c})", f"({a}{first}({b}{second}{c}))"):
                reachable.add(reference_value(text))
        for target in range(120):
            found = countdown.solution(numbers, target)
            assert (found is not None) == (Fraction(target) in reachable), (numbers, target)


def test_countdown_without_reachable_target():
    with pytest.raises(DataError, match="no target in 5000-6000 is reachable from numbers up to 9"):
        open_world("countdown?target=5000-6000").tasks(1, seed=0)


def test_strings_examples():
    world = open_world("strings")
    for prompt, gold in {"RS:bcab=": "bacb;abbc;#abbc", "D:abca=": "abc;#abc", "L:abcd=": "bcda;#bcda", "N:agh=": "bha;#bha"}.items():
        assert world.gold(world.task(prompt)) == gold
    assert [world.parse(text) for text in ("#ab", "ba;#ab", "#", "ab", "#aX", "ab#ab")] == ["ab", "ab", None, None, None, None]


@pytest.mark.parametrize("name", WORLDS)
def test_gold_of_foreign_prompts_fails(name):
    with pytest.raises(DataError, match="not a"):
        open_world(name).gold(Task("x", "what is 1+1?"))
    with pytest.raises(DataError, match="not a" if isinstance(open_world(name), EnglishWorld) else "not chat messages"):
        open_world(name).gold(Task("x", [{"role": "user", "content": "hi"}]))


@pytest.mark.parametrize(
    "spec,message",
    [
        ("chian", "no world 'chian': did you mean 'chain'"),
        ("", "no world ''"),
        ("chain?op=3", "no knob 'op': did you mean 'ops'"),
        ("chain?ops=0", "ops must be a range within 1 to 100, got 0-0"),
        ("chain?ops=4-2", "got 4-2"),
        ("chain?ops=two", "ops: Input should be a valid integer"),
        ("chain?ops", "expected knob=value after '[?]', got 'ops'"),
        ("addition?digits=5-30", r"digits \(window 20\) must be a range within 1 to 20, got 5-30"),
        ("addition?window=0", "window must be"),
        ("strings?kinds=RQ", "kinds must be letters of RSDLN, got Q"),
        ("strings?kinds=", "kinds must be letters of RSDLN, got none"),
        ("countdown?numbers=5", "numbers must be a range within 2 to 4, got 5-5"),
        ("reasoning-gym", "did you mean 'reasoning-gym:DATASET'"),
    ],
)
def test_specs_that_do_not_open(spec, message):
    with pytest.raises(SettingError, match=message):
        open_world(spec)


def test_knobs_of_a_call_override_those_of_the_world():
    world = open_world("chain?ops=2")
    assert {task.tags["ops"] for task in world.tasks(20, seed=0)} == {2}
    assert {task.tags["ops"] for task in world.tasks(20, seed=0, ops=5)} == {5}
    assert {task.tags["ops"] for task in world.tasks(80, seed=0, ops=(3, 4))} == {3, 4}
    assert world.longest(ops=5) == (12, 32)
    with pytest.raises(SettingError, match="no knob 'opps': did you mean 'ops'"):
        world.tasks(1, seed=0, opps=3)
    with pytest.raises(SettingError, match="unknown split 'trian': did you mean 'train'"):
        world.tasks(1, seed=0, split="trian")
    with pytest.raises(SettingError, match="0 or more, got -1"):
        world.tasks(-1, seed=0)
    assert world.tasks(0, seed=0) == []


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([name for name in sorted(WORLDS) if name != "functions" or not why_not()]),
    st.text(alphabet="#()*+,-/0123456789:;=RSabc \n", max_size=40),
)
def test_parsing_never_fails_and_is_canonical(name, text):
    world = open_world(name)
    answer = world.parse(text)
    task = world.tasks(1, seed=0)[0]
    assert world.verify(task, answer) in (0.0, 1.0)


def test_gym_errors():
    with pytest.raises(SettingError, match="no data set 'chain_sun': did you mean 'chain_sum'"):
        open_world("reasoning-gym:chain_sun")
    with pytest.raises(SettingError, match="no knob 'max_term': did you mean 'max_terms'"):
        open_world("reasoning-gym:chain_sum?max_term=3")
    with pytest.raises(SettingError, match="max_terms must be >= min_terms"):
        open_world("reasoning-gym:chain_sum?max_terms=1")
    with pytest.raises(SettingError, match="no knob 'seed'"):
        ReasoningGym("chain_sum", seed=3)


@pytest.mark.parametrize(
    "dataset,reason", [("puzzle24", "accepts any numbers"), ("game_of_life_halting", "accepts every answer"), ("composite", "mixes")]
)
def test_gym_data_sets_with_broken_scorers_are_refused(dataset, reason):
    with pytest.raises(SettingError, match=reason):
        ReasoningGym(dataset)


def test_gym_scorers_that_fail_are_counted():
    world = ReasoningGym("prime_factorization")
    task = world.tasks(1, seed=0)[0]
    assert world.verify(task, "two times two") == 0.0
    assert world.failures == {"ValueError": 1}


def test_an_integral_that_restates_the_question_is_no_answer():
    world = ReasoningGym("intermediate_integration")
    for task in world.tasks(5, seed=0):
        integrand = task.hidden["entry"]["metadata"]["integrand"]
        assert world.verify(task, f"Integral({integrand}, x) + C") == 0.0
        assert world.verify(task, world.parse(world.gold(task))) == 1.0


def test_gym_without_the_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "reasoning_gym.factory", None)
    with pytest.raises(SettingError, match=r'pip install "autotelic\[envs\]"'):
        ReasoningGym("chain_sum")


def test_gym_tasks_splits_and_stored_tasks():
    import json

    spec = "reasoning-gym:chain_sum?min_terms=2&max_terms=2&max_digits=2&chat=false"
    world = open_world(spec)
    tasks = world.tasks(80, seed=1)
    assert tasks == open_world(spec).tasks(80, seed=1)
    assert not {task.prompt for task in tasks} & {task.prompt for task in world.tasks(40, seed=2, split="probe")}
    stored = Task(**json.loads(json.dumps({"id": "new", "prompt": tasks[70].prompt, "hidden": tasks[70].hidden})))
    fresh = open_world("reasoning-gym:chain_sum")
    assert fresh.verify(stored, tasks[70].answer) == 1.0
    assert fresh.verify(stored, str(int(tasks[70].answer) + 1)) == 0.0
    assert fresh.score(stored, f"{tasks[70].answer} or 3") > 0 == fresh.verify(stored, f"{tasks[70].answer} or 3")
    with pytest.raises(SettingError, match="distinct tasks asked for"):
        open_world("reasoning-gym:coin_flip?min_trials=1&max_trials=1").tasks(500, seed=0)


def test_gym_answers():
    world = open_world("reasoning-gym:chain_sum")
    texts = {"<answer>1</answer> <answer> 2\n</answer>": "2", "so\nAnswer: 3\n4": "3\n4", " 5 ": "5", " ": None, "answer: 1 <answer>2</answer>": "2"}
    assert {text: world.parse(text) for text in texts} == texts


@pytest.mark.parametrize("dataset", ["n_queens", "string_insertion", "countdown", "simple_integration", "intermediate_integration"])
def test_hostile_answers_do_not_reach_the_scorers_that_evaluate(dataset, tmp_path):
    world = open_world(f"reasoning-gym:{dataset}")
    task = world.tasks(1, seed=0)[0]
    target = tmp_path / "made"
    for text in (
        f"open({str(target)!r}, 'w')",
        f"[open({str(target)!r}, 'w')]",
        f"__import__('pathlib').Path({str(target)!r}).touch()",
        "9**9**9**9",
        "((9**99)**99)**99",
    ):
        assert world.verify(task, text) == 0.0
    assert not target.exists()
    assert world.verify(task, world.parse(world.gold(task))) == 1.0
