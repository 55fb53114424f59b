"""Task files: every accepted layout, and every way a file can be wrong with the message it earns."""

import codecs
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotelic.errors import DataError, SettingError
from autotelic.runs.probing import slice_of
from autotelic.tasks.columns import Columns, read, read_tasks

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]


def write(folder, data, name="t.jsonl"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def fails(path, message, error=DataError, **options):
    with pytest.raises(error) as caught:
        read_tasks(path, **options)
    assert message in str(caught.value), str(caught.value)


def test_jsonl(tmp_path):
    path = write(tmp_path, lines({"prompt": "a?", "answer": 4, "level": 2}, {"prompt": CHAT, "id": 7}) + "\n  \n" + '{"prompt": "c", "answer": 2.5}')
    first, second, third = read_tasks(path)
    assert (first.prompt, first.answer, dict(first.hidden), dict(first.tags)) == (
        "a?",
        "4",
        {"level": 2},
        {"source": "t.jsonl", "record": f"{path} line 1"},
    )
    assert (second.prompt, second.answer, second.id) == (CHAT, None, "7")
    assert third.answer == "2.5"
    assert read_tasks(str(path)) == read_tasks(path) and read_tasks(path)[0].id == first.id
    assert [task.prompt for task in read_tasks(path, limit=1)] == ["a?"]


@pytest.mark.parametrize("column", ["answer", "solution", "ground_truth"])
def test_answer_columns(tmp_path, column):
    assert read_tasks(write(tmp_path, lines({"prompt": "a", column: "x"})))[0].answer == "x"


def test_chosen_columns(tmp_path):
    path = write(tmp_path, lines({"question": "a", "prompt": "p", "label": "x", "answer": "y"}))
    task = read_tasks(path, prompt_column="question", answer_column="label")[0]
    assert (task.prompt, task.answer, dict(task.hidden)) == ("a", "x", {"prompt": "p", "answer": "y"})
    fails(path, "line 1: no answer column 'lable': did you mean 'label'?", answer_column="lable")
    fails(path, "line 1: no column 'quetsion': did you mean 'question'?", prompt_column="quetsion")


@pytest.mark.parametrize(
    "value,text", [(3, "3"), (3.0, "3"), (0.1, "0.1"), (True, "true"), (" ", None), ("", None), (None, None), ("No", "No"), (10**30, str(10**30))]
)
def test_kinds_of_answers(tmp_path, value, text):
    assert read_tasks(write(tmp_path, lines({"prompt": "a", "answer": value})))[0].answer == text


def test_completions_and_messages(tmp_path):
    reply = {"role": "assistant", "content": "2"}
    rows = [
        {"prompt": "a", "completion": "b"},
        {"prompt": CHAT, "completion": [reply]},
        {"messages": [*CHAT, reply, {"role": "user", "content": "+1?"}, {"role": "assistant", "content": "3"}], "answer": "3"},
        {"messages": [*CHAT, reply, {"role": "user", "content": "+2?"}]},
    ]
    plain, chat, turns, asked = read_tasks(write(tmp_path, lines(*rows)))
    assert (plain.prompt, plain.hidden["completion"], plain.answer) == ("a", "b", None)
    assert (chat.prompt, chat.hidden["completion"]) == (CHAT, "2")
    assert (turns.prompt, turns.hidden["completion"], turns.answer) == (rows[2]["messages"][:4], "3", "3")
    assert asked.prompt == rows[3]["messages"] and "completion" not in asked.hidden


def test_verl_and_skyrl_rows(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"data_source": "gsm", "prompt": CHAT, "reward_model": {"style": "rule", "ground_truth": str(i)}, "extra_info": {"index": i}, "id": f"t{i}"}
        for i in range(3)
    ]
    path = tmp_path / "verl.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    tasks = read_tasks(path)
    assert [(task.id, task.prompt, task.answer, task.hidden["extra_info"]) for task in tasks] == [
        (f"t{i}", CHAT, str(i), {"index": i}) for i in range(3)
    ]
    assert read_tasks(path, limit=2) == tasks[:2]
    skyrl = write(tmp_path, lines({"prompt": CHAT, "reward_spec": {"method": "rule", "ground_truth": 5}}))
    assert read_tasks(skyrl)[0].answer == "5"


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.text(min_size=1).filter(str.strip), st.text()), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_round_trip_through_jsonl_and_parquet(tmp_path_factory, rows):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder = tmp_path_factory.mktemp("round")
    records = [{"prompt": prompt, "answer": answer} for prompt, answer in rows]
    raw = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    parquet.write_table(pa.Table.from_pylist(records), folder / "t.parquet")
    expected = [(prompt, answer if answer.strip() else None) for prompt, answer in rows]
    for path in (write(folder, raw), write(folder, raw.replace("\n", "\r\n"), "crlf.jsonl"), folder / "t.parquet"):
        assert [(task.prompt, task.answer) for task in read_tasks(path)] == expected


def test_json_array(tmp_path):
    path = write(tmp_path, json.dumps([{"prompt": "a"}, {"prompt": "b"}], indent=1), "t.json")
    assert [task.prompt for task in read_tasks(path)] == ["a", "b"]
    assert read_tasks(write(tmp_path, lines({"prompt": "a"}), "l.json"))[0].prompt == "a"
    fails(write(tmp_path, '[\n{"prompt": "a"},\n{"prompt" "b"}]', "t.json"), "line 3 column 11: bad JSON: Expecting ':' delimiter")
    fails(write(tmp_path, '[{"prompt": "a"}, 3]', "t.json"), "item 2: expected a JSON object")


def test_csv(tmp_path):
    path = write(tmp_path, 'id,prompt,answer,note\r\n1,"two\r\nlines, and ""quotes""",4,\r\n\r\n2,b,,x\r\n', "t.csv")
    first, second = read_tasks(path)
    assert (first.id, first.prompt, first.answer, dict(first.hidden)) == ("1", 'two\r\nlines, and "quotes"', "4", {"note": None})
    assert (second.id, second.answer) == ("2", None)
    assert read_tasks(write(tmp_path, "prompt\tanswer\na, b\t1\n", "t.tsv"))[0].prompt == "a, b"


@pytest.mark.parametrize(
    "text,message",
    [
        ('prompt,answer\n"a\nb",1\nc,2,3\n', "line 4: 3 fields, but the header has 2; quote fields that hold ','"),
        ("prompt,answer\na\n", "line 2: 1 fields, but the header has 2"),
        ("prompt,prompt\na,b\n", "line 1: the header has the column 'prompt' twice"),
        ("prompt,\na,b\n", "line 1: the header has an empty column name"),
        ('prompt,answer\nx,1\n"open,2\n', "line 3: bad CSV"),
        ('prompt\n"a"b\n', "line 2: bad CSV"),
        ("prompt;answer\na;b\n", "line 2: no column 'prompt': did you mean 'prompt;answer'?"),
        ("prompt,answer\n,b\n", "line 2, column 'prompt': is empty"),
        ("prompt,answer\n", "holds no tasks"),
        ("prompt\n" + "x" * 200_000, "line 2: bad CSV: field larger than field limit"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    fails(write(tmp_path, text, "t.csv"), message)


@pytest.mark.parametrize(
    "encoding,mark",
    [("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-32-le", codecs.BOM_UTF32_LE)],
)
@pytest.mark.parametrize("name,text", [("t.jsonl", '{"prompt": "né\u2028x"}\r\n'), ("t.csv", "prompt\r\nné\u2028x\r\n")])
def test_encodings(tmp_path, encoding, mark, name, text):
    assert read_tasks(write(tmp_path, mark + text.encode(encoding), name))[0].prompt == "né\u2028x"


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_undecodable_bytes(tmp_path, mark):
    data = mark + b'{"prompt": "a"}\n{"prompt": "caf\xe9"}\n'
    path = write(tmp_path, data)
    fails(
        path,
        f"line 2: byte 0xe9 at offset {data.index(0xE9)} is not UTF-8; convert the file, for example: iconv -f latin1 -t utf-8 t.jsonl > utf8-t.jsonl",
    )
    fails(write(tmp_path, codecs.BOM_UTF16_LE + "ab".encode("utf-16-le") + b"\x00"), "is not UTF-16")
    fails(write(tmp_path, '{"prompt": "a"}'.encode("utf-16-le")), "line 1: NUL byte at offset 1; is it UTF-16 without a byte-order mark?")


@pytest.mark.parametrize(
    "text,message",
    [
        ('{"prompt": "a"}\n\n{"prompt": }\n', "line 3 column 12: bad JSON: Expecting value"),
        ('{"prompt": "a"} {"prompt": "b"}\n', "line 1 column 17: bad JSON: Extra data"),
        ('{"prompt": "a", "x": NaN}\n', "line 1: bad JSON: NaN is not JSON"),
        ('{"prompt": ' + "[" * 100_000, "line 1: bad JSON"),
        ('{"prompt": "a", "answer": ' + "9" * 5000 + "}", "line 1: bad JSON"),
        ('{"prompt": "a"}\n["b"]\n', 'line 2: expected a JSON object such as {"prompt": "..."}, got a list'),
        ('"a"\n', "line 1: expected a JSON object"),
        ("3\n", "got a number"),
        ("", "holds no tasks"),
        ("\n \n", "holds no tasks"),
        ('{"promt": "a", "answer": 1}\n', "line 1: no column 'prompt': did you mean 'promt'? (columns: 'promt', 'answer')"),
        ("{}\n", "line 1: no column 'prompt': known: none (columns: none)"),
        ('{"text": "a"}\n', "line 1: has a column 'text' but none that says where the prompt ends; each record needs 'prompt'"),
        ('{"prompt": null}\n', "line 1, column 'prompt': is empty"),
        ('{"prompt": "a"}\n{"prompt": " \\n"}\n', "line 2, column 'prompt': is empty"),
        ('{"prompt": 3}\n', "line 1, column 'prompt': expected text or a list of messages, got a number"),
        ('{"prompt": {"role": "user"}}\n', "line 1, column 'prompt': expected text or a list of messages, got an object"),
        ('{"prompt": []}\n', "line 1, column 'prompt': expected a list of messages, got an empty list"),
        ('{"prompt": ["a"]}\n', "line 1, column 'prompt', message 1: expected an object with 'role' and 'content', got text"),
        ('{"prompt": [{"rol": "user", "content": "a"}]}\n', "message 1: no 'role': did you mean 'rol'?"),
        ('{"prompt": [{"role": "user"}]}\n', "message 1: no 'content': known: role"),
        ('{"prompt": [{"role": "user", "content": null}]}\n', "message 1, 'content': expected text, got null"),
        ('{"prompt": [{"role": "user", "content": [{"type": "text"}]}]}\n', "message 1, 'content': expected text, got null"),
        ('{"prompt": [{"role": "user", "content": ""}]}\n', "message 1, 'content': is empty"),
        ('{"prompt": [{"role": 1, "content": "a"}]}\n', "message 1, 'role': expected text, got a number"),
        ('{"prompt": [{"role": "assistant", "content": "a"}]}\n', "ends with a message of the assistant"),
        ('{"prompt": "\\ud800"}\n', "line 1, column 'prompt': holds half of a surrogate pair at character 0"),
        ('{"messages": null}\n', "line 1, column 'messages': expected a list of messages, got null"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}\n', "nothing stands before the message of the assistant"),
        ('{"prompt": "a", "completion": 3}\n', "line 1, column 'completion': expected text, got a number"),
        (
            '{"prompt": "a", "completion": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "a"}]}\n',
            "column 'completion': expected one message, got 2",
        ),
        ('{"prompt": "a", "answer": ["1"]}\n', "line 1, column 'answer': expected text or a number, got a list"),
        ('{"prompt": "a", "answer": {"x": 1}}\n', "line 1, column 'answer': expected text or a number, got an object"),
        ('{"prompt": "a", "answer": 1e999}\n', "line 1, column 'answer': an infinite answer"),
        (
            '{"prompt": "a", "reward_model": {"ground_truth": [1]}}\n',
            "line 1, column 'reward_model.ground_truth': expected text or a number, got a list",
        ),
        ('{"prompt": "a", "id": null}\n', "line 1, column 'id': expected text or a number that is not empty, got null"),
        ('{"prompt": "a", "id": ""}\n', "line 1, column 'id'"),
        ('{"prompt": "a", "id": [1]}\n', "line 1, column 'id'"),
        ('{"prompt": "a", "id": 1}\n{"prompt": "b", "id": 2}\n{"prompt": "c", "id": "1"}\n', "t.jsonl line 3: repeats the id '1' of "),
        (
            '{"prompt": "a", "answer": 4}\n{"prompt": "b"}\n\n{"prompt": "a", "answer": 5}\n',
            "t.jsonl line 4: repeats the prompt of ",
        ),
    ],
)
def test_bad_jsonl(tmp_path, text, message):
    fails(write(tmp_path, text), message)


def test_repeats_name_both_lines(tmp_path):
    path = write(tmp_path, lines({"prompt": "a", "id": 1}, {"prompt": "b", "id": 1}))
    fails(path, f"{path} line 2: repeats the id '1' of {path} line 1 with another prompt")
    for first, second, name in (
        ({"prompt": "a", "answer": 4}, {"prompt": "a", "answer": 5}, "answer ('5', not '4'); a column 'id' with different values would keep both"),
        ({"prompt": "a", "answer": 4}, {"prompt": "a"}, "answer (None, not '4')"),
        ({"prompt": "a", "completion": "4"}, {"prompt": "a", "completion": "It is 4"}, "completion; a column 'id'"),
        ({"prompt": "a", "index": 1}, {"prompt": "a", "index": 2}, "index; a column 'id'"),
        ({"prompt": "a", "index": 1}, {"prompt": "a"}, "index; a column 'id'"),
        ({"prompt": "a", "id": 1, "answer": 4}, {"prompt": "a", "id": "1", "answer": 5}, "answer ('5', not '4')"),
    ):
        fails(
            write(tmp_path, lines(first, second)),
            f"{path} line 2: repeats the {'id ' + repr('1') if 'id' in first else 'prompt'} of {path} line 1 with another {name}",
        )
    same = write(tmp_path, lines({"prompt": "a", "id": 1}, {"prompt": "a", "id": 2}), "same.jsonl")
    assert len(read_tasks(same)) == 2, "ids tell equal prompts apart"


def test_lines_that_repeat_are_read_once_and_counted(tmp_path):
    rows = [{"prompt": "a", "answer": 1}, {"prompt": CHAT, "tests": [1, {"x": 2}]}, {"prompt": "c", "id": 7}]
    path = write(tmp_path, lines(*rows, rows[1], rows[0], rows[0], rows[2]))
    found = read(path)
    assert [task.prompt for task in found.tasks] == ["a", CHAT, "c"] and found.repeated == 4
    assert found.note == f"{path}: 4 of 7 records repeat others and are read once (first {path} line 4, which repeats {path} line 2)"
    once = read(write(tmp_path, lines(*rows)))
    assert once.tasks == found.tasks and (once.repeated, once.note) == (0, "")


def test_slices_are_what_a_column_says(tmp_path):
    path = write(tmp_path, lines({"prompt": "a", "level": 3}, {"prompt": "b", "level": "hard"}, {"prompt": "c"}))
    assert [slice_of(task) for task in read(path, Columns(slice="level")).tasks] == ["level 3", "level hard", ""]
    assert [slice_of(task) for task in read_tasks(path)] == ["", "", ""], "the name of the file says nothing"
    with pytest.raises(DataError, match=r"no record has a value in the slice column 'levle'; did you mean 'level'\?"):
        read(path, Columns(slice="levle"))
    with pytest.raises(DataError, match="line 1, column 'level': a slice is text or a number, got a list"):
        read(write(tmp_path, lines({"prompt": "a", "level": [1]})), Columns(slice="level"))


def test_calls_of_tools_and_parts_of_text(tmp_path):
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    prompt = [
        {"role": "user", "content": [{"type": "text", "text": "1+"}, {"type": "text", "text": "1?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "name": None},
        {"role": "tool", "content": "2", "tool_call_id": "c1", "name": "add"},
    ]
    found = read_tasks(write(tmp_path, lines({"prompt": prompt})))[0].prompt
    assert found == [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "c1", "name": "add"},
    ]
    image = [{"role": "user", "content": [{"type": "image"}]}]
    fails(
        write(tmp_path, lines({"prompt": image})),
        "line 1, column 'prompt', message 1, 'content': only parts of the type 'text' are read, got 'image'",
    )
    fails(write(tmp_path, lines({"prompt": [{"role": "user", "tool_calls": [call]}]})), "message 1: no 'content'")


def test_missing_files(tmp_path):
    write(tmp_path, "", "questions.jsonl")
    fails(tmp_path / "qestions.jsonl", "no such file; did you mean 'questions.jsonl'?")
    fails(tmp_path / "nowhere" / "t.jsonl", "no such file; the folder")
    fails(tmp_path / "zzz.csv.gz", "no such file")
    fails("./notthere", "no such file")
    fails(write(tmp_path, "x", "t.jsonl.gz"), "compressed files are not read; decompress it first")
    fails(write(tmp_path, "x", "t.xlsx"), "unknown kind of file '.xlsx'; known: .jsonl, .ndjson, .json, .csv, .tsv, .parquet")
    fails(write(tmp_path, "x", "noending"), "unknown kind of file ''")
    fails(tmp_path / "questions.jsonl", "the limit on tasks must be 1 or more, got 0", SettingError, limit=0)


def test_bad_parquet(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    fails(write(tmp_path, b"PAR1 no", "t.parquet"), "cannot be read as Parquet")
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"prompt": ["a", "b", None], "answer": [1.0, float("nan"), 2.0]}), path)
    assert [task.answer for task in read_tasks(path, limit=2)] == ["1", None]
    fails(path, "row 3, column 'prompt': is empty")
    parquet.write_table(pa.table({"promt": ["a"]}), path)
    fails(path, "row 1: no column 'prompt': did you mean 'promt'?")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    fails(path, 'reading Parquet needs pyarrow: pip install "autotelic[data]"')


def test_saved_datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    one = datasets.Dataset.from_list([{"prompt": CHAT, "answer": str(i), "id": i} for i in range(3)])
    one.save_to_disk(tmp_path / "one")
    assert [(task.id, task.prompt, task.answer) for task in read_tasks(tmp_path / "one")] == [(str(i), CHAT, str(i)) for i in range(3)]
    both = datasets.DatasetDict({"train": one, "test": one.select([2])})
    both.save_to_disk(tmp_path / "both")
    assert len(read_tasks(tmp_path / "both")) == 3
    assert [task.id for task in read_tasks(f"{tmp_path / 'both'}:test")] == ["2"]
    fails(f"{tmp_path / 'both'}:tset", "no split 'tset': did you mean 'test'?")
    datasets.DatasetDict({"dev": one, "test": one}).save_to_disk(tmp_path / "odd")
    fails(tmp_path / "odd", "no split 'train': known: dev, test; write")


def test_folders_of_data_files(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, lines({"prompt": "a", "answer": "1"}, {"prompt": "b", "answer": "2"}), "train.jsonl")
    assert [task.answer for task in read_tasks(folder)] == ["1", "2"]
    empty = tmp_path / "empty"
    empty.mkdir()
    fails(empty, "no data set of that name could be loaded")


def test_names_that_no_data_set_has(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "", "questions.jsonl")
    fails("question", "question: no data set of that name could be loaded")
    fails("question", "nor is there such a file: did you mean 'questions.jsonl'?")
    fails("a/b/c/d", "no such file")
    monkeypatch.setitem(sys.modules, "datasets", None)
    fails("question", 'needs the datasets library: pip install "autotelic[data]"')
