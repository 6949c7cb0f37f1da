"""What makes results look too good is found in a table, and not where there is none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages.core.data import traps
from stages.core.data.splits import Keys
from stages.core.declared.task import TASKS

ROWS = 600


def reader(**columns):
    return SimpleNamespace(columns=columns, decimal=".", signs="", dates="ISO8601")


def table(seed=0, rows=ROWS, **more):
    """Columns of text that say nothing of a target, and those given."""
    random = np.random.default_rng(seed)
    columns = {
        "age": random.integers(20, 80, rows),
        "height": random.normal(170, 10, rows).round(2),
        "weight": random.normal(70, 10, rows).round(2),
        "town": random.choice(["Ulm", "Bonn", "Rome"], rows),
    }
    return pd.DataFrame(columns | more).astype(str).astype("object")


KINDS = {"age": "number", "height": "number", "weight": "number", "town": "category"}


def found(x, y, task="binary", keys=None, passed=None, **kinds):
    keys = Keys(np.arange(len(x))) if keys is None else keys
    rest = x[[]] if passed is None else passed
    return traps.found(x, rest, np.asarray(y), reader(**KINDS, **kinds), TASKS[task], keys)


def answers(seed=1, rows=ROWS, share=0.4):
    return (np.random.default_rng(seed).random(rows) < share).astype("int32")


@pytest.mark.parametrize("share", [0.5, 0.2, 0.12])
def test_nothing_is_found_where_there_is_nothing(share):
    assert found(table(), answers(share=share)) == {}


def test_nothing_is_found_of_numbers_where_there_is_nothing():
    y = np.random.default_rng(3).normal(size=ROWS).astype("float32")
    assert found(table(), y, "regression") == {}


@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_column_that_is_the_answer_is_found(kind):
    y = answers()
    x = table(ct_result=np.where(y, 7, 3))
    assert found(x, y, ct_result=kind) == {"decides": {"ct_result": 0}}


def test_a_column_that_follows_from_a_number_is_found():
    y = np.random.default_rng(3).uniform(0, 4, ROWS).round().astype("float32")
    traps_of = found(table(double=2 * y + 1), y, "regression", double="number")
    assert traps_of == {"decides": {"double": 0}}


def test_a_column_that_helps_without_being_the_answer_is_none():
    y, random = answers(), np.random.default_rng(5)
    helps = np.where(random.random(ROWS) < 0.85, y, 1 - y)
    assert found(table(helps=helps), y, helps="number") == {}


def test_an_answer_that_each_column_gives_is_an_easy_task():
    y = answers()
    noise = np.random.default_rng(6).normal(0, 0.1, (4, ROWS))
    x = pd.DataFrame(dict(zip(KINDS, noise + np.where(y, 9, 1), strict=True)))
    kinds = dict.fromkeys(KINDS, "number")
    x.iloc[:20, :] = 5  # which no column knows
    x = x.astype(str).astype("object")
    result = traps.found(x, x[[]], y, reader(**kinds), TASKS["binary"], Keys(np.arange(ROWS)))
    assert "decides" not in result


def test_a_missing_value_may_be_the_answer():
    y = answers()
    x = table(body=np.random.default_rng(2).integers(0, 300, ROWS))
    x.loc[y == 1, "body"] = np.nan
    assert found(x, y, body="number")["decides"] == {"body": 0}


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_target_that_training_rows_have_alike_has_no_error_to_remove(task):
    traps_of = found(table(), np.ones(ROWS, "int32"), task)
    assert [*traps_of] == (["largest_class"] if task == "binary" else [])


def test_columns_without_any_value_are_none():
    x, y = table(), answers()
    x["height"] = x["town"] = np.nan
    assert found(x.astype("object"), y) == {}


def persons(each=3, seed=0):
    return np.random.default_rng(seed).permutation(np.arange(ROWS) // each)


@pytest.mark.parametrize("name", ["id", "ID", "patient_id", "user", "caseID", "caseId", "Player"])
def test_values_that_come_several_times_are_found_where_they_are_called_so(name):
    assert found(table(**{name: persons()}), answers(), **{name: "number"}) == {
        "groups": {name: 200}
    }


@pytest.mark.parametrize("name", ["paid", "citric acid", "covid", "humid", "idle", "width"])
def test_other_names_say_nothing(name):
    assert found(table(**{name: persons()}), answers(), **{name: "number"}) == {}


def test_values_whose_rows_have_one_target_are_found_under_any_name():
    group = persons()
    y = answers(rows=200)[group]
    assert found(table(card=group), y, card="number") == {"groups": {"card": 200}}


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_rows_that_are_alike_by_chance_make_no_groups(share):
    y = np.zeros(ROWS, "int32")
    y[np.random.default_rng(1).permutation(ROWS)[: int(share * ROWS)]] = 1
    traps_of = found(table(code=persons(each=2)), y, code="number")
    assert [*traps_of] == ["largest_class"]


def test_few_values_are_categories_and_no_groups():
    group = np.arange(ROWS) % 19
    assert found(table(user=group), answers(), user="category") == {}


def test_groups_that_are_kept_together_are_no_trap():
    x, y = table(user=persons()), answers()
    keys = Keys(np.arange(ROWS), group=persons())
    assert found(x, y, keys=keys, user="number") == {}


def test_rows_with_dates_are_found_until_they_are_split_by_time():
    x = table(day=pd.date_range("2024-01-01", periods=ROWS).astype(str))
    y = answers()
    assert found(x, y, day="date") == {"dates": {"day": ROWS}}
    keys = Keys(np.arange(ROWS), time=np.arange(ROWS, dtype="float64"))
    assert found(x, y, keys=keys, day="date") == {}


def test_copies_are_counted_with_their_targets():
    x, y = table(), answers()
    twice = pd.concat([x, x[:5]], ignore_index=True)
    assert found(twice, [*y, *y[:5]]) == {"duplicates": 5}
    assert found(twice, [*y, *(1 - y[:5])]) == {}


def test_copies_of_a_group_are_no_trap_and_those_of_another_are():
    x, y = table(), answers()
    twice, targets = pd.concat([x, x[:5]], ignore_index=True), [*y, *y[:5]]
    for copies, expected in (([0, 1, 2, 3, 4], {}), ([0, 1, 2, 3, 9], {"duplicates": 1})):
        keys = Keys(np.arange(ROWS + 5), group=np.array([*range(ROWS), *copies]))
        assert found(twice, targets, keys=keys) == expected


def test_rows_that_are_alike_since_few_are_possible_are_no_copies():
    random = np.random.default_rng(0)
    x = pd.DataFrame({"age": random.integers(0, 3, 99).astype(str), "town": ["x", "y", "z"] * 33})
    assert "duplicates" not in found(x.astype("object"), answers(rows=99))


@pytest.mark.parametrize(("rare", "expected"), [(61, {}), (30, {"largest_class": 0.95})])
def test_a_class_that_nearly_all_rows_have_is_found(rare, expected):
    y = np.random.default_rng(0).permutation(np.arange(ROWS) < rare).astype("int32")
    assert found(table(), y) == expected


def test_each_trap_is_said_with_its_column():
    lines = traps.sentences(
        {
            "decides": {"ct": 0.01},
            "groups": {"id": 1234},
            "dates": {"day": 1},
            "duplicates": 17,
            "largest_class": 0.96,
            "baseline": 0.5,
        }
    )
    told = ["ct", "id", "day", "17", "96%", "0.5000"]
    assert [word in line for word, line in zip(told, lines, strict=True)] == [True] * 6
    assert "data.group: id" in lines[1]
    assert "data.time: day" in lines[2]
    assert traps.sentences({}) == []
    assert len(traps.SENTENCES) == len(lines)


@pytest.mark.parametrize("column", ["a{b}", "{number}", "50%"])
def test_columns_of_any_name_can_be_told(column):
    assert column in traps.sentences({"groups": {column: 20}})[0]


def test_to_drop_the_name_of_a_person_does_not_part_the_rows():
    person = np.arange(ROWS) // 6
    passed = pd.DataFrame({"person": person.astype(str), "day": "2024-01-05"}, dtype="object")
    result = found(table(), person % 2, passed=passed, day="date")
    assert result == {"groups": {"person": 100}, "dates": {"day": 1}}
