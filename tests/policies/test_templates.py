"""Chat templates: what transformers renders is rendered, and what never ends, grows without bounds or breaks out is an error of one line."""

import threading
from typing import Any

import pytest
from subwords import CHATML
from transformers.utils.chat_template_utils import render_jinja_template

from autotelic.errors import DataError
from autotelic.policies.templates import ALLOWANCE, STEP, ChatTemplate

TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  a\n<think>b</think> "},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\n5", "tool_calls": None},
    {"role": "user", "content": "c"},
]
NAMES = {"bos_token": "<s>", "eos_token": "</s>"}

PUBLISHED = {
    "chatml": CHATML,
    "turns of two with trimming": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim + '\n\n' %}{% set rest = messages[1:] %}"
        "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
        "{% for message in rest %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
        "{% if loop.index0 == 0 %}{% set content = system + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}"
        "{{ '[INST] ' + content.strip() + ' [/INST]' if message['role'] == 'user' else ' ' + content | trim + ' ' + eos_token }}{% endfor %}"
    ),
    "thinking cut, last question found from behind": (
        "{%- set ns = namespace(multi_step_tool=true, last=messages|length - 1) -%}\n"
        "{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n"
        "    {%- if ns.multi_step_tool and message.role == 'user' %}\n        {%- set ns.multi_step_tool = false %}{%- set ns.last = index %}\n    {%- endif %}\n"
        "{%- endfor %}\n{%- for message in messages %}{%- set content = message.content %}{%- set thought = '' %}\n"
        "    {%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n"
        "        {%- set thought = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{%- endif %}\n"
        "    {{- message.role ~ ':' ~ (thought if loop.index0 > ns.last or loop.last else '') ~ content ~ '\\n' }}\n"
        "{%- endfor %}{%- if add_generation_prompt %}{{- 'assistant:' }}{%- if enable_thinking is defined and enable_thinking is false %}off{%- endif %}{%- endif %}"
    ),
    "loop controls, generation tag, macros": (
        "{% macro show(message, first=false) %}{{ message.role|upper }}{{ '!' if first }}{% endmacro %}"
        "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ show(m, loop.first) }}"
        "{% generation %}{% set inside = m['content'] %}{{ inside }}{% endgeneration %}{{ loop.length }}{{ loop.revindex }}{{ loop.nextitem is defined }}"
        "{{ loop.changed(m.role) }}{{ loop.cycle('x', 'y') }}{% if loop.index == 3 %}{% break %}{% endif %}{% else %}none{% endfor %}{{ inside is defined }}"
    ),
    "tools and documents": (
        "{% if tools %}{{ tools|tojson(indent=2) }}{% else %}{{ [{'a': 'é<', 'b': (1, 2.5, none, true)}]|tojson }}{% endif %}"
        "{{ documents is none }}{{ tools is not none and tools|length > 0 }}{% if tools is iterable and tools is not none %}t{% endif %}"
    ),
    "filters and tests": (
        "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|map('trim')|join('|') }}{{ messages|rejectattr('role', 'in', ['user'])|list|length }}"
        "{{ (messages|first).content|replace('Be', 'be')|indent(2)|title }}{{ '%s-%03d' % ('a', 7) }}{{ '{}:{:>4}'.format('b', 'c') }}{{ [1, 2, 3]|sum }}"
        "{{ dict(a=1, **{'b': 2}).items()|list }}{{ range(3)|list }}{{ 7 // 2 }}{{ 2 ** 5 }}{{ 'ab' * 3 }}{{ -3 % 2 }}{{ messages[-1].missing is defined }}"
        "{% set parts %}{% for m in messages %}{{ m.role[0] }}{% endfor %}{% endset %}{{ parts }}{% filter upper %}x{{ parts }}{% endfilter %}"
        "{% for key, value in messages[0]|dictsort %}{{ key }}={{ value }};{% endfor %}{{ messages|map(attribute='role')|unique|sort|join(',') }}"
    ),
    "nested and recursive loops": "{% for n in [1, [2, [3]]] recursive %}{% if n is iterable %}({{ loop(n) }}){% else %}{{ n }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "trimmed blocks": "  {% for m in messages %}\n    {{ m.role }}\n  {% endfor %}\n\nend\n",
}


@pytest.mark.parametrize("kind", PUBLISHED)
@pytest.mark.parametrize("opened", [True, False])
def test_templates_render_as_in_transformers(kind: str, opened: bool) -> None:
    for talk in (TALK, TALK[1:2], TALK[1:]):
        options = {"add_generation_prompt": opened, **NAMES}
        theirs = render_jinja_template([[{k: v for k, v in m.items() if v is not None} for m in talk]], chat_template=PUBLISHED[kind], **options)
        assert ChatTemplate(PUBLISHED[kind]).render(talk, **options) == theirs[0][0]


def test_the_date_can_be_asked_for() -> None:
    assert ChatTemplate("{{ strftime_now('%Y')|int > 2000 }}").render(TALK) == "True"


GROWING = "{% set ns = namespace(s='ab') %}{% for i in range(80) %}{% set ns.s = STEP %}{% endfor %}{{ ns.s }}"
HOSTILE = [
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}",
    "{% for i in range(100000000) %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for x in [1, 2] recursive %}{% if loop.depth < 60 %}{{ loop([1, 2]) }}{% endif %}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% filter upper %}{% for i in range(99999) %}{% for j in range(99999) %}a{% endfor %}{% endfor %}{% endfilter %}",
    *(
        GROWING.replace("STEP", step)
        for step in (
            "ns.s ~ ns.s", "ns.s + ns.s", "ns.s * 2", "[ns.s, ns.s]", "(ns.s, ns.s)", "{'a': ns.s, 'b': ns.s}", "dict(a=ns.s, b=ns.s)",
            "'%s%s' % (ns.s, ns.s)", "'{0}{0}'.format(ns.s)", "ns.s.replace('a', 'aab')", "ns.s|replace('a', 'aab')", "ns.s.join(['a', ns.s, ns.s])",
        )
    ),
    "{% set ns = namespace(s='ab') %}{% for i in range(80) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}",
    "{% set ns = namespace(s=1) %}{% macro f() %}{% set ns.s = varargs %}{% endmacro %}{% for i in range(80) %}{{ f(ns.s, ns.s) }}{% endfor %}{{ ns.s }}",
    "{{ 'a' * 10000000000 }}", "{{ [0] * 10000000000 }}", "{{ 10 ** 10 ** 10 }}", "{{ 9999999999999 * 9999999999999 }}", "{{ 2 ** 1000000 }}",
    "{{ 'a'|center(10000000000) }}", "{{ 'a'.ljust(10000000000) }}", "{{ '%10000000000d' % 1 }}", "{{ '%*d' % (1000000000, 1) }}",
    "{{ '{:>10000000000}'.format('x') }}", "{{ '{:>{}}'.format('x', 1000000000) }}", "{{ '%10000000000d'|format(1) }}", "{{ strftime_now('%1000000000d') }}",
    "{{ range(99999)|slice(10000000000)|list }}", "{{ (range(99999)|list|string).replace('', range(99999)|list|string)|length }}",
    "{{ (range(99999)|list|string).join(range(99999)|list|string)|length }}", "{{ (range(99999)|list|string).expandtabs(100000000)|length }}",
    "{{ 'a\\n'|indent(10000000000) }}", "{{ [1, [2, [3]]]|tojson(indent=1000000000) }}", "{{ range(99999)|map('string')|map('center', 99999)|list|length }}",
]  # fmt: skip


@pytest.mark.parametrize("source", HOSTILE)
def test_templates_that_do_not_end_or_grow_without_bounds_are_errors(source: str) -> None:
    with pytest.raises(DataError, match=r"^the chat template fails: [^\n]+$"):
        ChatTemplate(source).render(TALK)


def test_the_limit_holds_on_every_thread() -> None:
    found: list[str] = []

    def render() -> None:
        try:
            ChatTemplate(HOSTILE[0]).render(TALK)
        except DataError as error:
            found.append(str(error))

    threads = [threading.Thread(target=render) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3


def test_the_limit_is_the_same_everywhere_and_grows_with_the_messages() -> None:
    loop = ChatTemplate("{% for i in range(" + str(ALLOWANCE // STEP + 10) + ") %}{% endfor %}")
    assert ChatTemplate("{% for i in range(" + str(ALLOWANCE // STEP - 10) + ") %}{% endfor %}").render([]) == ""
    with pytest.raises(DataError, match="does not come to an end"):
        loop.render([])
    assert loop.render([{"role": "user", "content": "a"}]) == ""
    long = [{"role": "user", "content": "word " * 400_000}]
    assert len(ChatTemplate(CHATML).render(long)) > 2_000_000
    assert len(ChatTemplate("{% for m in messages %}{{ m.content.strip()|trim|replace('w', 'v') ~ '' }}{% endfor %}").render(long)) > 1_900_000


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ ''.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ messages.__class__.__base__.__subclasses__() }}", "is unsafe"),
        ("{{ messages.append(1) }}", "access to attribute 'append' of 'list' object is unsafe"),
        ("{{ messages|attr('__class__') }}{{ (messages|attr('__class__'))() }}", "unsafe"),
        ("{{ namespace(__init__=1) }}", "with an underscore first"),
        ("{{ 'a'.encode('punycode') }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{% import 'os' as os %}", "no loader"),
        ("{{ lipsum(n=100000) }}", "'lipsum' is undefined"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{{ missing.attribute }}", "'missing' is undefined"),
        ("{{ messages[0]['x'] + 1 }}", "has no attribute 'x'"),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{% for", "unexpected 'end of template'"),
        ("{{ '\n\n' ~ unknown_function('\n') }}", "'unknown_function' is undefined"),
        ("{{ 'x'|shout }}", "No filter named 'shout'"),
        ("{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}", "too deeply"),
        ("{% if 1 %}" * 2000 + "{% endif %}" * 2000, "too deeply"),
    ],
)
def test_what_fails_in_a_template_is_one_line(source: str, message: str) -> None:
    with pytest.raises(DataError) as found:
        ChatTemplate(source).render(TALK)
    assert message in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "source", ["{{ '{0.__class__}'.format(messages) }}", "{{ ('{0.__class__}'|attr('format'))(messages) }}", "{{ messages.__class__ }}"]
)
def test_what_the_sandbox_hides_shows_as_nothing(source: str) -> None:
    assert ChatTemplate(source).render(TALK) == ""


def test_what_a_template_says_itself_is_told_as_its_words() -> None:
    with pytest.raises(DataError, match=r"^the chat template refuses it: System role not supported$"):
        ChatTemplate("{{ raise_exception('System role\n  not supported') }}").render(TALK)


def test_a_template_of_a_megabyte_is_not_read() -> None:
    with pytest.raises(DataError, match="has 1000001 characters"):
        ChatTemplate("a" * 1_000_001)
