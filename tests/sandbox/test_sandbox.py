"""What a program gives back, and the refusal where nothing can be run apart."""

import pytest

from autotelic.errors import SettingError
from autotelic.sandbox import Limits, Program, Sandbox, pool, why_not

here = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@here
def test_values_of_checks_are_given_and_a_check_that_raises_has_none():
    result = Sandbox().run(Program("def double(x): return 2 * x", ("double(4)", "double()", "double('a')")))
    assert result.ok and result.values == ("8", None, "'aa'")


@here
def test_output_input_and_errors_come_back():
    result = Sandbox().run(Program("print(input() + '!')\nraise ValueError('no')", ("1",), stdin="hello\n"))
    assert result.ended == "error" and result.output.startswith("hello!\nTraceback") and result.error == "ValueError: no"
    assert result.values == (None,)


@here
def test_many_programs_keep_their_order_over_workers():
    made = Sandbox(workers=2)
    assert [result.output for result in made.run_all([Program(f"print({i})") for i in range(20)])] == [f"{i}\n" for i in range(20)]
    assert all(result.ok for result in made.run_all([Program("")] * 20))  # wardens outlive the threads that asked for them
    made.close()


def test_without_bubblewrap_nothing_is_run(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    pool.why_not.cache_clear()
    try:
        with pytest.raises(SettingError, match="apt-get install bubblewrap"):
            Sandbox(Limits())
    finally:
        pool.why_not.cache_clear()


def test_a_bubblewrap_that_does_not_work_is_a_refusal(monkeypatch):
    refusing = ["/bin/sh", "-c", "echo 'No permissions to create new namespace' >&2; exit 1"]
    monkeypatch.setattr(pool, "_command", lambda limits: refusing)
    monkeypatch.setattr(pool.shutil, "which", lambda name: "/usr/bin/bwrap")
    pool.why_not.cache_clear()
    try:
        with pytest.raises(SettingError, match=r"never run without .*No permissions"):
            Sandbox(Limits())
    finally:
        pool.why_not.cache_clear()
