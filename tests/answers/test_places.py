"""Where answers stand."""

import pytest

from autotelic.answers.places import PLACES, boxed, extract, only_formula, spoken


@pytest.mark.parametrize(
    "text,found",
    [
        (r"\boxed{4}", "4"),
        (r"first \boxed{1}, then \boxed{\frac{1}{2}} done", r"\frac{1}{2}"),
        (r"\boxed{a} and an open \boxed{b", "a"),
        (r"\boxed{ }", ""),
        (r"\boxed{", None),
        ("boxed{4}", None),
        (r"\boxed{\text{{x}}}", r"\text{{x}}"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{a\}}", r"a\}"),
        (r"\boxed{1 \\}", r"1 \\"),
        (r"\\boxed{4}", "4"),
        (r"\boxed{2} and \boxed{3}", "2, 3"),
        (r"$\boxed{2}$, $\boxed{3}$ or $\boxed{4}$", "2, 3, 4"),
        (r"\boxed{2}\text{ and }\boxed{2}", "2"),
        (r"} \boxed{4} {", "4"),
    ],
)
def test_boxed(text, found):
    assert boxed(text) == found


@pytest.mark.parametrize(
    "place,text,found",
    [
        ("hashes", "so\n#### 42\n", "42"),
        ("hashes", "### 42", None),
        ("hashes", "##### 42", None),
        ("hashes", "#### Step 3: Conclusion\nIt is so.", None),
        ("hashes", "#### Step 3: Conclusion", None),
        ("hashes", "#### 4\n#### Notes\nBye.", "4"),
        ("hashes", "#### C\nBye.", "C"),
        ("hashes", "#### $x^2$\nBye.", "$x^2$"),
        ("answer", "Answer: 7\nthe answer : 8 \nend", "8"),
        ("answer", "my answers: 7", None),
        ("answer", "**Answer:**\n\n```\n7\n```", "7"),
        ("answer", "Answer: 7. answer:", ""),
        ("answer-block", "answer: 1\nAnswer:\n2 3\n4 5\n", "2 3\n4 5"),
        ("answer-block", "**Answer: 1**", "1"),
        ("answer-block", "answer: 1 answer:", ""),
        ("tag", "<answer>1</answer> <ANSWER>\n2 </ANSWER>", "2"),
        ("tag", "<answer>1 <answer>2</answer>", "2"),
        ("tag", "<answer>1", None),
        ("tag", "1</answer>", None),
        ("tag", "<answer> </answer>", ""),
        ("dollars", "so $x$ and $y$", "y"),
        ("dollars", "$$x$$ costs $5 and $7", "x"),
        ("dollars", "it costs $5 and $x$ or so", "x"),
        ("dollars", r"\(x\) and \[y\]", "y"),
        ("dollars", r"costs \$5 and \$7", None),
        ("dollars", "$x\n$", None),
        ("line", "a\n b \n\n", "b"),
        ("line", "a\n---\n", "a"),
        ("line", "## a", "a"),
        ("line", "  \n", None),
        ("whole", " a\nb ", "a\nb"),
    ],
)
def test_places(place, text, found):
    assert PLACES[place](text) == found


def test_a_formula_is_the_answer_only_where_it_is_the_only_one():
    assert only_formula("so $x$ it is") == "x"
    assert only_formula("$x = 5$ or $x = 3$") == "x = 5, x = 3"
    assert only_formula("as $a = 2$ it follows that $x = 3$") is None
    assert only_formula("none") is None


def test_extract_takes_the_first_place_that_finds_something():
    text = "#### 1\nanswer: 2"
    assert extract(text, ("boxed", "hashes", "answer")) == "1"
    assert extract(text, ("answer", "hashes")) == "2"
    assert extract(text, ("boxed",)) is None
    assert extract(r"1 \boxed{}", ("boxed", "line")) is None, "a mark that holds nothing is an answer that holds nothing"


@pytest.mark.parametrize(
    "text,said",
    [
        ("a", "a"),
        ("<think>a</think>b", "\nb"),
        ("a</think>b", "b"),
        ("a<think>b", None),
        ("<THINK>a</Think>b", "\nb"),
        ("<think>a</thinking>b", None),
        ("<think>a<think>b</think>c", "\nc"),
        ("[THINK]a[/THINK]b[THINK]c[/THINK]d", "\nb\nd"),
    ],
)
def test_what_is_thought_is_not_said(text, said):
    assert spoken(text) == said
